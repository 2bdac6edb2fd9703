"""A shadow against the arm that answered, segment by segment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_registry.statistics.scores import agreement
from scoreline_server.analysis.comparison.arms import CALL_LATENCY, latency
from scoreline_server.analysis.comparison.clustered import clustered_mean
from scoreline_server.analysis.comparison.effects import adjusted
from scoreline_server.analysis.comparison.shadow_agreement import difference_quantiles, shift, spearman
from scoreline_server.analysis.comparison.swaps import swap_table
from scoreline_server.analysis.report.parts import Plan
from scoreline_server.analysis.report.shadow import MODEL_LATENCY, ShadowSegment
from scoreline_server.analysis.rows.labels import Bool
from scoreline_server.analysis.rows.predictions import Predictions
from scoreline_server.analysis.rows.shadow_pairs import Pairs

MAX_LEVELS = 20

KENDALL_ROWS = 20_000
"""Kendall's tau of a segment with more rows is computed from so many, drawn at random with a fixed seed."""

Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class ShadowSegments:
    """The segments of a shadow's pairs.

    Attributes:
        differences: float [P], shadow minus primary.
        cuts: (name, primary's cut-off, shadow's), ascending.
        is_distinct: whether each row is of a unit of its own.
    """

    predictions: Predictions
    plan: Plan
    pairs: Pairs
    differences: Values
    cuts: Sequence[tuple[str, float, float]]
    is_distinct: bool

    def report(self) -> tuple[ShadowSegment, ...]:
        """All segments, the largest difference first.

        P-values are corrected over all levels of all segments (Holm); so is the threshold of the PSI, by their number.
        """
        pairs = self.pairs
        kinds = {by: levels.of_rows(pairs.rows) for by, levels in self.predictions.segments.items()}
        count = sum(min(MAX_LEVELS, len(np.unique(one.codes[one.codes >= 0]))) for one in kinds.values())
        found = [
            self._segment(by, name, rows, self.plan.alpha / count)
            for by, levels in kinds.items()
            for name, rows in levels.most_common(MAX_LEVELS)
        ]
        p_values = adjusted([segment.sequential for segment in found])
        done = [replace(segment, adjusted_p=p) for segment, p in zip(found, p_values, strict=True)]
        return tuple(sorted(done, key=lambda segment: -_size(segment.difference)))

    def _segment(self, by: str, level: str, rows: Bool, psi_alpha: float) -> ShadowSegment:
        pairs, alpha, differences = self.pairs, self.plan.alpha, self.differences[rows]
        primary, shadow = pairs.primary[rows], pairs.shadow[rows]
        means = clustered_mean(differences, pairs.units[rows], self.plan, is_distinct=self.is_distinct)
        swaps = tuple(swap_table(cut, primary, shadow, {}, alpha) for cut in self.cuts)
        return ShadowSegment(
            by=by,
            level=level,
            rows=len(primary),
            difference=means.fixed,
            sequential=means.sequential,
            adjusted_p=None,
            flips=swaps[-1].flips if swaps else None,
            absolute_difference=float(np.abs(differences).mean()),
            difference_quantiles=difference_quantiles(differences, alpha),
            spearman=spearman(primary, shadow, alpha),
            kendall=agreement.kendall(primary, shadow, alpha=alpha, rows=KENDALL_ROWS),
            shift=shift(primary, shadow, psi_alpha),
            swaps=swaps,
            primary_latency=latency(self.predictions.latencies[pairs.rows[rows]], CALL_LATENCY),
            shadow_latency=latency(pairs.milliseconds[rows], MODEL_LATENCY),
        )


def _size(figure: Figure) -> float:
    return abs(figure.value) if isinstance(figure, Estimate) else -1.0
