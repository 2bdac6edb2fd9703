"""The effect of one metric of one arm against another, with intervals for one look and for every look."""

import math
from dataclasses import dataclass, replace

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.always_valid.rates import RateDifference
from scoreline_registry.statistics.contrasts import cuped, differences, proportions
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.proportions import FEW_EVENTS
from scoreline_registry.statistics.figures import Figure, TooFew
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments
from scoreline_server.analysis.comparison.strata import TwoArms
from scoreline_server.analysis.report.parts import MetricPlan

RATE, RATIO = "rate", "ratio"
EVENTS = "a rate's normal interval: units with and units without the outcome, in each arm"


@dataclass(frozen=True, slots=True)
class Intervals:
    """One contrast with its fixed-horizon and its always-valid interval."""

    fixed: Figure
    sequential: Figure


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A contrast adjusted by a covariate, the coefficient and the share of the variance that it took."""

    theta: float
    variance_reduction: float
    intervals: Intervals


@dataclass(frozen=True, slots=True)
class Tester:
    """Makes the intervals of one metric.

    Attributes:
        metric: what is compared.
        sequence: was fixed before the data.
        amounts: whether the metric's values are never negative, such as spend, so that most may be 0.
    """

    metric: MetricPlan
    sequence: ConfidenceSequence
    amounts: bool = False

    def intervals(self, arms: TwoArms, *, relative: bool = False) -> Intervals:
        """The difference of two arms, treated minus control, absolute or over control's value.

        While a rate's events are rare the absolute difference has intervals that assume no normal mean, as long as the
        shares never changed and each arm has the rows of the sequence's burn-in.
        """
        if (few := self._too_few(arms)) is not None:
            found = Intervals(few, few)
        else:
            control, treated = self.moments(arms.control), self.moments(arms.treated)
            found = self._intervals(differences.contrast(control, treated, relative=relative), arms)
        smallest = min(arms.control.count, arms.treated.count)
        if relative or self.metric.kind != RATE or arms.strata != 1 or smallest < self.sequence.burn_in:
            return found
        return self._of_rare_events(found, arms)

    def sequential(self, arms: TwoArms) -> Figure:
        """The always-valid interval of the absolute difference alone, which needs no SciPy."""
        if (few := self._too_few(arms)) is not None:
            return few
        found = differences.contrast(self.moments(arms.control), self.moments(arms.treated))
        return found if isinstance(found, TooFew) else self.sequence.of(self._named(found, arms))

    def adjusted(self, arms: TwoArms) -> Adjustment:
        """The same after CUPED; the covariate is the last column."""
        if self.metric.kind == RATIO:
            found = cuped.adjust_ratio(arms.control, arms.treated)
        else:
            found = cuped.adjust(arms.control, arms.treated)
        few = self._too_few(arms) or (found if isinstance(found, TooFew) else None)
        if few is not None or isinstance(found, TooFew):
            figure: Figure = few or TooFew(0, FEW_EVENTS, EVENTS)
            return Adjustment(0.0, 0.0, Intervals(figure, figure))
        return Adjustment(found.theta, found.variance_reduction, self._intervals(found.absolute, arms))

    def moments(self, joint: JointMoments) -> Moments:
        """The moments of the metric in one arm."""
        return differences.ratio(joint) if self.metric.kind == RATIO else joint.column(0)

    def value(self, joint: JointMoments) -> Figure:
        """The metric of one arm alone with its fixed-horizon interval."""
        moments, alpha = self.moments(joint), self.sequence.alpha
        if self.metric.kind == RATE:
            return proportions.wilson(round(moments.mean * moments.count), moments.count, alpha=alpha)
        return differences.mean(moments, alpha=alpha, of=self.metric.kind)

    def _too_few(self, arms: TwoArms) -> TooFew | None:
        """For a rate: too few units with, or without, the outcome for a normal interval of either kind."""
        if self.metric.kind != RATE:
            return None
        few = self._events(arms)
        return TooFew(max(0, round(few)), FEW_EVENTS, EVENTS) if few < FEW_EVENTS else None

    def _events(self, arms: TwoArms) -> float:
        """The rows that decide the metric in the arm with fewer; infinite for ratios and values of either sign."""
        joints = (arms.control, arms.treated)
        if self.metric.kind == RATE:
            return min(float(min(joint.means[0], 1 - joint.means[0])) * joint.count for joint in joints)
        if self.metric.kind == RATIO or not self.amounts:
            return math.inf
        return min(differences.events(joint.column(0), amounts=True) for joint in joints)

    def _of_rare_events(self, found: Intervals, arms: TwoArms) -> Intervals:
        """The intervals with those for rare events in the place of the ones that have too few."""
        control, treated = (
            (round(joint.means[0] * joint.count), joint.count) for joint in (arms.control, arms.treated)
        )
        fixed, sequential = found.fixed, found.sequential
        if isinstance(fixed, TooFew):
            fixed = proportions.rate_difference(control, treated, alpha=self.sequence.alpha)
        if isinstance(sequential, TooFew):
            sequential = RateDifference(self.sequence.alpha, self.sequence.tuning_rows).of(control, treated)
        return Intervals(fixed, sequential)

    def _intervals(self, found: Contrast | TooFew, arms: TwoArms) -> Intervals:
        if isinstance(found, TooFew):
            return Intervals(found, found)
        named = self._named(found, arms)
        if not named.variance > 0:
            few = TooFew(1, 2, f"{named.name}: distinct values")
            return Intervals(few, few)
        return Intervals(named.fixed(self.sequence.alpha), self.sequence.of(named))

    def _named(self, found: Contrast, arms: TwoArms) -> Contrast:
        """The contrast of this metric, with the clock of its share periods."""
        name = f"{self.metric.kind}: {found.name}"
        if arms.strata > 1:
            name = f"{name} within {arms.strata} share periods ({arms.weights})"
        return replace(found, rows=arms.rows, events=self._events(arms), name=name)
