"""What an applied route keeps of a ramp or an allocation that has changed its weights since it was written. Pure."""

from collections.abc import Sequence

from scoreline_registry.errors import RefusedError
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Rule


def continued(written: RouteDocument, before: RouteDocument) -> RouteDocument:
    """The route as written, with the ramp and the allocation of the route ``before`` where they go on.

    They go on where their section is as before and the weights are those that were written first, or those in force:
    the weights then stay in force. All else begins anew, with the weights as written. Raises RefusedError where that
    would cut off a ramp that is running or paused.
    """
    return _with_allocation(_with_ramp(written, before), before)


def _with_ramp(written: RouteDocument, before: RouteDocument) -> RouteDocument:
    state = before.ramp_state
    if state is None:
        return written
    goes_on = written.ramp == before.ramp and _weights(written.rules) in (
        _weights(state.baseline),
        _weights(before.rules),
    )
    if goes_on and (not state.active or _splits_alike(written, before)):
        return written.model_copy(update={"rules": before.rules, "ramp_state": state})
    if not state.active:
        return written
    arm = before.ramp.arm if before.ramp else ""
    ways = "leave the section `ramp`, the rules, unit, salt and holdout as they are, or end it with"
    error = f"the ramp of {arm} is {state.status}: {ways} `scoreline ramp abort {before.route}`"
    raise RefusedError(f"route {before.route}", [error])


def _with_allocation(written: RouteDocument, before: RouteDocument) -> RouteDocument:
    state = before.allocation_state
    if state is None or written.allocate != before.allocate:
        return written
    if _weights(written.rules[-1:]) not in (_weights([state.baseline]), _weights(before.rules[-1:])):
        return written
    rules = (*written.rules[:-1], before.rules[-1])
    return written.model_copy(update={"rules": rules, "allocation_state": state})


def _splits_alike(left: RouteDocument, right: RouteDocument) -> bool:
    """Whether a unit has the same bucket in both routes."""
    return (left.unit, left.salt, left.holdout_millionths) == (right.unit, right.salt, right.holdout_millionths)


def _weights(rules: Sequence[Rule]) -> list[tuple[object, ...]]:
    """Everything about rules but their bucket ranges."""
    return [(rule.when, rule.layer, [(arm.ref, arm.millionths) for arm in rule.arms]) for rule in rules]
