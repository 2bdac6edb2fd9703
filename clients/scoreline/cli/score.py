"""``scoreline score``."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import click

from scoreline.calls.call_options import MAX_REASONS
from scoreline.cli.connection import connection_options
from scoreline.cli.opening import opened
from scoreline.cli.output import counting, print_json, print_table
from scoreline.cli.rows import InputOptions, InputRow, from_csv, from_json_lines, from_pairs, from_parquet
from scoreline.client import Client
from scoreline.decoding.explanations import Explanation, ReasonCode
from scoreline.decoding.results import Score, Scores
from scoreline.encoding.entities import Entity
from scoreline.encoding.validation import without_row
from scoreline.errors import EntityFailedError, InvalidRequestError, ScorelineError

FORMATS = {"csv": from_csv, "jsonl": from_json_lines, "parquet": from_parquet}
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_PART = 8192


class _Wanted(NamedTuple):
    """What to return beside a score: extra outputs, and so many reasons in a language."""

    extras: Sequence[str]
    reasons: int
    language: str


class _ScoredRow(NamedTuple):
    """One row of the input with its score or its error."""

    row: int
    entity_id: str
    score: Score | None
    error: ScorelineError | None


def check_pairs(_context: click.Context, _option: click.Parameter, pairs: Sequence[str]) -> Sequence[str]:
    """The pairs of --set. Raises BadParameter for one without a name or a value."""
    for pair in pairs:
        name, sign, _ = pair.partition("=")
        if not name or not sign:
            raise click.BadParameter(f"{pair!r}: write NAME=VALUE")
    return pairs


@click.command()
@click.argument("route")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", callback=check_pairs,
              help="A feature, context.NAME, or a JSON list for sequence or neighbors; repeatable.")  # fmt: skip
@click.option("--id", "entity_id", default="", help="The entity's id, for --set.")
@click.option("--event", help="The event at hand for --set, a JSON object with its type and fields.")
@click.option("--input", "source", type=click.File("rb"), help="CSV, JSON lines or Parquet; - for stdin.")
@click.option("--format", "kind", type=click.Choice([*FORMATS]), help="Format of --input.  [default: its suffix]")
@click.option("--id-column", help="Column of --input with the ids.  [default: entity_id]")
@click.option("--known-only", is_flag=True, help="Leave out what the route's schema does not have.")
@click.option("--extra", "extras", multiple=True, help="An extra output to return; repeatable.")
@click.option("--reasons", type=click.IntRange(0, MAX_REASONS), default=0, metavar="N",
              help="Return the N inputs that moved each score most, from 1 to 20.")  # fmt: skip
@click.option("--language", default="", help="Language of the reasons' texts.  [default: en]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per entity.")
@click.option("--local", is_flag=True, help="Score from a registry in this process, without a server.")
@click.option("--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True, show_envvar=True,
              help="Registry for --local.")  # fmt: skip
@connection_options
def score(
    route: str,
    pairs: Sequence[str],
    entity_id: str,
    event: str | None,
    source: IO[bytes] | None,
    extras: Sequence[str],
    reasons: int,
    language: str,
    as_json: bool,
    local: bool,
    registry: str,
    kind: str | None,
    id_column: str | None,
    known_only: bool,
    **connection: Any,
) -> None:
    """Score one entity (--set) or a file of them (--input) through ROUTE.

    \b
    scoreline score credit --set income=4200 --set status=employed --id c-17
    scoreline score credit --input customers.csv --json
    scoreline score churn --input histories.jsonl
    scoreline score spending --id c-17 --event '{"type": "purchase", "amount": 42}'

    A line of JSON may hold a history, oldest step first, neighbors, the event at hand, and context for the route's
    rules; a column of CSV with one of the names sequence, neighbors and event holds the JSON.

    \b
    {"entity_id": "c-17", "features": {"income": 4200}, "sequence": [{"spend": 12.5}, {"spend": 3}],
     "context": {"segment": "gold"}}
    """
    if bool(pairs or event) == (source is not None):
        raise click.UsageError("give either --set, once per feature, or --event, or --input")
    read = reader_of(source, kind) if source else None
    wanted = _Wanted(extras, reasons, language)
    with opened(registry if local else None, connection, command="score --local") as client:
        schema = client.schema(route)
        if source and read:
            options = InputOptions(
                id_column=id_column or "entity_id", needs_id=id_column is not None, known_only=known_only
            )
            lines = read(source, schema, options)
            _score_file(client, route, lines, name=source.name, wanted=wanted, as_json=as_json)
        else:
            entity = from_pairs(pairs, schema, entity_id=entity_id, event=event)
            _show([_score_one(client, route, entity, wanted)], as_json=as_json)


def reader_of(source: IO[bytes], kind: str | None) -> Callable[..., Iterator[InputRow]]:
    """The reader of a file's format, by its suffix unless ``kind`` names it."""
    kind = kind or _SUFFIXES.get(Path(source.name).suffix.lower())
    if kind is None:
        raise click.UsageError(f"{source.name}: give its format, --format {', '.join(FORMATS)}")
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise click.ClickException("reading Parquet needs pyarrow: pip install pyarrow")
    return FORMATS[kind]


def _score_one(client: Client, route: str, entity: Entity, wanted: _Wanted) -> _ScoredRow:
    score = client.score(
        route,
        entity.features,
        entity_id=entity.entity_id,
        sequence=entity.sequence,
        neighbors=entity.neighbors,
        context=entity.context,
        event=entity.event,
        **wanted._asdict(),
    )
    return _ScoredRow(0, str(entity.entity_id), score, None)


def _score_file(
    client: Client, route: str, lines: Iterator[InputRow], *, name: str, wanted: _Wanted, as_json: bool
) -> None:
    """Scores a file part by part; failed rows keep their places."""
    kept: list[_ScoredRow] = []
    rows, failed = 0, 0
    # JSON shows by itself on a terminal how far it is.
    with nullcontext(no_count) if as_json and sys.stdout.isatty() else counting("Scoring", "rows") as count:
        while part := list(islice(lines, _PART)):
            results = _score_part(client, route, part, rows, wanted)
            rows, failed = rows + len(part), failed + sum(result.error is not None for result in results)
            count(len(part))
            if as_json:
                _show(results, as_json=True)
            else:
                kept.extend(results)
    if not rows:
        click.echo(f"{name}: there are no rows to score", err=True)
        return
    if not as_json:
        _show(kept, as_json=False)
    if failed:
        raise ScorelineError(f"{failed:,} of {rows:,} entities could not be scored")


def _score_part(
    client: Client, route: str, part: Sequence[InputRow], first_row: int, wanted: _Wanted
) -> Sequence[_ScoredRow]:
    entities = [line.entity for line in part if line.entity is not None]
    try:
        scores = iter(client.score_many(route, entities, **wanted._asdict()))
    except InvalidRequestError as error:
        # Every row is invalid. In the first part that is a wrong header, which one line names.
        if first_row == 0 or "row" not in error.metadata:
            raise without_row(error) from error
        scores = iter(Scores.failed(len(entities), without_row(error)))
    results = [_result(line, next(scores)) if line.entity else (None, line.error) for line in part]
    return [
        _ScoredRow(first_row + index, line.entity_id, score, error)
        for index, (line, (score, error)) in enumerate(zip(part, results, strict=True))
    ]


def _result(line: InputRow, score: Score) -> tuple[Score | None, ScorelineError | None]:
    if score.error is not None and score.error.reason == "MISSING_UNIT" and not line.entity_id:
        return None, without_id(score.error)
    if not isinstance(score.error, InvalidRequestError):
        return (score, None) if score.error is None else (None, score.error)
    invalid = without_row(score.error)
    message = f"{line.place}: {invalid.message}"
    return None, InvalidRequestError(message, reason=invalid.reason, metadata=invalid.metadata)


def without_id(error: ScorelineError) -> ScorelineError:
    """The error of a row without an id, with the option that names the ids' column."""
    message = f"{error.message}; name the column of the ids with --id-column"
    return EntityFailedError(message, code=error.code, reason=error.reason, metadata=error.metadata)


def no_count(_more: int) -> None:
    """Discards the count."""


def _show(rows: Sequence[_ScoredRow], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print_json({"row": row.row, "entity_id": row.entity_id, **_facts(row)}, indent=None)
    else:
        _print_table(rows)


def _facts(row: _ScoredRow) -> dict[str, Any]:
    error, score = row.error, row.score
    if error is not None or score is None:
        return {"error": error and error_facts(error)}
    return score_facts(score)


def score_facts(score: Score) -> dict[str, Any]:
    """A score as plain values."""
    left_out = {"error", "explanation"}
    facts = {field.name: getattr(score, field.name) for field in fields(Score) if field.name not in left_out}
    if score.explanation is not None:
        facts["explanation"] = explanation_facts(score.explanation)
    return facts | {
        "reason": score.reason.name,
        "quality": score.quality._asdict(),
        "profile_state": score.profile_state.name,
        "extras": {name: value.tolist() for name, value in score.extras.items()},
    }


def explanation_facts(explanation: Explanation) -> dict[str, Any]:
    """The reasons of a score as plain values."""
    facts = {field.name: getattr(explanation, field.name) for field in fields(Explanation)}
    return facts | {"reasons": [code._asdict() for code in explanation.reasons]}


def error_facts(error: ScorelineError) -> dict[str, Any]:
    """An error as plain values."""
    return {"code": error.code.name, "reason": error.reason, "message": error.message, "metadata": error.metadata}


def _print_table(rows: Sequence[_ScoredRow]) -> None:
    """Leaves out the columns in which no row has anything."""
    table = [_cells(row) for row in rows]
    used = [index for index in range(len(_COLUMNS)) if any(cells[index] not in {None, ""} for cells in table)]
    print_table([_COLUMNS[index] for index in used], [[cells[index] for index in used] for cells in table])
    reasons = [_reason_cells(row, code) for row in rows if row.score is not None for code in row.score.reasons]
    if reasons:
        click.echo()
        print_table(("row", "id", "reason", "value", "contribution", "text"), reasons)


def _reason_cells(row: _ScoredRow, code: ReasonCode) -> Sequence[object]:
    error = f" ± {code.standard_error:.2g}" if code.standard_error else ""
    return row.row, row.entity_id, code.input, code.value, f"{code.contribution:+.4f}{error}", code.text


_COLUMNS = ("row", "id", "score", "band", "points", "model", "arm", "reason", "profile", "prediction", "extras",
            "error")  # fmt: skip


def _cells(row: _ScoredRow) -> Sequence[object]:
    score = row.score
    if score is None:
        return (row.row, row.entity_id, *[None] * 9, row.error and row.error.message)
    extras = " ".join(f"{name}={value.tolist()}" for name, value in score.extras.items())
    model = f"{score.model}@{score.version}"
    profile = score.profile_state.name if score.profile_state else None
    return (row.row, row.entity_id, score.score, score.band, score.points, model, score.arm, score.reason.name,
            profile, score.prediction_id, extras, None)  # fmt: skip
