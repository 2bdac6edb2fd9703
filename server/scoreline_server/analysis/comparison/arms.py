"""What each arm's units got: versions, failures, scores, latency, metrics and the quality of its scores."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.figures import Figure, TooFew
from scoreline_registry.statistics.scores import calibration, ranking
from scoreline_server.analysis.comparison.contrasts import RATE, Tester
from scoreline_server.analysis.comparison.effects import Exposed, MetricData
from scoreline_server.analysis.comparison.strata import MomentTable
from scoreline_server.analysis.report.comparison import ArmReport, MetricValue
from scoreline_server.analysis.report.parts import Calibration, Distribution, Latency, Plan, Quality
from scoreline_server.analysis.rows.exposures import Exposures
from scoreline_server.analysis.rows.labels import Bool
from scoreline_server.analysis.rows.predictions import Flag, Predictions

BINS = 40
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
LATENCY_QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
RANKED_ROWS = 1_000_000
CALL_LATENCY = "from the arrival of the call at the server until its rows were scored, queueing and batching included"

Floats = npt.NDArray[np.floating]


def arm_reports(
    predictions: Predictions, exposures: Exposures, exposed: Exposed, metrics: Sequence[MetricData], plan: Plan,
    *, baseline: str,
) -> tuple[ArmReport, ...]:  # fmt: skip
    """One report per arm that has exposures, the baseline first."""
    sizes = np.bincount(exposed.arms, minlength=len(exposed.arm_names))
    present = [index for index in range(len(exposed.arm_names)) if sizes[index]]
    present.sort(key=lambda index: exposed.arm_names[index] != baseline)
    edges = score_edges(predictions.scores[exposures.rows])
    return tuple(_arm(index, predictions, exposures, exposed, metrics, plan, baseline, edges) for index in present)


def _arm(
    index: int, predictions: Predictions, exposures: Exposures, exposed: Exposed, metrics: Sequence[MetricData],
    plan: Plan, baseline: str, edges: Floats,
) -> ArmReport:  # fmt: skip
    rows = exposures.rows[exposed.arms == index]
    flags, versions = predictions.flags[rows], predictions.versions
    served = np.bincount(predictions.served[rows], minlength=len(versions)).tolist()
    own = rows[flags & (Flag.FAILED | Flag.FALLBACK) == 0]
    return ArmReport(
        arm=exposed.arm_names[index],
        is_baseline=exposed.arm_names[index] == baseline,
        versions=versions_of([(version.name, count) for version, count in zip(versions, served, strict=True)]),
        exposures=len(rows),
        failed=int(np.count_nonzero(flags & Flag.FAILED)),
        fallback=int(np.count_nonzero(flags & Flag.FALLBACK)),
        scores=distribution(predictions.scores[own], edges),
        latency=latency(predictions.latencies[rows], CALL_LATENCY),
        metrics=tuple(_metric(data, exposed, index, plan) for data in metrics),
        quality=tuple(
            found for data in metrics if (found := _quality(data, predictions, exposures, exposed, index, plan))
        ),
    )


def _metric(data: MetricData, exposed: Exposed, index: int, plan: Plan) -> MetricValue:
    is_arm = exposed.arms == index
    kept = data.among(is_arm)
    only = np.zeros(len(kept.units), np.intp)
    joint = MomentTable.of(kept.columns, ((only, 1), (only, 1))).one_arm(0)
    tester = Tester(data.plan, ConfidenceSequence(plan.alpha, plan.tuning_rows))
    return MetricValue(
        metric=data.plan.name,
        exposures=int(np.count_nonzero(is_arm)),
        mature=int(np.count_nonzero(is_arm & exposed.is_mature)),
        labelled=len(kept.units),
        value=tester.value(joint),
    )


def _quality(
    data: MetricData, predictions: Predictions, exposures: Exposures, exposed: Exposed, index: int, plan: Plan
) -> Quality | None:
    """Of the rows that the assigned arm scored itself; None for a metric that is no rate."""
    if data.plan.kind != RATE:
        return None
    kept = data.among(exposed.arms == index)
    rows = exposures.rows[kept.units]
    own = np.flatnonzero(predictions.flags[rows] & (Flag.FAILED | Flag.FALLBACK) == 0).astype(np.int32)
    labelled, drawn = len(own), drawn_rows(len(own))
    if drawn is not None:
        own = own[drawn]
    label, scores = kept.columns[0][own] > 0, predictions.scores[rows[own]]
    del kept, rows, own
    return quality(data.plan.name, label, scores, plan.alpha, labelled=labelled)


def quality(metric: str, label: Bool, scores: Floats, alpha: float, *, labelled: int = 0) -> Quality:
    """How well some scores rank and state the probability of an outcome: label bool [N], scores [N].

    Of more than RANKED_ROWS rows as many are drawn at random with a fixed seed, because ranking needs much memory;
    ``labelled`` is how many there were where that was done before.
    """
    labelled, drawn = max(labelled, len(label)), drawn_rows(len(label))
    if drawn is not None:
        label, scores = label[drawn], scores[drawn]
    return Quality(
        metric=metric,
        rows=len(label),
        positives=int(np.count_nonzero(label)),
        auc=ranking.auc(label, scores, alpha=alpha),
        average_precision=ranking.average_precision(label, scores, alpha=alpha),
        brier=_if_probability(scores, calibration.brier(label, scores, alpha=alpha)),
        ks=ranking.ks(label, scores),
        calibration=_calibration(label, scores, alpha) if is_probability(scores) and len(scores) else None,
        labelled=labelled,
    )


def drawn_rows(count: int) -> npt.NDArray[np.int64] | None:
    """RANKED_ROWS of ``count`` rows, drawn with a fixed seed, ascending; None where there are no more."""
    if count <= RANKED_ROWS:
        return None
    return np.sort(np.random.default_rng(0).choice(count, RANKED_ROWS, replace=False, shuffle=False))


def is_probability(scores: Floats) -> bool:
    """Whether all scores are from 0 to 1."""
    return not len(scores) or bool(scores.min() >= 0 and scores.max() <= 1)


def distribution(scores: Floats, edges: Floats) -> Distribution | None:
    """The histogram and the quantiles of some scores; None without a finite one."""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return None
    counts, _ = np.histogram(known, edges)
    return Distribution(
        count=len(known),
        mean=float(known.mean(dtype=np.float64)),
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        quantiles=_quantiles(known, QUANTILES),
    )


def latency(milliseconds: Floats, measures: str) -> Latency | None:
    """The mean and the quantiles of some latencies; None without one."""
    known = milliseconds[np.isfinite(milliseconds)]
    if not len(known):
        return None
    return Latency(measures, len(known), float(known.mean(dtype=np.float64)), _quantiles(known, LATENCY_QUANTILES))


def score_edges(*scores: Floats) -> Floats:
    """The edges of BINS equal bins over some scores: from 0 to 1 for probabilities, else over their range."""
    known = [part[np.isfinite(part)] for part in scores]
    ranges = [(float(part.min()), float(part.max())) for part in known if len(part)]
    low, high = min((low for low, _ in ranges), default=0.0), max((high for _, high in ranges), default=1.0)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def versions_of(counts: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Versions with their rows, added up by name; the ones without rows are left out."""
    found: dict[str, int] = {}
    for name, count in counts:
        if count:
            found[name] = found.get(name, 0) + count
    return tuple(found.items())


def _quantiles(values: Floats, at: Sequence[float]) -> tuple[tuple[float, float], ...]:
    return tuple(zip(at, np.quantile(values, at).tolist(), strict=True))


def _if_probability(scores: Floats, figure: Figure) -> Figure:
    return figure if is_probability(scores) else TooFew(0, 1, "Brier score of scores from 0 to 1")


def _calibration(label: Bool, scores: Floats, alpha: float) -> Calibration:
    bins = calibration.calibration_table(label, scores)
    rates = [getattr(one.rate, "value", float("nan")) for one in bins]
    line = calibration.recalibration(label, scores, alpha=alpha)
    return Calibration(
        scores=tuple(one.score for one in bins),
        rates=tuple(rates),
        counts=tuple(one.rows for one in bins),
        expected_error=calibration.expected_calibration_error(label, scores),
        intercept=line.intercept,
        slope=line.slope,
    )
