"""``scoreline policy preview``: what a policy would decide and say for given rows."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from scoreline_registry.commands.files import read_text
from scoreline_registry.commands.options import Failure, RegistryCommand, json_option
from scoreline_registry.commands.output import print_json, print_table
from scoreline_registry.decisions.checks.validation import own_errors
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_file import policy_of, read_policy
from scoreline_registry.errors import InvalidError
from scoreline_registry.registry import Registry

if TYPE_CHECKING:
    from scoreline_registry.decisions.deciding.proposal import Candidate, LeftOut, RuleTrace
    from scoreline_registry.decisions.previewing.previews import Preview
    from scoreline_registry.decisions.previewing.rows import Row

_COLUMNS = ("row", "unit", "strategy", "rule", "action", "value", "counts for", "message")
_WIDEST = 60


@click.command(cls=RegistryCommand, short_help="Show what a policy would decide for rows.")
@click.argument("file", type=click.File("rb"))
@click.argument("rows", type=click.File("rb"))
@click.option(
    "--registry", "address", help="Check FILE against this registry, and use the cuts and effects found there."
)
@click.option("--format", "written_as", type=click.Choice(["csv", "jsonl"]), help="Format of ROWS; by its name else.")
@click.option(
    "--language", default="", metavar="TAG", help="Language of messages, such as de; as the policy says else."
)
@click.option("--channel", default="", help="Channel that can be acted on; any else.")
@click.option("-n", "--count", default=20, show_default=True, type=click.IntRange(0), help="Rows to show.")
@click.option("--trace", is_flag=True, help="Show how each rule and action was tried.")
@json_option
def preview(
    file: BinaryIO,
    rows: BinaryIO,
    address: str | None,
    written_as: str | None,
    language: str,
    channel: str,
    count: int,
    trace: bool,
    as_json: bool,
) -> None:
    """Show what the policy of FILE would decide and say for each of ROWS, in CSV or JSON Lines.

    Columns are facts: score, band, feature.<name>, context.<key>, profile.<profile>.<name>, extra.<name>, event.<field>
    and uplift.<model> for the score of an effect's model; other columns are features. unit or entity_id, time and
    reasons may be there too, so rows that `scoreline journal export` or `journal tail --json` gives can be used as they
    are. Nothing is stored or counted: limits that need counting are named and do not refuse anything.
    """
    from scoreline_registry.decisions.previewing.previews import previews

    policy = _policy(file, address)
    found = previews(
        policy, _rows(rows, written_as), now_ns=time.time_ns(), language=language, channel=channel, trace=trace
    )
    try:
        shown, actions = _counted(found, count)
    except ValueError as error:
        raise Failure(f"{getattr(rows, 'name', 'rows')}: {error}") from error
    if as_json:
        print_json({"rows": [_json(each) for each in shown], "actions": dict(actions)})
    else:
        _print(shown, actions, trace=trace)


def _policy(file: BinaryIO, address: str | None) -> Policy:
    """The policy of a file, checked; as a registry would store it, or as one without an earlier definition would."""
    source, text = read_text(file)
    if address is not None:
        return Registry.open(address).plan_policy(read_policy(text, source=source)).after
    policy = policy_of(text, source=source)
    if errors := own_errors(policy):
        raise InvalidError(source, errors)
    return policy


def _rows(file: BinaryIO, written_as: str | None) -> Iterator["Row"]:
    from scoreline_registry.decisions.previewing.rows import rows_of_csv, rows_of_json

    source = str(getattr(file, "name", "<stdin>"))
    lines = (line.decode("utf-8-sig" if not number else "utf-8") for number, line in enumerate(file))
    is_csv = written_as == "csv" or (written_as is None and source.lower().endswith(".csv"))
    try:
        yield from rows_of_csv(lines, source=source) if is_csv else rows_of_json(lines, source=source)
    except UnicodeDecodeError as error:
        raise Failure(f"{source} is not UTF-8 text") from error


def _counted(found: Iterable["Preview"], count: int) -> tuple[list["Preview"], Counter[str]]:
    """The first so many previews, and how many of all take each action."""
    shown: list[Preview] = []
    actions: Counter[str] = Counter()
    for each in found:
        actions["control" if each.proposal.is_control else each.taken.action] += 1
        if len(shown) < count:
            shown.append(each)
    return shown, actions


def _print(shown: Sequence["Preview"], actions: Counter[str], *, trace: bool) -> None:
    if trace:
        for number, each in enumerate(shown, start=1):
            click.echo("\n".join(_trace(number, each)))
    else:
        print_table(_COLUMNS, (_line(number, each) for number, each in enumerate(shown, start=1)))
    total = sum(actions.values())
    listed = ", ".join(f"{name} {times:,}" for name, times in sorted(actions.items(), key=lambda each: -each[1]))
    click.echo(f"{total:,} rows: {listed}" if total else "no rows")


def _line(number: int, each: "Preview") -> tuple[object, ...]:
    proposal, taken = each.proposal, each.taken
    action = f"{taken.action} (control: {proposal.withheld_action})" if proposal.is_control else taken.action
    message = _message(each).replace("\n", " ")
    cut = message if len(message) <= _WIDEST else message[: _WIDEST - 1] + "…"
    value = "" if taken.expected_value is None else f"{taken.expected_value:.6g}"
    counted = ", ".join(each.counted)
    return number, each.case.unit, proposal.strategy, proposal.rule, action, value, counted, cut


def _message(each: "Preview") -> str:
    if each.message is None:
        return ""
    return f"problem: {each.message.problem}" if each.message.problem else each.message.text


def _trace(number: int, each: "Preview") -> Iterator[str]:
    """How one row was decided, in lines."""
    proposal = each.proposal
    unit = f" {each.case.unit}" if each.case.unit else ""
    control = "; the unit is in the control share" if proposal.is_control else ""
    strategy = f"{proposal.strategy} ({proposal.strategy_reason})"
    yield f"row {number}{unit}: {each.taken.action}, by strategy {strategy}{control}"
    yield from (f"  rule {_rule(rule)}" for rule in proposal.rules)
    yield from (f"  {_candidate(candidate)}" for candidate in proposal.candidates)
    yield from (f"  {left_out.action}: left out, {_why(left_out)}" for left_out in proposal.left_out)
    yield from (f"  shadow {shadow.strategy}: {shadow.action} by rule {shadow.rule}" for shadow in proposal.shadows)
    if each.counted:
        yield f"  counts for {', '.join(each.counted)}"
    if each.message is not None:
        yield f"  message ({each.message.language}): {_message(each)}"


def _rule(rule: "RuleTrace") -> str:
    if rule.matched:
        return f"{rule.rule}: matches"
    failed = rule.failed
    value = "missing" if failed is None or failed.value is None else failed.value
    return f"{rule.rule}: no, {failed.fact} {failed.test} and it is {value}" if failed else f"{rule.rule}: no"


def _candidate(candidate: "Candidate") -> str:
    chance = f", propensity {candidate.propensity:.4g}"
    if candidate.expected_value is None:
        return f"{candidate.action}: no expected value, cost {candidate.cost:g}{chance}"
    if candidate.benefit is None or candidate.change is None:
        return f"{candidate.action}: {candidate.expected_value:.6g}{chance}"
    worth = f"{candidate.benefit:.6g} x {candidate.change:.4g} - {candidate.cost:.6g}"
    return f"{candidate.action}: {candidate.expected_value:.6g} = {worth}{chance}"


def _why(left_out: "LeftOut") -> str:
    texts = {
        "limit": f"limit {left_out.by}",
        "missing_fact": f"{left_out.by} is missing",
        "not_finite": f"its {left_out.by} is not finite",
        "no_effect": "it has no effect to be compared by",
        "no_unit": f"limit {left_out.by} counts for each unit, and there is none",
        "other_channel": f"its channel is {left_out.by}",
    }
    return texts[left_out.reason]


def _json(each: "Preview") -> dict[str, Any]:
    proposal = each.proposal
    return {
        "decision_id": each.case.decision_id,
        "unit": each.case.unit,
        "strategy": proposal.strategy,
        "rule": proposal.rule,
        "is_control": proposal.is_control,
        "withheld_action": proposal.withheld_action,
        "action": each.taken.action,
        "expected_value": each.taken.expected_value,
        "cost": each.taken.cost,
        "propensity": each.taken.propensity,
        "variant": each.taken.variant,
        "message": each.message
        and {"text": each.message.text, "language": each.message.language, "problem": each.message.problem},
        "counts_for": list(each.counted),
        "flags": list(proposal.flags),
        "candidates": [
            {
                "action": candidate.action,
                "expected_value": candidate.expected_value,
                "benefit": candidate.benefit,
                "change": candidate.change,
                "cost": candidate.cost,
                "propensity": candidate.propensity,
            }
            for candidate in proposal.candidates
        ],
        "left_out": [{"action": left.action, "reason": left.reason, "by": left.by} for left in proposal.left_out],
        "rules": [
            {
                "rule": rule.rule,
                "matched": rule.matched,
                "tests": [
                    {"fact": test.fact, "test": test.test, "value": test.value, "holds": test.holds}
                    for test in rule.tests
                ],
            }
            for rule in proposal.rules
        ],
    }
