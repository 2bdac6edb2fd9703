"""What outcomes say of each arm so far: moments of a metric per arm and period of equal shares."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoreline_registry.routing.experiment import Experiment, Metric
from scoreline_registry.statistics.moments import Moments
from scoreline_server.analysis.comparison.effects import MetricData
from scoreline_server.analysis.comparison.plans import start_of
from scoreline_server.analysis.report.parts import MetricPlan
from scoreline_server.analysis.rows.exposures import expose
from scoreline_server.analysis.rows.labels import LabelSource, Reports, RowIndex, UnitIndex, mature
from scoreline_server.analysis.rows.predictions import read_predictions
from scoreline_server.journal.format.times import DAY
from scoreline_server.journal.reading.reader import Selection


@dataclass(frozen=True, slots=True)
class OutcomeQuery:
    """Which outcomes of which rows.

    Attributes:
        folders: of the journals and outcomes.
        route: the route's name.
        experiment: its section, which says how old rows must be.
        metric: the name of a metric of that section.
        since: rows scored at or after, in ns since 1970; None for all.
    """

    folders: tuple[Path, ...]
    route: str
    experiment: Experiment
    metric: str
    since: int | None = None

    @property
    def planned(self) -> Metric:
        """The metric."""
        return self.experiment.metrics[self.metric]


Samples = Sequence[Mapping[str, Moments]]
"""Per period of equal shares the moments of each arm's units, by the arm's reference."""


def outcome_samples(query: OutcomeQuery) -> Samples:
    """The units that have an outcome and are old enough, counted on the arm that they were assigned to.

    A ratio is linearised at the ratio of all units (delta method): values are numerator - ratio * denominator, over the
    mean denominator, with the ratio added. Raises OSError.
    """
    metric, maturity = query.planned, query.experiment.maturity_days * DAY
    predictions = read_predictions(query.folders, Selection(query.route, start_of(query.experiment, query.since)))
    exposures = expose(predictions)
    reports = Reports.of(query.folders, query.route)
    source = LabelSource(
        folders=query.folders,
        route=query.route,
        reports=reports,
        times=predictions.times,
        exposures=exposures,
        index=RowIndex(predictions.keys),
        units=UnitIndex(predictions.units, predictions.times) if reports.has_units else None,
        maturity=maturity,
    )
    labels = source.labels(metric.outcome)
    denominators = source.labels(metric.denominator) if metric.denominator else None
    plan = MetricPlan(query.metric, metric.outcome, metric.kind, metric.direction, metric.denominator)
    is_mature = mature(predictions, exposures, maturity, time.time_ns())
    data = MetricData.of(plan, labels, denominators, is_mature)
    rows = exposures.rows[data.units]
    values = _linear(data)
    arms, periods = predictions.arms[rows], predictions.shares[rows]
    return [
        {
            name: Moments.of(values[(arms == arm) & (periods == period)])
            for arm, name in enumerate(predictions.arm_names)
        }
        for period in np.unique(periods).tolist()
    ]


def _linear(data: MetricData) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The values of a metric per unit; of a ratio its linearisation."""
    if len(data.columns) == 1 or not len(data.units):
        return np.asarray(data.columns[0], np.float64)
    above, below = data.columns
    ratio = above.mean() / below.mean()
    return np.asarray(ratio + (above - ratio * below) / below.mean(), np.float64)
