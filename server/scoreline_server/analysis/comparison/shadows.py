"""The report of a shadow: how its scores differ, how they agree, what would be decided otherwise, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.scores import agreement, ranking
from scoreline_server.analysis.comparison.arms import (
    CALL_LATENCY,
    distribution,
    latency,
    quality,
    score_edges,
    versions_of,
)
from scoreline_server.analysis.comparison.clustered import ClusteredMean
from scoreline_server.analysis.comparison.contrasts import RATE
from scoreline_server.analysis.comparison.effects import MAX_LOOKS, MetricData
from scoreline_server.analysis.comparison.shadow_agreement import difference_quantiles, shift, spearman
from scoreline_server.analysis.comparison.shadow_segments import ShadowSegments
from scoreline_server.analysis.comparison.swaps import band_matrix, cut_offs, is_crossed, most_used, swap_table
from scoreline_server.analysis.report.parts import Distribution, Look, Plan, Quality
from scoreline_server.analysis.report.shadow import MODEL_LATENCY, ShadowReport
from scoreline_server.analysis.rows.exposures import Exposures
from scoreline_server.analysis.rows.predictions import Predictions
from scoreline_server.analysis.rows.shadow_pairs import Pairs

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ShadowContext:
    """What the report of a shadow needs beside its pairs. ``cut_offs`` serve versions without bands."""

    predictions: Predictions
    exposures: Exposures
    metrics: Sequence[MetricData]
    plan: Plan
    cut_offs: tuple[float, ...] = ()


def shadow_report(pairs: Pairs, unmatched: int, context: ShadowContext) -> ShadowReport:
    """The report of a shadow against one arm that answered."""
    predictions, alpha = context.predictions, context.plan.alpha
    differences = pairs.shadow.astype(np.float64) - pairs.primary
    mean, looks = _over_time(pairs, differences, context)
    found = mean.intervals(context.plan)
    primary = most_used(predictions.versions, predictions.served[pairs.rows])
    shadow = most_used(pairs.shadowed.version_list, pairs.shadow_versions)
    labels = _labels(pairs, context)
    edges = score_edges(pairs.primary, pairs.shadow)
    cuts = _cut_offs(pairs, context)
    segments = ShadowSegments(predictions, context.plan, pairs, differences, cuts, _are_first(pairs, context.exposures))
    return ShadowReport(
        shadow=pairs.shadowed.ref,
        primary=pairs.arm,
        shadow_versions=versions_of(_counted([one.name for one in pairs.shadowed.version_list], pairs.shadow_versions)),
        primary_versions=versions_of(
            _counted([one.name for one in predictions.versions], predictions.served[pairs.rows])
        ),
        pairs=pairs.count,
        drawn=len(pairs),
        units=mean.units,
        shadow_failed=pairs.shadow_failed,
        primary_failed=pairs.primary_failed,
        unmatched=unmatched,
        sample_millionths=predictions.sampled.get(pairs.shadowed.ref),
        difference=found.fixed,
        sequential=found.sequential,
        absolute_difference=float(np.abs(differences).mean()) if len(pairs) else float("nan"),
        difference_quantiles=difference_quantiles(differences, alpha),
        pearson=agreement.pearson(JointMoments.of(pairs.primary, pairs.shadow), alpha=alpha),
        spearman=spearman(pairs.primary, pairs.shadow, alpha),
        kendall=agreement.kendall(pairs.primary, pairs.shadow, alpha=alpha),
        shift=shift(pairs.primary, pairs.shadow, alpha),
        primary_scores=distribution(pairs.primary, edges) or _NONE,
        shadow_scores=distribution(pairs.shadow, edges) or _NONE,
        differences=distribution(differences, _difference_edges(differences)) or _NONE,
        swaps=tuple(swap_table(cut, pairs.primary, pairs.shadow, labels, alpha) for cut in cuts),
        bands=band_matrix(primary, shadow, pairs.primary, pairs.shadow),
        primary_latency=latency(predictions.latencies[pairs.rows], CALL_LATENCY),
        shadow_latency=latency(pairs.milliseconds, MODEL_LATENCY),
        primary_quality=tuple(_quality(name, label, pairs.primary, alpha) for name, label in labels.items()),
        shadow_quality=tuple(_quality(name, label, pairs.shadow, alpha) for name, label in labels.items()),
        auc_difference=tuple(
            (name, _auc_difference(label, pairs.primary, pairs.shadow, alpha)) for name, label in labels.items()
        ),
        segments=segments.report(),
        looks=looks,
    )


def _labels(pairs: Pairs, context: ShadowContext) -> Mapping[str, Values]:
    """The outcomes of the pairs' units by rate metric: float32 [P], NaN without one."""
    found = {}
    for data in context.metrics:
        if data.plan.kind == RATE:
            of_units = np.full(len(context.exposures), np.nan, np.float32)
            of_units[data.units] = data.columns[0]
            labels = of_units[pairs.units]
            # An outcome is of the unit: it counts once, at the row that exposed it.
            labels[pairs.rows != context.exposures.rows[pairs.units]] = np.nan
            if np.isfinite(labels).any():
                found[data.plan.name] = labels
    return found


def _quality(metric: str, label: Values, scores: npt.NDArray[np.float32], alpha: float) -> Quality:
    known = np.isfinite(label)
    return quality(metric, label[known] > 0, scores[known], alpha)


def _auc_difference(
    label: Values, primary: npt.NDArray[np.float32], shadow: npt.NDArray[np.float32], alpha: float
) -> Figure:
    known = np.isfinite(label)
    return ranking.paired_auc_difference(label[known] > 0, primary[known], shadow[known], alpha=alpha)


def _cut_offs(pairs: Pairs, context: ShadowContext) -> list[tuple[str, float, float]]:
    """The cut-offs with a score below them."""
    primary = most_used(context.predictions.versions, context.predictions.served[pairs.rows])
    shadow = most_used(pairs.shadowed.version_list, pairs.shadow_versions)
    known = cut_offs(primary, shadow, context.cut_offs)
    return [cut for cut in known if is_crossed(cut, pairs.primary, pairs.shadow)]


def _over_time(pairs: Pairs, differences: Values, context: ShadowContext) -> tuple[ClusteredMean, tuple[Look, ...]]:
    """The mean difference of all rows, and as it stood after each of at most MAX_LOOKS equal parts of them."""
    ends = np.linspace(0, len(pairs), min(MAX_LOOKS, max(2, len(pairs) // 100)) + 1).astype(int)
    is_distinct = _are_first(pairs, context.exposures)
    running, looks = ClusteredMean(len(context.exposures), is_distinct=is_distinct), []
    # Pairs are in the order of their rows, which is that of time.
    for begin, end in pairwise(np.unique(ends).tolist()):
        running.add(differences[begin:end], pairs.units[begin:end])
        figure = running.sequential(context.plan)
        if isinstance(figure, Estimate) and figure.p is not None:
            time = int(context.predictions.times[pairs.rows[end - 1]])
            looks.append(Look(time, end, figure.value, figure.low, figure.high, figure.p))
    return running, tuple(looks)


def _are_first(pairs: Pairs, exposures: Exposures) -> bool:
    """Whether each row is the one that exposed its unit, so that no unit has two."""
    return bool(np.array_equal(exposures.rows[pairs.units], pairs.rows))


def _difference_edges(differences: Values) -> npt.NDArray[np.floating]:
    reach = float(np.abs(differences).max()) if len(differences) else 0.0
    return np.linspace(-(reach or 1.0), reach or 1.0, 41)


def _counted(names: Sequence[str], indices: npt.NDArray[np.uint16]) -> list[tuple[str, int]]:
    return list(zip(names, np.bincount(indices, minlength=len(names)).tolist(), strict=True))


_NONE = Distribution(0, float("nan"), (), (), ())
