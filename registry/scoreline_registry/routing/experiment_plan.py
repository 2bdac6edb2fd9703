"""What an experiment is to find, asked for a route or alone; ``experiment_sizes`` has the answer. Pure."""

import math
from dataclasses import dataclass
from typing import Literal

from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.experiment import Experiment
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Rule

PlanKind = Literal["rate", "mean"]
DEFAULT_ALPHA = 0.05
DEFAULT_TUNING_ROWS = 5000
LEAST_EFFECT = 1e-6
"""The smallest effect, in standard deviations, that a plan is made for: it takes 30 million million rows."""


@dataclass(frozen=True, slots=True)
class Question:
    """A comparison of a treated arm with a control arm.

    Attributes:
        kind: "rate", with ``baseline``, or "mean", with ``deviation``.
        effect: the difference to find, treated minus control.
        baseline: the rate of the control arm, 0 to 1.
        deviation: the standard deviation of a value, the same in both arms.
        share: the treated arm's share of the compared rows, 0 to 1.
        exposed: the share of a day's rows that are compared, 0 to 1.
        rows_per_day: the rows that are scored in a day, 0 where it is not known.
        tuning_rows: the rows of both arms at which the always-valid interval is narrowest.
        looks: how often an experiment that is watched is looked at.
    """

    kind: PlanKind
    effect: float
    baseline: float = 0.0
    deviation: float = 0.0
    power: float = 0.8
    alpha: float = DEFAULT_ALPHA
    share: float = 0.5
    exposed: float = 1.0
    rows_per_day: float = 0.0
    tuning_rows: int = DEFAULT_TUNING_ROWS
    looks: int = 30

    def __post_init__(self) -> None:
        if not self.effect or not math.isfinite(self.effect):
            raise ValueError("--effect is the difference to find, other than 0")
        if self.kind == "rate" and not (0 < self.baseline < 1 and 0 < self.baseline + self.effect < 1):
            changed = f"{self.baseline + self.effect:g}"
            raise ValueError(f"--baseline and --baseline plus the effect are rates between 0 and 1, not {changed}")
        if self.kind == "mean" and not 0 < self.deviation < math.inf:
            raise ValueError("--sd is the standard deviation of a value, above 0 and finite")
        spread = self.deviation if self.kind == "mean" else math.sqrt(self.baseline * (1 - self.baseline))
        if abs(self.effect) < LEAST_EFFECT * spread:
            raise ValueError(
                f"--effect {self.effect:g} is less than a millionth of the standard deviation {spread:g}: "
                "no experiment has so many rows"
            )
        for name, number in (("power", self.power), ("share", self.share), ("exposed", self.exposed)):
            if not 0 < number <= 1:
                raise ValueError(
                    f"--{name} is above 0 and at most {'1' if name == 'power' else '100 %'}, not {number:g}"
                )
        if not 0 <= self.rows_per_day < math.inf:
            raise ValueError(f"--rows-per-day is how many rows are scored in a day, not {self.rows_per_day:g}")

    @property
    def text(self) -> str:
        """The question in one line."""
        of = f"a rate of {self.baseline:g}" if self.kind == "rate" else f"a mean with a deviation of {self.deviation:g}"
        chance = f"with {self.power:.0%} power at alpha {self.alpha:g}"
        return f"a difference of {self.effect:+g} in {of}, {chance}, {self.share:.4g} of the rows treated"


def question_of(
    document: RouteDocument | None,
    *,
    kind: PlanKind | None = None,
    baseline: float | None = None,
    deviation: float | None = None,
    effect: float | None = None,
    power: float = 0.8,
    alpha: float | None = None,
    arm: str | None = None,
    share: float | None = None,
    exposed: float | None = None,
    rows_per_day: float | None = None,
    tuning_rows: int | None = None,
    looks: int = 30,
) -> Question:
    """The question, with everything that is None taken from a route's experiment and weights, or from the defaults.

    Raises ValueError for what is missing or does not fit.
    """
    plan = document.experiment if document is not None else None
    treated_share, compared = _shares(document, arm) if document is not None else (0.5, 1.0)
    chosen = kind or _kind_of(plan)
    if chosen == "rate" and baseline is None:
        raise ValueError("give --baseline, the rate of the control arm; or --kind mean with --sd")
    if chosen == "mean" and deviation is None:
        raise ValueError("give --sd, the standard deviation of a value; or --kind rate with --baseline")
    return Question(
        kind=chosen,
        effect=_effect_of(plan) if effect is None else effect,
        baseline=baseline or 0.0,
        deviation=deviation or 0.0,
        power=power,
        alpha=alpha or (plan.alpha if plan else DEFAULT_ALPHA),
        share=treated_share if share is None else share,
        exposed=compared if exposed is None else exposed,
        rows_per_day=rows_per_day or 0.0,
        tuning_rows=tuning_rows or (plan.tuning_rows if plan else DEFAULT_TUNING_ROWS),
        looks=looks,
    )


def _kind_of(plan: Experiment | None) -> PlanKind:
    if plan is None:
        raise ValueError("give --kind rate with --baseline, or --kind mean with --sd")
    kind = plan.primary_metric.kind
    if kind == "ratio":
        raise ValueError(
            f"the primary metric {plan.primary!r} is a ratio: give --kind mean with the --sd of one row of it"
        )
    return kind


def _effect_of(plan: Experiment | None) -> float:
    """The smallest difference worth finding, in the direction that one hopes for."""
    if plan is None or plan.minimum_effect is None:
        raise ValueError("give --effect, the difference to find; or write minimum_effect in the route's `experiment`")
    return plan.minimum_effect if plan.primary_metric.direction == "increase" else -plan.minimum_effect


def _shares(document: RouteDocument, arm: str | None) -> tuple[float, float]:
    """The treated arm's share of the compared rows, and the share of all rows that the two arms have.

    The control is the first other arm of the last rule. A ramp's arm counts as half of both, and so does one without a
    share yet.
    """
    rule = document.rules[-1]
    treated = arm or _treated(document, rule)
    shares = {each.ref: each.millionths for each in rule.arms}
    if treated not in shares:
        raise ValueError(f"{treated} is not in the last rule of {document.route}, which has {', '.join(shares)}")
    control = next((ref for ref in shares if ref != treated), None)
    if control is None:
        raise ValueError(f"the last rule of {document.route} has only the arm {treated}: there is nothing to compare")
    both, split = shares[treated] + shares[control], 1 - document.holdout_millionths / WHOLE
    ramped = document.ramp is not None and document.ramp.arm == treated
    if ramped or not shares[treated] or not shares[control]:
        return 0.5, split
    return shares[treated] / both, split * both / WHOLE


def _treated(document: RouteDocument, rule: Rule) -> str:
    refs = [arm.ref for arm in rule.arms]
    if document.ramp is not None and document.ramp.arm in refs:
        return document.ramp.arm
    return refs[min(1, len(refs) - 1)]
