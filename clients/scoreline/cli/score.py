"""``scoreline score``."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import click

from scoreline.calls.retry import RetryPolicy
from scoreline.cli.connection import connect, connection_options
from scoreline.cli.failures import missing
from scoreline.cli.output import counting, print_json, print_table
from scoreline.cli.rows import Read, from_csv, from_json_lines, from_pairs
from scoreline.client import Client
from scoreline.decoding.results import Score, Scores
from scoreline.encoding.entities import Entity
from scoreline.encoding.validation import without_row
from scoreline.errors import InvalidRequestError, ScorelineError

_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_PART = 8192


class _Row(NamedTuple):
    """What came of one row of the input."""

    row: int
    entity_id: str
    score: Score | None
    error: ScorelineError | None


def _check_pairs(_context: click.Context, _option: click.Parameter, pairs: Sequence[str]) -> Sequence[str]:
    for pair in pairs:
        name, sign, _ = pair.partition("=")
        if not name or not sign:
            raise click.BadParameter(f"{pair!r}: write NAME=VALUE")
    return pairs


@click.command()
@click.argument("route")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", callback=_check_pairs,
              help="A feature, or context.NAME; repeatable.")  # fmt: skip
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
            lines = read(source, schema, id_column=id_column, known_only=known_only)
            _score_file(client, route, lines, name=source.name, extras=extras, as_json=as_json)
        else:
            entity = from_pairs(pairs, schema, entity_id=entity_id)
            _show([_score_one(client, route, entity, extras)], as_json=as_json)


def _reader(source: TextIO, kind: str | None) -> Callable[..., Iterator[Read]]:
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


def _score_one(client: Client, route: str, entity: Entity, extras: Sequence[str]) -> _Row:
    score = client.score(
        route,
        entity.features,
        entity_id=entity.entity_id,
        context=entity.context,
        extras=extras,
    )
    return _Row(0, str(entity.entity_id), score, None)


def _score_file(
    client: Client, route: str, lines: Iterator[Read], *, name: str, extras: Sequence[str], as_json: bool
) -> None:
    """Scores a file part by part and keeps what fails in its place."""
    kept: list[_Row] = []
    rows, failed = 0, 0
    # JSON shows by itself on a terminal how far it is.
    with nullcontext(_no_count) if as_json and sys.stdout.isatty() else counting("Scoring", "rows") as count:
        while part := list(islice(lines, _PART)):
            outcomes = _score_part(client, route, part, rows, extras)
            rows, failed = rows + len(part), failed + sum(outcome.error is not None for outcome in outcomes)
            count(len(part))
            if as_json:
                _show(outcomes, as_json=True)
            else:
                kept.extend(outcomes)
    if not rows:
        click.echo(f"{name}: there are no rows to score", err=True)
        return
    if not as_json:
        _show(kept, as_json=False)
    if failed:
        raise ScorelineError(f"{failed:,} of {rows:,} entities could not be scored")


def _score_part(
    client: Client, route: str, part: Sequence[Read], first_row: int, extras: Sequence[str]
) -> Sequence[_Row]:
    entities = [line.entity for line in part if line.entity is not None]
    try:
        scores = iter(client.score_many(route, entities, extras=extras))
    except InvalidRequestError as error:
        # Every row was refused. In the first part that is a wrong header, which one line says best.
        if first_row == 0 or "row" not in error.metadata:
            raise without_row(error) from error
        scores = iter(Scores.failed(len(entities), without_row(error)))
    return [
        _Row(first_row + index, line.entity_id, *(_outcome(line, next(scores)) if line.entity else (None, line.error)))
        for index, line in enumerate(part)
    ]


def _outcome(line: Read, score: Score) -> tuple[Score | None, ScorelineError | None]:
    if not isinstance(score.error, InvalidRequestError):
        return (score, None) if score.error is None else (None, score.error)
    refusal = without_row(score.error)
    message = f"line {line.line}: {refusal.message}"
    return None, InvalidRequestError(message, reason=refusal.reason, metadata=refusal.metadata)


def _no_count(_more: int) -> None:
    """Counts for nobody."""


def _show(rows: Sequence[_Row], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print_json({"row": row.row, "entity_id": row.entity_id, **_facts(row)}, indent=None)
    else:
        _print_table(rows)


def _facts(row: _Row) -> dict[str, Any]:
    error, score = row.error, row.score
    if error is not None or score is None:
        return {"error": error and _error_facts(error)}
    facts = {field.name: getattr(score, field.name) for field in fields(Score) if field.name != "error"}
    return facts | {
        "reason": score.reason.name,
        "quality": score.quality._asdict(),
        "extras": {name: value.tolist() for name, value in score.extras.items()},
    }


def _error_facts(error: ScorelineError) -> dict[str, Any]:
    return {"code": error.code.name, "reason": error.reason, "message": error.message, "metadata": error.metadata}


def _print_table(rows: Sequence[_Row]) -> None:
    """Leaves out the columns in which no row has anything."""
    table = [_cells(row) for row in rows]
    used = [index for index in range(len(_COLUMNS)) if any(cells[index] not in {None, ""} for cells in table)]
    print_table([_COLUMNS[index] for index in used], [[cells[index] for index in used] for cells in table])


_COLUMNS = ("row", "id", "score", "band", "points", "model", "arm", "reason", "prediction", "extras", "error")


def _cells(row: _Row) -> Sequence[object]:
    score = row.score
    if score is None:
        return (row.row, row.entity_id, *[None] * 8, row.error and row.error.message)
    extras = " ".join(f"{name}={value.tolist()}" for name, value in score.extras.items())
    model = f"{score.model}@{score.version}"
    return (row.row, row.entity_id, score.score, score.band, score.points, model, score.arm, score.reason.name,
            score.prediction_id, extras, None)  # fmt: skip
