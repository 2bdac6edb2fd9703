"""``scoreline score``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TextIO

import click

from scoreline.cli.connection import connect, connection_options
from scoreline.cli.failures import missing
from scoreline.cli.output import print_json, print_table, working
from scoreline.cli.rows import from_csv, from_json_lines, from_pairs
from scoreline.client import Client
from scoreline.entities import Entity
from scoreline.errors import ScorelineError
from scoreline.results import Score, Scores
from scoreline.retry import RetryPolicy

_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@click.command()
@click.argument("route")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A feature, or context.NAME; repeatable.")
@click.option("--id", "entity_id", default="", help="The entity's id, for --set.")
@click.option("--input", "source", type=click.File("r", encoding="utf-8-sig"), help="CSV or JSON lines; - for stdin.")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), help="Format of --input.  [default: its suffix]")
@click.option("--id-column", default="entity_id", show_default=True, help="Where --input holds the ids.")
@click.option("--known-only", is_flag=True, help="Leave out what the route's schema does not have.")
@click.option("--extra", "extras", multiple=True, help="An extra output to return; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per entity.")
@click.option("--local", is_flag=True, help="Score from a registry in this process, without a server.")
@click.option("--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True, show_envvar=True,
              help="Registry for --local.")  # fmt: skip
@connection_options
def score(
    route: str,
    pairs: Sequence[str],
    entity_id: str,
    source: TextIO | None,
    extras: Sequence[str],
    as_json: bool,
    local: bool,
    registry: str,
    kind: str | None,
    id_column: str,
    known_only: bool,
    **connection: Any,
) -> None:
    """Score one entity (--set) or a file of them (--input) through ROUTE.

    \b
    scoreline score credit --set income=4200 --set status=employed --id c-17
    scoreline score credit --input customers.csv --json
    """
    if bool(pairs) == (source is not None):
        raise click.UsageError("give either --set, once per feature, or --input")
    read = _reader(source, kind) if source else None
    with _client(registry if local else None, connection) as client:
        schema = client.schema(route)
        if source and read:
            entities = list(read(source, schema, id_column=id_column, known_only=known_only))
        else:
            entities = [from_pairs(pairs, schema, entity_id=entity_id)]
        with working(f"Scoring {len(entities):,} entities"):
            scores = client.score_many(route, entities, extras=extras)
    _print(entities, scores, as_json=as_json)


def _reader(source: TextIO, kind: str | None) -> Callable[..., Iterator[Entity]]:
    kind = kind or _SUFFIXES.get(Path(source.name).suffix.lower())
    if kind is None:
        raise click.UsageError(f"{source.name}: say --format csv or --format jsonl")
    return from_csv if kind == "csv" else from_json_lines


def _client(registry: str | None, connection: dict[str, Any]) -> Client:
    if registry is None:
        return connect(**connection)
    try:
        from scoreline.cli.local import LocalTransport, log_warnings

        log_warnings()
        return Client(transport=LocalTransport(registry), retry=RetryPolicy(max_attempts=1))
    except ModuleNotFoundError as error:
        raise click.ClickException(missing(error.name or "", "score --local", "server")) from error


def _print(entities: Sequence[Entity], scores: Scores, *, as_json: bool) -> None:
    ids = [entity.entity_id for entity in entities]
    if as_json:
        for row, (entity_id, score) in enumerate(zip(ids, scores, strict=True)):
            print_json({"row": row, "entity_id": entity_id, **_facts(score)})
    elif len(scores) != len(scores.errors) or len(scores) > 1:
        _print_table(ids, scores)
    if len(scores) == len(scores.errors) == 1:
        raise scores.errors[0]
    if scores.errors:
        raise ScorelineError(f"{len(scores.errors):,} of {len(scores):,} entities could not be scored")


def _facts(score: Score) -> dict[str, Any]:
    if score.error is not None:
        error = score.error
        facts = {"code": error.code.name, "reason": error.reason, "message": error.message, "metadata": error.metadata}
        return {"error": facts}
    facts = {field.name: getattr(score, field.name) for field in fields(Score) if field.name != "error"}
    return facts | {
        "reason": score.reason.name,
        "quality": score.quality._asdict(),
        "extras": {name: value.tolist() for name, value in score.extras.items()},
    }


def _print_table(ids: Sequence[str], scores: Scores) -> None:
    """Leaves out the columns in which no row has anything."""
    rows = [_cells(row, entity_id, score) for row, (entity_id, score) in enumerate(zip(ids, scores, strict=True))]
    used = [index for index in range(len(_COLUMNS)) if any(cells[index] not in {None, ""} for cells in rows)]
    print_table([_COLUMNS[index] for index in used], [[cells[index] for index in used] for cells in rows])


_COLUMNS = ("row", "id", "score", "band", "points", "model", "arm", "reason", "prediction", "extras", "error")


def _cells(row: int, entity_id: str, score: Score) -> Sequence[object]:
    if score.error is not None:
        return (row, entity_id, *[None] * 8, score.error.message)
    extras = " ".join(f"{name}={value.tolist()}" for name, value in score.extras.items())
    model = f"{score.model}@{score.version}"
    return (row, entity_id, score.score, score.band, score.points, model, score.arm, score.reason.name,
            score.prediction_id, extras, None)  # fmt: skip
