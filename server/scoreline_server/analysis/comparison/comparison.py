"""Compares the arms and shadows of a route from journals and outcomes."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from scoreline_registry.routing.experiment import Experiment
from scoreline_server.analysis.comparison.arms import arm_reports
from scoreline_server.analysis.comparison.effects import Exposed, MetricData, compared_arms, corrected, metric_effects
from scoreline_server.analysis.comparison.plans import Options, of_values, plan_of, start_of
from scoreline_server.analysis.comparison.shadows import ShadowContext, shadow_report
from scoreline_server.analysis.comparison.share_periods import sample_ratio_of, share_periods
from scoreline_server.analysis.report.comparison import Comparison, Effect, SegmentEffects
from scoreline_server.analysis.report.notes import notes_of
from scoreline_server.analysis.report.parts import BY_INFORMATION, BY_UNITS, MetricPlan, Period, Plan, RampMove
from scoreline_server.analysis.report.shadow import ShadowReport
from scoreline_server.analysis.rows.exposures import Exposures, expose
from scoreline_server.analysis.rows.labels import Labels, LabelSource, Reports, RowIndex, UnitIndex, mature
from scoreline_server.analysis.rows.predictions import HOLDOUT, Predictions, read_predictions
from scoreline_server.analysis.rows.shadow_pairs import Shadowed, pairs_of, read_shadowed
from scoreline_server.journal.format.times import DAY
from scoreline_server.journal.reading.reader import Selection

MAX_LEVELS = 20
MAX_GUESSED = 10


class BaselineError(Exception):
    """An arm that is not in the journal. ``arm`` is the given one, ``arms`` are those that there are."""

    def __init__(self, arm: str, arms: Sequence[str]) -> None:
        self.arm, self.arms = arm, tuple(arms)
        super().__init__(f"there is no arm {arm!r}; the arms are {', '.join(sorted(arms)) or 'none'}")


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare.

    Attributes:
        folders: journals, one per host; outcomes are in the same folders.
        route: the name of the route.
        since, until: rows scored in [since, until), ns since 1970; None for open. An experiment's start is a lower
            bound too.
        options: in place of what the experiment section says.
        now: the time against which the age of rows is measured, ns since 1970; None for the clock.
    """

    folders: tuple[Path, ...]
    route: str
    since: int | None = None
    until: int | None = None
    options: Options = field(default_factory=Options)
    now: int | None = None


def compare(request: Request, experiment: Experiment | None = None, moves: Sequence[RampMove] = ()) -> Comparison:
    """The report of one route. ``experiment`` is the route's section, ``moves`` are its changes in the registry.

    Raises BaselineError where the given baseline is no arm.
    """
    now = time.time_ns() if request.now is None else request.now
    reports = Reports.of(request.folders, request.route)
    plan = replace(plan_of(experiment, request.options), weights=weights_of(moves))
    since = start_of(experiment, request.since)
    selection = Selection(request.route, since, request.until)
    predictions = read_predictions(request.folders, selection, segments=plan.segments, covariate=plan.covariate)
    absent = _absent(predictions, plan)
    baseline = _baseline(predictions, request.options.baseline)
    exposures = expose(predictions)
    index = RowIndex(predictions.keys)
    units = UnitIndex(predictions.units, predictions.times) if reports.has_units else None
    maturity = round(plan.maturity_days * DAY)
    is_mature = mature(predictions, exposures, maturity, now)
    exposed = Exposed.of(predictions, exposures, is_mature=is_mature, maturity=maturity)
    predictions = predictions.without("keys", "units", "arms", "shares", "covariate")
    source = LabelSource(request.folders, request.route, reports, predictions.times, exposures, index, units, maturity)
    labels = _labels(source, plan, reports.names)
    plan = replace(plan, metrics=_metrics(plan, labels), changed=_has_changed(predictions, experiment))
    metrics = [_metric(metric, labels, is_mature) for metric in plan.metrics]
    outcomes = tuple(found.counts for found in labels.values())
    del labels, source, units
    context = ShadowContext(predictions, exposures, metrics, plan, request.options.cut_offs)
    effects = corrected(_effects(metrics, exposed, plan, baseline, looks=True), plan)
    comparison = Comparison(
        route=request.route,
        made_at=now,
        period=_period(predictions, since, request.until),
        plan=plan,
        rows=exposures.counts,
        outcomes=outcomes,
        baseline=baseline,
        arms=arm_reports(predictions, exposures, exposed, metrics, plan, baseline=baseline),
        share_periods=share_periods(predictions, exposed),
        sample_ratio=sample_ratio_of(predictions, exposed),
        effects=tuple(effects),
        segments=tuple(_segments(metrics, exposed, exposures, predictions, plan, baseline)),
        shadows=(),
        moves=tuple(moves),
    )
    del exposed
    # A shadow scores after the answer: its own time may lie behind the period, its rows decide.
    late = Selection(request.route, selection.since)
    shadowed = read_shadowed(request.folders, late, predictions.shadow_versions, index)
    del index
    comparison = replace(comparison, shadows=_shadows(shadowed, context))
    return replace(comparison, notes=tuple(notes_of(comparison, unused=_unused(reports.names, plan), absent=absent)))


def weights_of(moves: Iterable[RampMove]) -> str:
    """How share periods are weighed: by their units where the route's weights ever followed outcomes."""
    return BY_UNITS if any(move.allocates for move in moves) else BY_INFORMATION


def _labels(source: LabelSource, plan: Plan, reports: Counter[str]) -> dict[str, Labels]:
    """The labels of each outcome that a metric needs; of the most frequent ones where no metric is planned."""
    wanted = [name for metric in plan.metrics for name in (metric.outcome, metric.denominator) if name]
    wanted = wanted or [name for name, _ in reports.most_common(MAX_GUESSED)]
    return {name: source.labels(name) for name in dict.fromkeys(wanted)}


def _metrics(plan: Plan, labels: dict[str, Labels]) -> tuple[MetricPlan, ...]:
    """The metrics; where none is planned one per outcome."""
    metrics = plan.metrics or tuple(MetricPlan(name, name, "", "") for name in labels)
    return tuple(of_values(metric, is_binary=labels[metric.outcome].is_binary) for metric in metrics)


def _metric(plan: MetricPlan, labels: dict[str, Labels], is_mature: np.ndarray) -> MetricData:
    return MetricData.of(plan, labels[plan.outcome], labels[plan.denominator] if plan.denominator else None, is_mature)


def _has_changed(predictions: Predictions, experiment: Experiment | None) -> bool:
    present = experiment.digest if experiment else ""
    return bool(predictions.experiments - {present, ""})


def _absent(predictions: Predictions, plan: Plan) -> tuple[str, ...]:
    """The segments and covariates of which no row has a value."""
    found = [by for by, levels in predictions.segments.items() if not (levels.codes >= 0).any()]
    if predictions.covariate is not None and not np.isfinite(predictions.covariate).any():
        found.append(plan.covariate)
    return tuple(dict.fromkeys(found))


def _baseline(predictions: Predictions, given: str) -> str:
    """The given arm; else the first arm of the last rule. Raises BaselineError for an arm that no row has."""
    if given:
        if given not in predictions.arm_names:
            raise BaselineError(given, predictions.arm_names)
        return given
    last = max(predictions.share_list, key=lambda shares: shares.rule, default=None)
    if last is not None and last.millionths:
        return last.millionths[0][0]
    return next((name for name in predictions.arm_names if name != HOLDOUT), "")


def _effects(
    metrics: Sequence[MetricData], exposed: Exposed, plan: Plan, baseline: str, *, looks: bool
) -> list[Effect]:
    return [effect for data in metrics for effect in metric_effects(data, exposed, plan, baseline, looks=looks)]


def _segments(
    metrics: Sequence[MetricData], exposed: Exposed, exposures: Exposures, predictions: Predictions, plan: Plan,
    baseline: str,
) -> list[SegmentEffects]:  # fmt: skip
    """The effects in the most common levels of each segment, corrected over levels, metrics and arms (Holm)."""
    if not compared_arms(exposed, baseline):
        return []
    found: list[SegmentEffects] = []
    without = replace(exposed, covariate=None)
    for by, levels in predictions.segments.items():
        for name, chosen in levels.of_rows(exposures.rows).most_common(MAX_LEVELS):
            kept = [data.among(chosen) for data in metrics]
            effects = _effects(kept, without, plan, baseline, looks=False)
            found.append(SegmentEffects(by, name, int(np.count_nonzero(chosen)), tuple(effects)))
    together = iter(_corrected_together([effect for segment in found for effect in segment.effects], plan))
    return [replace(segment, effects=tuple(next(together) for _ in segment.effects)) for segment in found]


def _corrected_together(effects: list[Effect], plan: Plan) -> list[Effect]:
    """Corrected as one family, the primary metric among them."""
    marked = [effect.is_primary for effect in effects]
    done = corrected([replace(effect, is_primary=False) for effect in effects], plan)
    return [replace(effect, is_primary=was) for effect, was in zip(done, marked, strict=True)]


def _shadows(shadowed: Sequence[Shadowed], context: ShadowContext) -> tuple[ShadowReport, ...]:
    found = []
    for each in shadowed:
        pairs, unmatched = pairs_of(each, context.predictions, context.exposures)
        found += [shadow_report(pair, unmatched, context) for pair in pairs]
    return tuple(found)


def _period(predictions: Predictions, since: int | None, until: int | None) -> Period:
    first, last = (int(predictions.times[at]) if len(predictions) else None for at in (0, -1))
    return Period(since, until, first, last)


def _unused(reports: Counter[str], plan: Plan) -> dict[str, int]:
    used = {name for metric in plan.metrics for name in (metric.outcome, metric.denominator)}
    return {name: count for name, count in reports.items() if name not in used}
