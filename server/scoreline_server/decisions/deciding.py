"""Decides for the scored rows of a call: proposals, limits, messages, and what the journal keeps of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.decisions.deciding.proposal import Candidate, Case, Proposal
from scoreline_registry.decisions.facts import CONTEXT
from scoreline_registry.decisions.messages.message import Message
from scoreline_registry.decisions.reservations import Grant, Refusal, Reservation, counting_limits
from scoreline_server.decisions.cases import cases_of
from scoreline_server.decisions.reasons import SaidReason, message_reasons, said
from scoreline_server.scoring.decided import DecidedRow, DecidedRows, Suppressed
from scoreline_server.scoring.facts import Scored
from scoreline_server.scoring.reasons.codes import RowReasons
from scoreline_server.scoring.reasons.row_reasons import Wanted
from scoreline_server.scoring.served_policy import ServedPolicy

_MICRO = 1000
_NO_MESSAGE = Message("", "")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asks for beside the decisions.

    Attributes:
        channel: that the caller can act on; empty for any.
        language: of the messages; empty for the one that the policy says.
        trace: whether to say how each rule was tried.
    """

    channel: str = ""
    language: str = ""
    trace: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision for one row.

    Attributes:
        row: what the journal keeps of it.
        proposal: what the policy proposed.
        refused: actions that a store of limits refused, best first.
        message: the text for the customer, or why there is none; empty where the policy has none for the action.
        counted: the limits that counted the action that was granted.
        is_uncounted: whether limits could not be looked at, because the store of limits did not answer.
    """

    row: DecidedRow
    proposal: Proposal
    refused: Sequence[Refusal] = ()
    message: Message = _NO_MESSAGE
    counted: Sequence[str] = ()
    is_uncounted: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions for the rows of a call, by row; rows that have an error have none.

    ``reasons`` are those that messages could name, by row.
    """

    policy: ServedPolicy
    by_row: Mapping[int, Decision] = field(default_factory=dict)
    reasons: Mapping[int, RowReasons] = field(default_factory=dict)

    def journaled(self, count: int) -> DecidedRows:
        """What the journal keeps of the decisions for ``count`` rows."""
        found = [self.by_row.get(row) for row in range(count)]
        rows = [None if decision is None else decision.row for decision in found]
        return DecidedRows(self.policy.name, self.policy.revision, rows)


Reserve = Callable[[Sequence[Reservation], int], Sequence[Grant] | None]
"""Grants reservations in a store of limits, at a time in microseconds since 1970; None where it does not answer."""

UNREACHABLE = "unreachable"
"""In place of the kind of a limit that could not be looked at."""


def decide(policy: ServedPolicy, scored: Scored, asked: Asked, reserve: Reserve, *, time_ns: int) -> Decided:
    """Decides for the scored rows of one call.

    Limits are taken by ``reserve``, which is not called where no action needs it. Where it has no answer, actions that
    limits are about are held back, or taken and not counted, as the policy says.
    """
    cases = cases_of(policy, scored, time_ns=time_ns, channel=asked.channel)
    proposals = dict(zip(cases, policy.compiled.propose(list(cases.values()), trace=asked.trace), strict=True))
    granted = _granted(policy, cases, proposals, scored.batch.requests[0].request_id, reserve)
    reasons = _reasons(policy, scored, proposals, granted, asked)
    return Decided(
        policy,
        {
            row: _decision(policy, proposal, granted[row], asked, said(reasons.get(row)))
            for row, proposal in proposals.items()
        },
        reasons,
    )


def _reasons(
    policy: ServedPolicy,
    scored: Scored,
    proposals: Mapping[int, Proposal],
    granted: Mapping[int, "_Granted"],
    asked: Asked,
) -> Mapping[int, RowReasons]:
    """The reasons that messages of granted actions may name, by row."""
    if not policy.messages.reasons:
        return {}
    wanted = {
        row: Wanted(policy.messages.reasons, _language(policy, proposals[row], asked))
        for row, each in granted.items()
        if each.action in policy.compiled.policy.messages
    }
    return message_reasons(scored.batch, wanted) if wanted else {}


def _language(policy: ServedPolicy, proposal: Proposal, asked: Asked) -> str:
    """The language that a message is wanted in."""
    choice = policy.compiled.policy.language
    named = proposal.facts.get(CONTEXT + choice.context) if choice.context else None
    return asked.language or (named if isinstance(named, str) else "") or choice.default


@dataclass(frozen=True, slots=True)
class _Granted:
    """The action that a row is granted, None for none; the actions before it that limits forbade, best first.

    ``counted`` are the limits that counted it now, ``others_refused`` the actions after it that limits would forbid.
    """

    action: str | None
    refused: Sequence[Refusal] = ()
    counted: Sequence[str] = ()
    is_uncounted: bool = False
    others_refused: Sequence[str] = ()


def _granted(
    policy: ServedPolicy,
    cases: Mapping[int, Case],
    proposals: Mapping[int, Proposal],
    request_id: str,
    reserve: Reserve,
) -> Mapping[int, _Granted]:
    """What each row is granted of the actions that it wants."""
    granted = {row: _Granted(_first(proposal)) for row, proposal in proposals.items()}
    reservations = _reservations(policy, cases, proposals, request_id)
    if not reservations:
        return granted
    grants = reserve(list(reservations.values()), next(iter(cases.values())).time_ns // _MICRO)
    if grants is None:
        acts = policy.compiled.policy.limits_unavailable == "act"
        return granted | {row: _uncounted(each, acts=acts) for row, each in reservations.items()}
    return granted | {
        row: _Granted(
            grant.action,
            _known(policy, reservation, grant),
            counting_limits(reservation, grant),
            others_refused=grant.others_refused,
        )
        for (row, reservation), grant in zip(reservations.items(), grants, strict=True)
    }


def _known(policy: ServedPolicy, reservation: Reservation, grant: Grant) -> list[Refusal]:
    """The refusals of a grant; of a repeated one those that the policy, which may have changed since, still knows."""
    asked = {claim.action for claim in reservation.claims}
    return [each for each in grant.refused if each.action in asked and each.limit in policy.compiled.limits.kinds]


def _reservations(
    policy: ServedPolicy, cases: Mapping[int, Case], proposals: Mapping[int, Proposal], request_id: str
) -> Mapping[int, Reservation]:
    """What to reserve for each row that wants an action; nothing where no limit is counted."""
    limits = policy.compiled.limits
    if not limits.needs_store:
        return {}
    reservations: dict[int, Reservation] = {}
    for row, proposal in proposals.items():
        case = cases[row]
        name = f"{policy.name}/{case.decision_id}" if request_id else ""
        reservation = limits.reservation(proposal, case.unit, case.time_ns, request=name)
        if reservation is not None:
            reservations[row] = reservation
    return reservations


def _uncounted(reservation: Reservation, *, acts: bool) -> _Granted:
    """The first action that no limit is about; the first of all where the policy acts without its limits."""
    refused: list[Refusal] = []
    for claim in reservation.claims:
        if acts or not claim.checks:
            return _Granted(claim.action, refused, is_uncounted=bool(refused or claim.checks))
        refused.append(Refusal(claim.action, claim.checks[0].limit))
    return _Granted(None, refused, is_uncounted=bool(refused))


def _first(proposal: Proposal) -> str | None:
    return proposal.wanted[0].action if proposal.wanted else None


def _decision(
    policy: ServedPolicy, proposal: Proposal, granted: _Granted, asked: Asked, reasons: Sequence[SaidReason]
) -> Decision:
    refused = {*(refusal.action for refusal in granted.refused), *granted.others_refused}
    taken = proposal.taken(granted.action, refused - {granted.action})
    message = _message(policy, proposal, taken, asked, reasons)
    row = DecidedRow(
        strategy=proposal.strategy,
        rule=proposal.rule,
        action=taken.action,
        cost=taken.cost,
        expected_value=taken.expected_value,
        propensity=taken.propensity,
        variant_propensity=taken.variant_propensity,
        is_control=proposal.is_control,
        withheld=proposal.withheld_action,
        variant=taken.variant,
        language=message.language,
        channel=_channel(policy, taken.action),
        suppressed=_suppressed(policy, proposal, granted),
        flags=proposal.flags,
        shadows={shadow.strategy: shadow.action for shadow in proposal.shadows},
    )
    return Decision(row, proposal, granted.refused, message, granted.counted, granted.is_uncounted)


def _channel(policy: ServedPolicy, action: str) -> str:
    return "" if action == NO_ACTION else policy.compiled.policy.actions[action].channel or ""


def _suppressed(policy: ServedPolicy, proposal: Proposal, granted: _Granted) -> tuple[Suppressed, ...]:
    """The actions that limits forbade: of the ranked ones the best first, then those of quiet hours."""
    kinds = policy.compiled.limits.kinds
    counted = (
        Suppressed(action, limit, UNREACHABLE if granted.is_uncounted else kinds[limit])
        for action, limit in granted.refused
    )
    quiet = (Suppressed(left.action, left.by, kinds[left.by]) for left in proposal.left_out if left.reason == "limit")
    return (*counted, *quiet)


def _message(
    policy: ServedPolicy, proposal: Proposal, taken: Candidate, asked: Asked, reasons: Sequence[SaidReason]
) -> Message:
    """The message of an action; empty where the policy has none for it."""
    channel = asked.channel or _channel(policy, taken.action)
    written = policy.messages.write(taken, proposal.facts, language=asked.language, channel=channel, reasons=reasons)
    return written or _NO_MESSAGE
