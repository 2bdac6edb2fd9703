"""The report of a comparison: frozen values that the command prints, the page draws and the RPC answers.

Times are ns since 1970. ``document.document`` gives the JSON form.
"""

import math
from dataclasses import dataclass

from scoreline_registry.pictures.notes import Note
from scoreline_registry.statistics.figures import Figure
from scoreline_server.analysis.report.parts import (
    Distribution,
    Latency,
    Look,
    OutcomeCounts,
    Period,
    Plan,
    Quality,
    RampMove,
    RowCounts,
)
from scoreline_server.analysis.report.shadow import ShadowReport


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One metric of one arm.

    Attributes:
        metric: its name.
        exposures: units of the arm.
        mature: those whose outcome has had its time.
        labelled: mature units with an outcome.
        value: over labelled units, weighted as the effects are.
    """

    metric: str
    exposures: int
    mature: int
    labelled: int
    value: Figure

    @property
    def coverage(self) -> float:
        """The share of mature units that are labelled; NaN without one."""
        return self.labelled / self.mature if self.mature else math.nan


@dataclass(frozen=True, slots=True)
class ArmReport:
    """One group of exposed units.

    Attributes:
        arm: the arm as the route names it; "holdout" for the holdout.
        is_baseline: whether the others are compared with it.
        versions: the model versions that it meant, such as "credit@7", and the rows that each scored.
        exposures, failed, fallback: as in RowCounts.
        scores: of exposures that the assigned arm answered; None without one.
        latency: of the calls of these exposures.
        metrics, quality: one per metric; quality for outcomes of 0 and 1 only.
    """

    arm: str
    is_baseline: bool
    versions: tuple[tuple[str, int], ...]
    exposures: int
    failed: int
    fallback: int
    scores: Distribution | None
    latency: Latency | None
    metrics: tuple[MetricValue, ...] = ()
    quality: tuple[Quality, ...] = ()


@dataclass(frozen=True, slots=True)
class SharePeriod:
    """Rows that were assigned by one rule with equal shares: a step of a ramp, a period of a bandit.

    Attributes:
        since, until: the times of the first and the last exposure under it.
        revisions: the registry's revisions, ascending.
        rule: the index of the rule.
        shares: (arm, millionths) in force.
        exposures: (arm, units) that were first seen under it.
    """

    since: int
    until: int
    revisions: tuple[int, ...]
    rule: int
    shares: tuple[tuple[str, int], ...]
    exposures: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the arms got the units that their shares in force promise.

    Attributes:
        sequential: the always-valid test over all share periods; ``p`` alone has a meaning.
        fixed: the chi-squared test, valid at one look that was fixed before.
        alpha: a mismatch is stated where the sequential p is below.
        mismatch: whether it is.
        expected, observed: (arm, units), summed over share periods.
        leaks: arms that got units under a share of 0.
    """

    sequential: Figure
    fixed: Figure
    alpha: float
    mismatch: bool
    expected: tuple[tuple[str, float], ...]
    observed: tuple[tuple[str, int], ...]
    leaks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cuped:
    """An effect after regression on what was known before the assignment.

    Attributes:
        covariate: "feature.<name>" or "context.<name>".
        theta: the slope, pooled over arms and share periods.
        variance_reduction: the share of the effect's variance that it took; 0.0004 is no gain.
        imputed: units whose covariate was missing and took the mean.
        absolute, sequential: the adjusted difference.
    """

    covariate: str
    theta: float
    variance_reduction: float
    imputed: int
    absolute: Figure
    sequential: Figure

    @property
    def gains(self) -> bool:
        """Whether it took at least 1 % of the variance."""
        return self.variance_reduction >= 0.01


@dataclass(frozen=True, slots=True)
class Effect:
    """One metric of one arm against the baseline.

    Attributes:
        metric: its name.
        kind: "mean", "rate" or "ratio".
        direction: "increase" or "decrease": what is wanted.
        is_primary: whether it is the experiment's primary metric.
        arm, baseline: the two groups; the effect is arm minus baseline.
        units: labelled, mature units of (baseline, arm) that count.
        strata: the share periods that it is stratified by.
        left_out: labelled units under shares, or in share periods, that lack one of the two arms.
        absolute, relative: the difference and the difference over the baseline's value, at one look fixed before.
        sequential, relative_sequential: the same, valid at every look.
        adjusted_p, adjusted_sequential_p: after the correction over metrics and arms; None where there is no p.
        correction: its name and the number of tests.
        verdict: one of "better", "worse", "no difference shown", "smaller than the minimum effect", "too few".
        cuped: None without a covariate.
        looks: the effect over time; empty in segments.
    """

    metric: str
    kind: str
    direction: str
    is_primary: bool
    arm: str
    baseline: str
    units: tuple[int, int]
    strata: int
    left_out: int
    absolute: Figure
    relative: Figure
    sequential: Figure
    relative_sequential: Figure
    adjusted_p: float | None = None
    adjusted_sequential_p: float | None = None
    correction: str = ""
    verdict: str = ""
    cuped: Cuped | None = None
    looks: tuple[Look, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentEffects:
    """The effects in one segment, such as ``by`` "context.channel" and ``level`` "web"."""

    by: str
    level: str
    exposures: int
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole report of one route.

    Attributes:
        route: its name.
        made_at: when the report was made; the age of rows is measured against it.
        period: which rows were asked for, and which there are.
        plan: the settings that the figures depend on.
        rows: what was read, and what of it does not count.
        outcomes: what was read of each outcome that a metric uses.
        baseline: the arm that the others are compared with.
        arms: what each arm's units got, the baseline first.
        share_periods: the shares in force over time.
        sample_ratio: whether the arms got the units that their shares promise; None where nothing is split.
        effects: each metric of each arm against the baseline, the primary metric first.
        segments: the effects in the levels of each segment.
        shadows: each shadow against each arm that answered.
        moves: the revisions that changed the route, the oldest first; empty without a registry.
        notes: problems, cautions and hints, in this order.
    """

    route: str
    made_at: int
    period: Period
    plan: Plan
    rows: RowCounts
    outcomes: tuple[OutcomeCounts, ...]
    baseline: str
    arms: tuple[ArmReport, ...]
    share_periods: tuple[SharePeriod, ...]
    sample_ratio: SampleRatio | None
    effects: tuple[Effect, ...]
    segments: tuple[SegmentEffects, ...]
    shadows: tuple[ShadowReport, ...]
    moves: tuple[RampMove, ...] = ()
    notes: tuple[Note, ...] = ()
