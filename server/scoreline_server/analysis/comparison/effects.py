"""Arm against arm: the effect of each metric, over time, adjusted by a covariate and corrected for their number."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.experiments.multiplicity import holm
from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_server.analysis.comparison.contrasts import RATE, Tester
from scoreline_server.analysis.comparison.strata import MomentTable, Weigh, by_information, by_units
from scoreline_server.analysis.report.comparison import Cuped, Effect
from scoreline_server.analysis.report.parts import BY_INFORMATION, BY_UNITS, Look, MetricPlan, Plan
from scoreline_server.analysis.rows.exposures import Exposures
from scoreline_server.analysis.rows.labels import Bool, Ints, Labels
from scoreline_server.analysis.rows.predictions import HOLDOUT, Predictions

_HOUR = 3600 * 10**9
_DAY = 24 * _HOUR
MAX_LOOKS = 100
WEIGHINGS: Mapping[str, Weigh] = {BY_INFORMATION: by_information, BY_UNITS: by_units}

BETTER, WORSE, NOTHING_SHOWN, NEGLIGIBLE, TOO_FEW = (
    "better", "worse", "no difference shown", "smaller than the minimum effect", "too few",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Exposed:
    """The exposures of a comparison as columns [U], and what groups them.

    Attributes:
        rows, row_times: the first row of each exposure, and the times of all rows in ns.
        arms, shares: indices into ``arm_names`` and the share periods.
        is_mature: which are old enough for their outcomes.
        maturity: ns.
        has_share: bool [S, A], whether each arm has a share in each period; all where the journal does not say.
    """

    arm_names: tuple[str, ...]
    rows: Ints
    row_times: npt.NDArray[np.int64]
    arms: Ints
    shares: Ints
    is_mature: Bool
    maturity: int
    has_share: Bool
    covariate: npt.NDArray[np.float32] | None

    @classmethod
    def of(cls, predictions: Predictions, exposures: Exposures, *, is_mature: Bool, maturity: int) -> "Exposed":
        """The exposures of some predictions."""
        rows = exposures.rows
        return cls(
            predictions.arm_names,
            rows,
            predictions.times,
            predictions.arms[rows],
            predictions.shares[rows],
            is_mature,
            maturity,
            _has_share(predictions),
            None if predictions.covariate is None else predictions.covariate[rows],
        )

    def time(self, unit: int) -> int:
        """When a unit was exposed, in ns."""
        return int(self.row_times[self.rows[unit]])

    def sizes(self) -> tuple[int, int]:
        """How many share periods and arms there are: S, A."""
        return self.has_share.shape[0], len(self.arm_names)


@dataclass(frozen=True, slots=True, eq=False)
class MetricData:
    """One metric: the units that count, and its columns over them: the value, or numerator and denominator."""

    plan: MetricPlan
    units: Ints
    columns: tuple[npt.NDArray[np.floating[Any]], ...]

    @classmethod
    def of(cls, plan: MetricPlan, labels: Labels, denominators: Labels | None, is_mature: Bool) -> "MetricData":
        """The metric over mature units that have its outcome; a ratio needs that of its denominator too."""
        known = labels.labelled & is_mature
        if denominators is not None:
            known &= denominators.labelled
        units = np.flatnonzero(known).astype(np.int32)
        if plan.kind == RATE:
            return cls(plan, units, (labels.positive[units].astype(np.float32),))
        below = () if denominators is None else (denominators.totals[units],)
        return cls(plan, units, (labels.totals[units], *below))

    def is_never_negative(self) -> bool:
        """Whether no value is below 0, such as of amounts spent."""
        return bool((self.columns[0] >= 0).all())

    def among(self, chosen: Bool) -> "MetricData":
        """The same of some exposures: bool [U]."""
        kept = chosen[self.units]
        return MetricData(self.plan, self.units[kept], tuple(column[kept] for column in self.columns))


def compared_arms(exposed: Exposed, baseline: str) -> list[str]:
    """The arms that are compared with the baseline, in the route's order; the holdout is a group of its own."""
    present = set(np.unique(exposed.arms).tolist())
    names = [name for index, name in enumerate(exposed.arm_names) if index in present]
    return [name for name in names if name not in {baseline, HOLDOUT}]


def metric_effects(data: MetricData, exposed: Exposed, plan: Plan, baseline: str, *, looks: bool) -> list[Effect]:
    """The effects of one metric of every arm, before the correction."""
    arms = compared_arms(exposed, baseline)
    if not arms or baseline not in exposed.arm_names:
        return []
    tester = Tester(data.plan, ConfidenceSequence(plan.alpha, plan.tuning_rows), amounts=data.is_never_negative())
    table = _table(data.columns, data, exposed)
    over_time = _Looks.of(data, exposed, tester) if looks else None
    return [_effect(table, over_time, data, exposed, plan, tester, baseline, arm) for arm in arms]


def corrected(effects: Sequence[Effect], plan: Plan) -> list[Effect]:
    """The effects with corrected p-values and verdicts.

    Holm's correction over the arms for the primary metric, which decides alone, and over metrics and arms for the
    others together. It holds for any dependence, and for always-valid p-values at every look.
    """
    ordered = sorted(effects, key=lambda effect: not effect.is_primary)
    done: list[Effect] = []
    for _, group in groupby(ordered, key=lambda effect: effect.is_primary):
        family = list(group)
        fixed, sequential = (
            adjusted([getattr(effect, name) for effect in family]) for name in ("absolute", "sequential")
        )
        tests = sum(p is not None for p in sequential)
        for effect, p, sequential_p in zip(family, fixed, sequential, strict=True):
            done.append(
                replace(
                    effect,
                    adjusted_p=p,
                    adjusted_sequential_p=sequential_p,
                    correction=f"Holm over {tests} test{'s' * (tests != 1)}",
                    verdict=_verdict(effect, sequential_p, plan),
                )
            )
    return done


def adjusted(figures: Iterable[Figure]) -> list[float | None]:
    """Holm's adjusted p of each figure; None for one that has no p."""
    p_values = [figure.p if isinstance(figure, Estimate) else None for figure in figures]
    known = iter(holm([p for p in p_values if p is not None]).adjusted)
    return [None if p is None else next(known) for p in p_values]


def _effect(
    table: MomentTable, over_time: "_Looks | None", data: MetricData, exposed: Exposed, plan: Plan,
    tester: Tester, baseline: str, arm: str,
) -> Effect:  # fmt: skip
    control, treated = exposed.arm_names.index(baseline), exposed.arm_names.index(arm)
    comparable = exposed.has_share[:, control] & exposed.has_share[:, treated]
    two = table.two_arms(control, treated, comparable, weigh=WEIGHINGS[plan.weights])
    absolute, relative = tester.intervals(two), tester.intervals(two, relative=True)
    return Effect(
        metric=data.plan.name,
        kind=data.plan.kind,
        direction=data.plan.direction,
        is_primary=data.plan == plan.metrics[0],
        arm=arm,
        baseline=baseline,
        units=(two.control.count, two.treated.count),
        strata=two.strata,
        left_out=two.left_out,
        absolute=absolute.fixed,
        relative=relative.fixed,
        sequential=absolute.sequential,
        relative_sequential=relative.sequential,
        cuped=_cuped(data, exposed, plan, tester, (control, treated), comparable),
        looks=over_time.looks(control, treated, comparable, weigh=WEIGHINGS[plan.weights]) if over_time else (),
    )


def _cuped(
    data: MetricData, exposed: Exposed, plan: Plan, tester: Tester, pair: tuple[int, int], comparable: Bool
) -> Cuped | None:
    if exposed.covariate is None:
        return None
    values = exposed.covariate[data.units]
    missing = ~np.isfinite(values)
    values[missing] = np.mean(values, where=~missing, dtype=np.float64) if not missing.all() else 0.0
    missing &= np.isin(exposed.arms[data.units], pair)
    table = _table((*data.columns, values), data, exposed)
    found = tester.adjusted(table.two_arms(*pair, comparable, weigh=WEIGHINGS[plan.weights]))
    return Cuped(
        covariate=plan.covariate,
        theta=found.theta,
        variance_reduction=found.variance_reduction,
        imputed=int(np.count_nonzero(missing)),
        absolute=found.intervals.fixed,
        sequential=found.intervals.sequential,
    )


def _table(columns: Sequence[npt.NDArray[np.floating[Any]]], data: MetricData, exposed: Exposed) -> MomentTable:
    periods, arms = exposed.sizes()
    groups = ((exposed.shares[data.units], periods), (exposed.arms[data.units], arms))
    return MomentTable.of(columns, groups)


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """A metric as it stood at the end of each hour or day: tables [L, S, A]."""

    ends: npt.NDArray[np.int64]
    table: MomentTable
    tester: Tester

    @classmethod
    def of(cls, data: MetricData, exposed: Exposed, tester: Tester) -> "_Looks | None":
        """Looks from the first to the last unit; a unit is known when its outcome has had its time."""
        if not len(data.units):
            return None
        first, last = (exposed.time(int(data.units[at])) + exposed.maturity for at in (0, -1))
        step = _step(last - first)
        begin = first // step * step
        count = (last - begin) // step + 1
        # Units are in the order of time, so each look has those of one stretch.
        edges = begin - exposed.maturity + step * np.arange(1, count)
        ends = np.searchsorted(exposed.rows[data.units], np.searchsorted(exposed.row_times, edges))
        bins = np.zeros(len(data.units), np.uint16)
        np.add.at(bins, ends[ends < len(bins)], 1)
        bins = np.cumsum(bins, dtype=np.uint16)
        periods, arms = exposed.sizes()
        groups = ((bins, count), (exposed.shares[data.units], periods), (exposed.arms[data.units], arms))
        table = MomentTable.of(data.columns, groups).cumulated()
        return cls(begin + step * np.arange(1, count + 1), table, tester)

    def looks(self, control: int, treated: int, comparable: Bool, *, weigh: Weigh) -> tuple[Look, ...]:
        """The always-valid interval at each look at which there is one."""
        found = []
        for at, end in enumerate(self.ends.tolist()):
            two = self.table.at(at).two_arms(control, treated, comparable, weigh=weigh)
            figure = self.tester.sequential(two)
            if isinstance(figure, Estimate) and figure.p is not None:
                found.append(Look(end, figure.count, figure.value, figure.low, figure.high, figure.p))
        return tuple(found)


def _step(span: int) -> int:
    """An hour or a day in ns, or as many days as give at most MAX_LOOKS looks."""
    if span <= 3 * _DAY:
        return _HOUR
    return _DAY * max(1, -(-span // (_DAY * (MAX_LOOKS - 1))))


def _has_share(predictions: Predictions) -> Bool:
    names = predictions.arm_names
    table = np.ones((len(predictions.share_list), len(names)), np.bool_)
    for period, shares in enumerate(predictions.share_list):
        if shares.millionths:
            known = dict(shares.millionths)
            table[period] = [known.get(name, 0) > 0 for name in names]
    return table


def _verdict(effect: Effect, p: float | None, plan: Plan) -> str:
    found = effect.sequential
    if not isinstance(found, Estimate) or p is None:
        return TOO_FEW
    if effect.is_primary and plan.minimum_effect and max(-found.low, found.high) < plan.minimum_effect:
        return NEGLIGIBLE
    if p > plan.alpha:
        return NOTHING_SHOWN
    return BETTER if (found.value > 0) == (effect.direction == "increase") else WORSE
