"""``scoreline decide``."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import fields
from itertools import islice
from typing import IO, Any, NamedTuple

import click

from scoreline.cli.connection import connect, connection_options
from scoreline.cli.output import counting, print_json, print_table
from scoreline.cli.rows import InputOptions, InputRow, from_pairs
from scoreline.cli.score import FORMATS, check_pairs, error_facts, no_count, reader_of, score_facts, without_id
from scoreline.client import Client
from scoreline.decoding.decisions import Decision, DecisionTrace
from scoreline.encoding.validation import without_row
from scoreline.errors import InvalidRequestError, ScorelineError

_PART = 2048


class _DecidedRow(NamedTuple):
    """One row of the input with its decision, which may hold an error."""

    row: int
    entity_id: str
    decision: Decision


@click.command()
@click.argument("policy")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", callback=check_pairs,
              help="A feature, context.NAME, or a JSON list for sequence or neighbors; repeatable.")  # fmt: skip
@click.option("--id", "entity_id", default="", help="The entity's id, without --input.")
@click.option("--event", help="The event at hand, a JSON object with its type and fields.")
@click.option("--input", "source", type=click.File("rb"), help="CSV, JSON lines or Parquet; - for stdin.")
@click.option("--format", "kind", type=click.Choice([*FORMATS]), help="Format of --input.  [default: its suffix]")
@click.option("--id-column", help="Column of --input with the ids.  [default: entity_id]")
@click.option("--known-only", is_flag=True, help="Leave out what the route's schema does not have.")
@click.option("--reasons", type=click.IntRange(0, 20), default=0, help="How many reasons of the score to return.")
@click.option("--language", default="", help="Language of the messages.  [default: as the policy says]")
@click.option("--channel", default="", help="Channel to act on; actions of others are left out.")
@click.option("--trace", is_flag=True, help="Show how each rule and action was tried.")
@click.option("--request-id", help="Equal on a repeated call, so that limits are taken once.  [default: a new one]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per entity.")
@connection_options
def decide(
    policy: str,
    pairs: Sequence[str],
    entity_id: str,
    event: str | None,
    source: IO[bytes] | None,
    kind: str | None,
    id_column: str | None,
    known_only: bool,
    as_json: bool,
    reasons: int,
    language: str,
    channel: str,
    trace: bool,
    request_id: str | None,
    **connection: Any,
) -> None:
    """Decide what to do about one entity (--set, --id, --event) or a file of them (--input) by POLICY.

    A decision takes the limits of its action and is journaled: what is decided here counts.

    \b
    scoreline decide guardian --id c-17 --set amount=89.9
    scoreline decide guardian --id c-17 --event '{"type": "purchase", "amount": 89.9}' --trace
    scoreline decide churn --input customers.csv --json
    """
    if bool(pairs or event or entity_id) == (source is not None):
        raise click.UsageError("give either --set, once per feature, --id or --event, or --input")
    asked: dict[str, Any] = {
        "reasons": reasons, "language": language, "channel": channel, "trace": trace, "request_id": request_id,
    }  # fmt: skip
    read = reader_of(source, kind) if source else None
    with connect(**connection) as client:
        schema = client.policy_schema(policy)
        if source and read:
            options = InputOptions(
                id_column=id_column or "entity_id", needs_id=id_column is not None, known_only=known_only
            )
            _decide_file(client, policy, read(source, schema, options), name=source.name, as_json=as_json, asked=asked)
        else:
            entity = from_pairs(pairs, schema, entity_id=entity_id, event=event)
            decision = client.decide(
                policy, entity.features, entity_id=entity.entity_id, sequence=entity.sequence,
                neighbors=entity.neighbors, context=entity.context, event=entity.event, **asked,
            )  # fmt: skip
            _show([_DecidedRow(0, entity_id, decision)], as_json=as_json)


def _decide_file(
    client: Client, policy: str, lines: Iterator[InputRow], *, name: str, as_json: bool, asked: dict[str, Any]
) -> None:
    """Decides for a file part by part; failed rows keep their places."""
    kept: list[_DecidedRow] = []
    rows, failed = 0, 0
    with nullcontext(no_count) if as_json and sys.stdout.isatty() else counting("Deciding", "rows") as count:
        while part := list(islice(lines, _PART)):
            results = _decide_part(client, policy, part, rows, asked)
            rows, failed = rows + len(part), failed + sum(each.decision.error is not None for each in results)
            count(len(part))
            if as_json:
                _show(results, as_json=True)
            else:
                kept.extend(results)
    if not rows:
        click.echo(f"{name}: there are no rows to decide for", err=True)
        return
    if not as_json:
        _show(kept, as_json=False)
    if failed:
        raise ScorelineError(f"{failed:,} of {rows:,} entities could not be decided for")


def _decide_part(
    client: Client, policy: str, part: Sequence[InputRow], first_row: int, asked: dict[str, Any]
) -> Sequence[_DecidedRow]:
    given = asked["request_id"]
    own = {**asked, "request_id": None if given is None else f"{given}-{first_row}"}
    decisions = iter(client.decide_many(policy, [line.entity for line in part if line.entity is not None], **own))
    return [_DecidedRow(first_row + index, line.entity_id, _result(line, decisions)) for index, line in enumerate(part)]


def _result(line: InputRow, decisions: Iterator[Decision]) -> Decision:
    if line.entity is None:
        return Decision(error=line.error)
    decision = next(decisions)
    error = decision.error
    if error is None:
        return decision
    if error.reason == "MISSING_UNIT" and not line.entity_id:
        return Decision(error=without_id(error))
    if isinstance(error, InvalidRequestError):
        own = without_row(error)
        return Decision(
            error=InvalidRequestError(f"{line.place}: {own.message}", reason=own.reason, metadata=own.metadata)
        )
    return decision


def _show(rows: Sequence[_DecidedRow], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            print_json({"row": row.row, "entity_id": row.entity_id, **_facts(row.decision)}, indent=None)
        return
    _print_table(_COLUMNS, [_cells(row) for row in rows])
    for row in rows:
        if row.decision.trace is not None:
            _print_trace(row.entity_id or str(row.row), row.decision.trace)


def _facts(decision: Decision) -> dict[str, Any]:
    if decision.error is not None or decision.score is None:
        return {"error": decision.error and error_facts(decision.error)}
    facts = {field.name: getattr(decision, field.name) for field in fields(Decision) if field.name != "error"}
    return facts | {
        "score": score_facts(decision.score),
        "suppressed": [each._asdict() for each in decision.suppressed],
        "trace": decision.trace and _trace_facts(decision.trace),
    }


def _trace_facts(trace: DecisionTrace) -> dict[str, Any]:
    rules = [{**rule._asdict(), "conditions": [each._asdict() for each in rule.conditions]} for rule in trace.rules]
    return {"rules": rules, "candidates": [each._asdict() for each in trace.candidates], "facts": dict(trace.facts)}


_COLUMNS = ("row", "id", "action", "message", "score", "band", "value", "cost", "strategy", "rule", "control",
            "suppressed", "decision", "error")  # fmt: skip


def _cells(row: _DecidedRow) -> Sequence[object]:
    decision, score = row.decision, row.decision.score
    if score is None:
        return (row.row, row.entity_id, *[None] * 11, decision.error and decision.error.message)
    control = f"would get {decision.withheld_action}" if decision.is_control else None
    suppressed = " ".join(f"{each.action} ({each.limit})" for each in decision.suppressed)
    message = decision.message or (f"({decision.message_problem})" if decision.message_problem else None)
    return (row.row, row.entity_id, decision.action, message, score.score, score.band, decision.expected_value,
            decision.cost or None, decision.strategy, decision.rule, control, suppressed, decision.decision_id,
            None)  # fmt: skip


def _print_trace(name: str, trace: DecisionTrace) -> None:
    click.echo(f"\n{name}:")
    for rule in trace.rules:
        tests = ", ".join(
            f"{each.fact} {each.test} {'holds' if each.holds else 'does not hold'} for {_text(each.value)}"
            for each in rule.conditions
        )
        click.echo(f"  rule {rule.rule}: {'matched' if rule.matched else 'did not match'}{tests and f' ({tests})'}")
    rows = [
        (each.action, each.expected_value, each.benefit, each.effect, each.cost, each.propensity, each.refused_by)
        for each in trace.candidates
    ]
    _print_table(("action", "value", "benefit", "effect", "cost", "propensity", "refused by"), rows)


def _text(value: float | str | bool | None) -> str:
    return "a missing value" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _print_table(names: Sequence[str], table: Sequence[Sequence[object]]) -> None:
    """Leaves out the columns in which no row has anything."""
    used = [index for index in range(len(names)) if any(cells[index] not in {None, ""} for cells in table)]
    print_table([names[index] for index in used], [[cells[index] for index in used] for cells in table])
