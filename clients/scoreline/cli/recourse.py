"""``scoreline recourse``."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import IO, Any

import click

from scoreline.cli.connection import connection_options
from scoreline.cli.opening import opened
from scoreline.cli.output import counting, print_json, print_table
from scoreline.cli.rows import InputOptions, InputRow, from_pairs
from scoreline.cli.score import FORMATS, check_pairs, error_facts, reader_of
from scoreline.client import Client
from scoreline.decoding.changes import Recourse, RecourseState
from scoreline.errors import NotFoundError, ScorelineError
from scoreline.schema import RouteSchema

_PART = 64

_NOTES = {
    RecourseState.REACHED: "it is there already",
    RecourseState.IMPOSSIBLE: "no way exists",
    RecourseState.NOT_FOUND: "no way was found; that does not prove that there is none",
}


@click.command()
@click.argument("name", metavar="POLICY|ROUTE")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", callback=check_pairs,
              help="A feature of one entity, or context.NAME; repeatable.")  # fmt: skip
@click.option("--id", "entity_id", default="", help="The entity's id, without --input.")
@click.option("--input", "source", type=click.File("rb"), help="CSV, JSON lines or Parquet; - for stdin.")
@click.option("--format", "kind", type=click.Choice([*FORMATS]), help="Format of --input.  [default: its suffix]")
@click.option("--id-column", help="Column of --input with the ids.  [default: entity_id]")
@click.option("--known-only", is_flag=True, help="Leave out what the route's schema does not have.")
@click.option("--band", help="The band to reach.")
@click.option("--at-most", type=float, help="The score to fall to.")
@click.option("--at-least", type=float, help="The score to rise to.")
@click.option("--most", type=click.IntRange(1, 10), help="The most ways to show.  [default: 3]")
@click.option("--most-changes", type=click.IntRange(min=1), help="The most inputs of one way.  [default: 4]")
@click.option("--fixed", multiple=True, metavar="FEATURE", help="A further feature that stays as it is; repeatable.")
@click.option("--engine", default="", help="search or treecf.  [default: the best there is]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per entity.")
@click.option("--local", is_flag=True, help="Compute from a registry in this process, without a server.")
@click.option("--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True, show_envvar=True,
              help="Registry for --local.")  # fmt: skip
@connection_options
def recourse(
    name: str,
    pairs: Sequence[str],
    entity_id: str,
    source: IO[bytes] | None,
    kind: str | None,
    id_column: str | None,
    known_only: bool,
    as_json: bool,
    local: bool,
    registry: str,
    band: str | None,
    at_most: float | None,
    at_least: float | None,
    most: int | None,
    most_changes: int | None,
    fixed: Sequence[str],
    engine: str,
    **connection: Any,
) -> None:
    """Find the cheapest changes of inputs that bring one entity (--set, --id), or those of a file, to a target.

    What may change is as POLICY says, or for a ROUTE as the contracts of its models say. Every way is proven by the
    model that serves.

    \b
    scoreline recourse credit --set income=900 --set debt=4000 --band low
    scoreline recourse credit-policy --input applicants.csv --at-most 0.3 --json
    """
    if bool(pairs or entity_id) == (source is not None):
        raise click.UsageError("give either --set, once per feature, and --id, or --input")
    if [band, at_most, at_least].count(None) != 2:
        raise click.UsageError("give one of --band, --at-most and --at-least")
    asked: dict[str, Any] = {
        "band": band, "at_most": at_most, "at_least": at_least, "most": most, "most_changes": most_changes,
        "fixed": fixed, "engine": engine,
    }  # fmt: skip
    read = reader_of(source, kind) if source else None
    with opened(registry if local else None, connection, command="recourse --local") as client:
        of, schema = _named(client, name)
        if source and read:
            how = InputOptions(
                id_column=id_column or "entity_id", needs_id=id_column is not None, known_only=known_only
            )
            _for_file(client, read(source, schema, how), {**of, **asked}, name=source.name, as_json=as_json)
            return
        entity = from_pairs(pairs, schema, entity_id=entity_id)
        (found,) = client.recourse_many([entity], **of, **asked)
        if found.error is not None:
            raise found.error
        _show(0, entity_id, found, as_json=as_json)


def _named(client: Client, name: str) -> tuple[dict[str, Any], RouteSchema]:
    """The policy of a name, or else the route; and its schema."""
    try:
        return {"policy": name}, client.policy_schema(name)
    except NotFoundError:
        try:
            return {"route": name}, client.schema(name)
        except NotFoundError as error:
            raise ScorelineError(f"the server has neither a policy nor a route {name!r}") from error


def _for_file(client: Client, lines: Iterator[InputRow], asked: dict[str, Any], *, name: str, as_json: bool) -> None:
    rows, failed = 0, 0
    with counting("Searching", "rows") as count:
        while part := list(islice(lines, _PART)):
            results = iter(client.recourse_many([line.entity for line in part if line.entity is not None], **asked))
            for line in part:
                found = Recourse(error=line.error) if line.entity is None else next(results)
                failed += found.error is not None
                _show(rows, line.entity_id, found, as_json=as_json)
                rows += 1
            count(len(part))
    if not rows:
        click.echo(f"{name}: there are no rows", err=True)
    if failed:
        raise ScorelineError(f"{failed:,} of {rows:,} entities could not be scored")


def _show(row: int, entity_id: str, found: Recourse, *, as_json: bool) -> None:
    score = found.score
    if as_json:
        facts = {key: value for key, value in asdict(found).items() if key not in {"score", "error", "state"}}
        print_json(
            {"row": row, "entity_id": entity_id, "state": found.state.name, "score": score and score.score,
             "arm": score and score.arm, "version": score and score.version, "revision": score and score.revision,
             **facts, "error": found.error and error_facts(found.error)}, indent=None,
        )  # fmt: skip
        return
    if score is None:
        click.echo(f"{entity_id or row}: {found.error and found.error.message}")
        return
    band = f" ({score.band})" if score.band else ""
    proof = "; the first is proven to be the cheapest" if found.exact and found.ways else ""
    click.echo(f"{entity_id or row}: score {score.score:.6g}{band} by {score.arm}, version {score.version}, revision "
               f"{score.revision}{proof}")  # fmt: skip
    if not found.ways:
        click.echo(_NOTES[found.state])
        return
    rows = [
        (
            place,
            way.cost,
            way.score,
            way.band,
            change.feature,
            change.before,
            change.after,
            "yes" if change.derived else "",
        )
        for place, way in enumerate(found.ways, 1)
        for change in way.changes
    ]
    print_table(("way", "cost", "score", "band", "input", "from", "to", "derived"), rows)
