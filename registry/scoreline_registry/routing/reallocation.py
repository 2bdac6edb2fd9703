"""New weights for the arms of a route's allocation, moving as few units as that takes. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from scoreline_registry.errors import RefusedError
from scoreline_registry.routing.allocation import AllocationState, ArmEvidence
from scoreline_registry.routing.bucketing import WHOLE, least_movement, percent_of
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Arm, Rule


def reallocated(
    document: RouteDocument,
    weights: Mapping[str, int],
    *,
    now: datetime,
    evidence: Sequence[ArmEvidence] = (),
) -> RouteDocument:
    """The route with new ``weights``, in millionths by arm, in its last rule; the route itself where they are in force.

    A unit changes arm only if its arm's share shrank. Raises RefusedError for a route without an allocation, and for
    weights that are of other arms, below the floor, or not the whole.
    """
    rule = document.rules[-1]
    errors = _weight_errors(document, rule, weights)
    if errors:
        raise RefusedError(f"route {document.route}", errors)
    if weights == {arm.ref: arm.millionths for arm in rule.arms}:
        return document
    percents = {arm.ref: Decimal(weights[arm.ref]) / (WHOLE // 100) for arm in rule.arms}
    ranges = least_movement({arm.ref: arm.ranges for arm in rule.arms}, percents)
    after = rule.model_copy(update={"arms": tuple(Arm(ref=ref, ranges=parts) for ref, parts in ranges.items())})
    earlier = document.allocation_state
    state = AllocationState(
        changed_at=now,
        changes=earlier.changes + 1 if earlier else 1,
        baseline=earlier.baseline if earlier else rule,
        evidence=tuple(evidence),
    )
    return document.model_copy(update={"rules": (*document.rules[:-1], after), "allocation_state": state})


def weights_of(shares: Mapping[str, float], *, floor_millionths: int = 0) -> dict[str, int]:
    """Shares that total about 1 as millionths that total the whole, none below the floor."""
    exact = {arm: share * WHOLE for arm, share in shares.items()}
    weights = {arm: max(floor_millionths, int(part)) for arm, part in exact.items()}
    by_remainder = sorted(exact, key=lambda arm: exact[arm] - weights[arm], reverse=True)
    left = WHOLE - sum(weights.values())
    if 0 <= left <= len(weights):
        for arm in by_remainder[:left]:
            weights[arm] += 1
    else:
        weights[max(weights, key=weights.__getitem__)] += left
    return weights


def _weight_errors(document: RouteDocument, rule: Rule, weights: Mapping[str, int]) -> list[str]:
    allocate, refs = document.allocate, {arm.ref for arm in rule.arms}
    if allocate is None:
        return ["it has no allocation: write a section `allocate` and apply it"]
    if refs != weights.keys():
        return [f"weights of {', '.join(sorted(weights))} for a rule with {', '.join(sorted(refs))}"]
    floor, total = allocate.floor_millionths, sum(weights.values())
    errors = [
        f"{ref} would get {percent_of(weight)} %, below the floor of {percent_of(floor)} %"
        for ref, weight in weights.items()
        if weight < floor
    ]
    return errors or ([] if total == WHOLE else [f"the weights total {percent_of(total)} %, not 100"])
