"""The moves of a guarded ramp: start, advance, finish, roll back, pause, resume, abort. Pure.

A ramp grows one arm in every rule that lists it beside another arm. Each step moves units into that arm only; the other
arms give away in proportion to what they have. The way back restores the rules from before the ramp bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from scoreline_registry.errors import RefusedError
from scoreline_registry.routing.bucketing import WHOLE, least_movement
from scoreline_registry.routing.ramp import (
    MAX_MOVES,
    GuardEvidence,
    Ramp,
    RampMove,
    RampMoveName,
    RampState,
    RampStatus,
)
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Arm, Rule

Evidenced = Sequence[GuardEvidence]
_Move = Callable[[RouteDocument, datetime, Evidenced], RouteDocument]

_ALLOWED: Mapping[RampMoveName, frozenset[RampStatus | None]] = {
    "start": frozenset({None, "aborted", "rolled_back"}),
    "advance": frozenset({"running"}),
    "finish": frozenset({"running"}),
    "roll_back": frozenset({"running", "paused"}),
    "pause": frozenset({"running"}),
    "resume": frozenset({"paused"}),
    "abort": frozenset({"running", "paused"}),
}
"""From which status a move leads on; None before the start."""

_REPEATED: Mapping[RampMoveName, frozenset[RampStatus | None]] = {
    "start": frozenset({"running"}),
    "advance": frozenset(),
    "finish": frozenset({"done"}),
    "roll_back": frozenset({"aborted", "rolled_back"}),
    "pause": frozenset({"paused"}),
    "resume": frozenset({"running"}),
    "abort": frozenset({"aborted", "rolled_back"}),
}
"""In which status a move has been made already and changes nothing."""


_BEGINNINGS: frozenset[RampMoveName] = frozenset({"start", "advance", "resume"})
"""The moves with which a step, or after a pause its rest, begins."""


def moved(
    document: RouteDocument, move: RampMoveName, *, now: datetime, revision: int = 0, evidence: Evidenced = ()
) -> RouteDocument:
    """The route after a move of its ramp; the document itself where the move was made already.

    ``revision`` is the number under which the move is committed, 0 where it is not known.

    Raises RefusedError for a route without a ramp and for a move that its status does not allow.
    """
    ramp_of(document)
    status = document.ramp_state.status if document.ramp_state else None
    if status in _REPEATED[move]:
        return document
    if status not in _ALLOWED[move]:
        raise _refusal(document, f"it is {status_text(status)}; {_WAY_ON[status]}")
    after = _MOVES[move](document, now, evidence)
    if move not in _BEGINNINGS:
        return after
    return _with_state(after, _state_of(after).model_copy(update={"revision": revision}))


def grown(rule: Rule, ref: str, millionths: int) -> Rule:
    """The rule with one arm grown to a share, taken from the other arms in proportion to theirs.

    The rule itself where the arm is not in it, is alone in it, or has that share.
    """
    shares = {arm.ref: arm.millionths for arm in rule.arms}
    wanted = millionths - shares.get(ref, WHOLE)
    if wanted <= 0:
        return rule
    given = _apportioned(wanted, {other: share for other, share in shares.items() if other != ref})
    targets = {arm: share - given.get(arm, 0) for arm, share in shares.items()} | {ref: millionths}
    ranges = least_movement(
        {arm.ref: arm.ranges for arm in rule.arms}, {arm: _percent(target) for arm, target in targets.items()}
    )
    return rule.model_copy(update={"arms": tuple(Arm(ref=arm, ranges=parts) for arm, parts in ranges.items())})


def grows_in(rule: Rule, ref: str) -> bool:
    """Whether an arm can grow in a rule: it is listed beside another one."""
    refs = [arm.ref for arm in rule.arms]
    return ref in refs and len(refs) > 1


def growth_errors(document: RouteDocument) -> list[str]:
    """The rules in which the ramp's first step is not above the share that the arm has."""
    ramp = ramp_of(document)
    first, errors = ramp.steps_millionths[0], []
    for position, rule in enumerate(document.rules, start=1):
        share = sum(arm.millionths for arm in rule.arms if arm.ref == ramp.arm)
        if grows_in(rule, ramp.arm) and first <= share:
            step, has = _percent(first).normalize(), _percent(share).normalize()
            errors.append(f"its first step, {step:f} %, is not above the {has:f} % of {ramp.arm} in rule {position}")
    return errors


def held_by_rollback(document: RouteDocument) -> RouteDocument:
    """The route as it is restored from an earlier revision: a ramp that ran then is paused at its step."""
    state = document.ramp_state
    if state is None or state.status != "running":
        return document
    return _with_state(document, state.model_copy(update={"status": "paused"}))


def ramp_of(document: RouteDocument) -> Ramp:
    """The ramp of a route. Raises RefusedError where it has none."""
    if document.ramp is None:
        raise RefusedError(f"route {document.route}", ["it has no ramp: write a section `ramp` and apply it"])
    return document.ramp


def status_text(status: RampStatus | None) -> str:
    """A status in words."""
    return "not started" if status is None else status.replace("_", " ")


def _start(document: RouteDocument, now: datetime, evidence: Evidenced) -> RouteDocument:
    """The route with its ramp at the first step. Raises RefusedError where the arm has that share already."""
    errors = growth_errors(document)
    if errors:
        raise _refusal(document, *errors)
    state = RampState(status="running", step=0, since=now, baseline=document.rules)
    return _at_step(document, state, "start", now, evidence)


def _advance(document: RouteDocument, now: datetime, evidence: Evidenced) -> RouteDocument:
    """The route with its running ramp one step on. Raises RefusedError at the last step, after which it is finished."""
    state = _state_of(document)
    if state.step >= ramp_of(document).last_step:
        raise _refusal(document, "it is at its last step: finish it")
    return _at_step(document, state.model_copy(update={"step": state.step + 1}), "advance", now, evidence)


def _finish(document: RouteDocument, now: datetime, evidence: Evidenced) -> RouteDocument:
    """The route with its ramp done; the weights of the last step stay. Raises RefusedError at any other step."""
    state = _state_of(document)
    if state.step < ramp_of(document).last_step:
        raise _refusal(document, "it is not at its last step")
    return _ended(document, "done", "finish", now, evidence)


def _roll_back(document: RouteDocument, now: datetime, evidence: Evidenced) -> RouteDocument:
    """The route with the rules from before its ramp, because a guard was breached."""
    return _with_baseline(_ended(document, "rolled_back", "roll_back", now, evidence))


def _abort(document: RouteDocument, now: datetime, evidence: Evidenced) -> RouteDocument:
    """The route with the rules from before its ramp, because a person wants that."""
    return _with_baseline(_ended(document, "aborted", "abort", now, evidence))


def _pause(document: RouteDocument, now: datetime, evidence: Evidenced) -> RouteDocument:
    """The route with its ramp held at the present step, until it is resumed."""
    return _ended(document, "paused", "pause", now, evidence)


def _resume(document: RouteDocument, now: datetime, evidence: Evidenced) -> RouteDocument:
    """The route with its ramp running again; the step is held for its whole time again, from now on."""
    state = _recorded(_state_of(document), "resume", now, evidence)
    return _with_state(document, state.model_copy(update={"status": "running", "since": now}))


_MOVES: Mapping[RampMoveName, _Move] = {
    "start": _start,
    "advance": _advance,
    "finish": _finish,
    "roll_back": _roll_back,
    "pause": _pause,
    "resume": _resume,
    "abort": _abort,
}
_WAY_ON: Mapping[RampStatus | None, str] = {
    None: "start it with `scoreline ramp start`",
    "paused": "resume it with `scoreline ramp resume`, or end it with `scoreline ramp abort`",
    "aborted": "start it anew with `scoreline ramp start`",
    "rolled_back": "start it anew with `scoreline ramp start`",
    "done": "apply the route with another ramp, or take it back with `scoreline rollback`",
}
"""What leads on from a status in which a move is refused; a running ramp refuses none."""


def _at_step(
    document: RouteDocument, state: RampState, move: RampMoveName, now: datetime, evidence: Evidenced
) -> RouteDocument:
    ramp = ramp_of(document)
    rules = tuple(grown(rule, ramp.arm, ramp.steps_millionths[state.step]) for rule in document.rules)
    recorded = _recorded(state.model_copy(update={"since": now}), move, now, evidence)
    return _with_state(document.model_copy(update={"rules": rules}), recorded)


def _ended(
    document: RouteDocument, status: RampStatus, move: RampMoveName, now: datetime, evidence: Evidenced
) -> RouteDocument:
    state = _recorded(_state_of(document), move, now, evidence)
    return _with_state(document, state.model_copy(update={"status": status}))


def _with_baseline(document: RouteDocument) -> RouteDocument:
    return document.model_copy(update={"rules": _state_of(document).baseline})


def _recorded(state: RampState, move: RampMoveName, now: datetime, evidence: Evidenced) -> RampState:
    record = RampMove(move=move, at=now, step=state.step, evidence=tuple(evidence))
    return state.model_copy(update={"moves": (*state.moves, record)[-MAX_MOVES:]})


def _with_state(document: RouteDocument, state: RampState) -> RouteDocument:
    return document.model_copy(update={"ramp_state": state})


def _state_of(document: RouteDocument) -> RampState:
    if document.ramp_state is None:
        raise _refusal(document, "it is not started")
    return document.ramp_state


def _refusal(document: RouteDocument, *errors: str) -> RefusedError:
    return RefusedError(f"the ramp of {ramp_of(document).arm} in route {document.route}", errors)


def _apportioned(total: int, shares: Mapping[str, int]) -> dict[str, int]:
    """``total`` divided in proportion to some shares, by largest remainder; none gets more than its share."""
    whole = sum(shares.values())
    parts = {arm: total * share // whole for arm, share in shares.items()}
    by_remainder = sorted(shares, key=lambda arm: total * shares[arm] % whole, reverse=True)
    for arm in by_remainder[: total - sum(parts.values())]:
        parts[arm] += 1
    return parts


def _percent(millionths: int) -> Decimal:
    return Decimal(millionths) / (WHOLE // 100)
