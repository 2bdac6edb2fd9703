"""What a policy would decide and say for rows, before any limit that is counted in a store. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from scoreline_registry.decisions.deciding.compiled import CompiledPolicy, compile_policy
from scoreline_registry.decisions.deciding.proposal import Candidate, Case, Proposal
from scoreline_registry.decisions.messages.message import Message
from scoreline_registry.decisions.messages.rendering import CompiledMessages
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.previewing.rows import REASONS, Row, case_of

_AT_A_TIME = 1000


@dataclass(frozen=True, slots=True)
class WrittenReason:
    """A reason of a score, as a row has it."""

    text: str
    input: str
    direction: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a policy would decide for one row.

    Attributes:
        taken: the candidate, as if no limit of a store refused it.
        message: None where the policy has none for the action.
        counted: the limits that would be counted for the action, by name.
    """

    case: Case
    proposal: Proposal
    taken: Candidate
    message: Message | None
    counted: tuple[str, ...]


def previews(
    policy: Policy, rows: Iterable[Row], *, now_ns: int, language: str = "", channel: str = "", trace: bool = False
) -> Iterator[Preview]:
    """A preview of each row, in order; ``now_ns`` is the time of rows without one. Raises ValueError for a bad row."""
    compiled, messages = compile_policy(policy), CompiledMessages(policy)
    numbered = enumerate(rows, start=1)
    while part := list(islice(numbered, _AT_A_TIME)):
        cases = [_case(row, number, policy, now_ns, channel) for number, row in part]
        for (number, row), case, proposal in zip(part, cases, compiled.propose(cases, trace=trace), strict=True):
            yield _preview(compiled, messages, case, proposal, _reasons(row, number), language)


def _case(row: Row, number: int, policy: Policy, now_ns: int, channel: str) -> Case:
    try:
        case = case_of(row, number, unit=policy.unit, now_ns=now_ns)
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from error
    return Case(case.decision_id, case.unit, case.facts, case.time_ns, channel or case.channel)


def _preview(
    compiled: CompiledPolicy,
    messages: CompiledMessages,
    case: Case,
    proposal: Proposal,
    reasons: Sequence[WrittenReason],
    language: str,
) -> Preview:
    taken = proposal.taken(proposal.wanted[0].action if proposal.wanted else None)
    action = compiled.policy.actions.get(taken.action)
    channel = (action.channel if action else None) or case.channel or None
    message = messages.write(taken, proposal.facts, language=language, channel=channel, reasons=reasons)
    return Preview(case, proposal, taken, message, _counted(compiled, case, proposal))


def _counted(compiled: CompiledPolicy, case: Case, proposal: Proposal) -> tuple[str, ...]:
    reservation = compiled.limits.reservation(proposal, case.unit, case.time_ns)
    checks = reservation.claims[0].checks if reservation else ()
    return tuple(dict.fromkeys(check.limit for check in checks))


def _reasons(row: Row, number: int) -> list[WrittenReason]:
    """The reasons of a row: objects with text, input and direction, texts alone, or what the journal has of them."""
    written = row.get(REASONS) or ()
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"row {number}: {REASONS} is no JSON list") from error
    if not isinstance(written, list | tuple):
        raise ValueError(f"row {number}: {REASONS} is no list")  # noqa: TRY004 - one kind of error for bad rows
    return [_reason(each) for each in written]


def _reason(each: object) -> WrittenReason:
    match each:
        case [str(name), int() | float() as contribution]:
            return WrittenReason(name, name, "raises" if contribution > 0 else "lowers")
    if isinstance(each, Mapping):
        text, name = str(each.get("text", "")), str(each.get("input", ""))
        return WrittenReason(text or name, name, str(each.get("direction", "")))
    return WrittenReason(str(each), "", "")
