"""Effects of actions from matured cases: those with an action against those of the control that would have it. Pure."""

import math

from scoreline_registry.decisions.actions import LearnedEffect
from scoreline_registry.decisions.learning.thompson import MOST_COUNTS
from scoreline_registry.decisions.policy_state import EffectValue, VariantCounts
from scoreline_registry.statistics.moments import Moments

LEAST_CASES = 30
"""The least units with the action, and of the control, that anything is learned from."""
LEAST_ACTED = 0.1
"""The least share of the cases with a proposed action in which anything was done."""
CLEAR = 3.0
"""The standard errors that the control's mean must be from 0 for a share of it."""

MOVED_SPREADS = 0.25
NARROWED = 0.9
"""A posterior is worth a revision when its mean moved by a quarter of its spread, or its spread fell by a tenth."""


def learned_effect(
    learned: LearnedEffect, treated: Moments, control: Moments, acted: float = 1.0
) -> EffectValue | None:
    """The posterior of an effect, of the kind that the belief before it has; None where there is too little to say.

    ``treated`` and ``control`` are the outcome per unit of cases for which the action was proposed, ``acted`` the share
    of the treated ones in which limits let anything be done: the difference of all proposed cases is divided by it,
    since limits choose among cases and a control does not meet them (Bloom, Evaluation Review 8, 1984). A case that
    got the next best action instead counts as one with the action, which makes the effect more like that one's. A share
    is 1 less treated over control, with the delta method's variance; a change is treated less control. The belief
    counts as ``weight`` cases more of the same spread.
    """
    if min(treated.count, control.count) < LEAST_CASES or acted < LEAST_ACTED:
        return None
    found = _share(treated, control) if learned.reduces is not None else _change(treated, control)
    if found is None:
        return None
    value, variance = found[0] / acted, found[1] / acted**2
    cases = treated.count + control.count
    start = learned.reduces if learned.reduces is not None else learned.changes or 0.0
    weight = learned.weight / (learned.weight + cases)
    mean = weight * start + (1 - weight) * value
    limit = 1.0 if learned.reduces is not None else 1e9
    return EffectValue(
        mean=min(max(mean, -limit), limit),
        spread=min(math.sqrt(variance * (1 - weight)), 1e9),
        cases=treated.count,
        control_cases=control.count,
    )


def is_worth_revising(before: EffectValue | None, after: EffectValue) -> bool:
    """Whether a posterior says something else than the one in force, or says it more precisely."""
    if before is None:
        return True
    moved = abs(after.mean - before.mean) > MOVED_SPREADS * max(after.spread, before.spread)
    return moved or after.spread < NARROWED * before.spread


def variant_counts(successes: int, cases: int) -> VariantCounts:
    """The counts of a variant, on top of one success and one failure as a prior."""
    return VariantCounts(
        successes=min(1.0 + successes, MOST_COUNTS), failures=min(1.0 + cases - successes, MOST_COUNTS)
    )


def counts_are_worth_revising(before: VariantCounts | None, after: VariantCounts) -> bool:
    """Whether the counts grew by a tenth, and by ten cases."""
    known = 2.0 if before is None else before.successes + before.failures
    grown = abs(after.successes + after.failures - known)
    return grown >= max(10.0, 0.1 * known)


def _share(treated: Moments, control: Moments) -> tuple[float, float] | None:
    """1 - treated / control and its variance; None where the control's mean is not clearly above 0."""
    error = control.variance_of_mean
    if control.mean <= 0 or not control.mean > CLEAR * math.sqrt(error):
        return None
    ratio = treated.mean / control.mean
    variance = (_variance(treated) + ratio**2 * error) / control.mean**2
    return 1 - ratio, variance


def _change(treated: Moments, control: Moments) -> tuple[float, float] | None:
    """Treated - control and its variance; None where no outcome differs from another."""
    variance = _variance(treated) + _variance(control)
    return (treated.mean - control.mean, variance) if variance > 0 else None


def _variance(sample: Moments) -> float:
    """The squared standard error; that of one more success and failure where no outcome differs from another."""
    if sample.squares > 0:
        return sample.variance_of_mean
    return 0.25 / (sample.count + 2) ** 2 if sample.mean in (0.0, 1.0) else 0.0
