"""How two scores of the same rows agree: rank correlation, the distance of their distributions, and differences."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.scores import agreement, distances
from scoreline_server.analysis.comparison.arms import drawn_rows
from scoreline_server.analysis.comparison.swaps import summed
from scoreline_server.analysis.report.shadow import Shift

AT = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""The probabilities of the quantiles of the difference."""

Values = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float32]


def spearman(primary: Floats, shadow: Floats, alpha: float) -> Figure:
    """The rank correlation; of very many rows that of some drawn at random, which its method says."""
    drawn = drawn_rows(len(primary))
    if drawn is None:
        return agreement.spearman(primary, shadow, alpha=alpha)
    return _of_drawn(agreement.spearman(primary[drawn], shadow[drawn], alpha=alpha), len(drawn), len(primary))


def difference_quantiles(differences: Values, alpha: float) -> tuple[tuple[float, float, float, float], ...]:
    """(probability, value, low, high) of the difference; empty without rows."""
    figures = zip(AT, agreement.quantiles(differences, AT, alpha=alpha), strict=True)
    return tuple((at, one.value, one.low, one.high) for at, one in figures if isinstance(one, Estimate))


def shift(primary: Floats, shadow: Floats, alpha: float) -> Shift:
    """The distance of both distributions: PSI over tenths of the primary's scores, and KS."""
    edges = distances.quantile_edges(primary)
    found = distances.paired_psi(summed(lambda a, b: distances.bin_table(a, b, edges), primary, shadow), alpha=alpha)
    drawn = drawn_rows(len(primary))
    if drawn is None:
        ks = distances.ks_distance(primary, shadow, paired=True)
    else:
        ks = _of_drawn(distances.ks_distance(primary[drawn], shadow[drawn], paired=True), len(drawn), len(primary))
    if isinstance(found, TooFew):
        return Shift(found, float("nan"), psi_shifted=False, ks=ks)
    psi = Estimate(found.value, found.value, found.value, found.p, 0.0, found.method, found.assumptions, found.count)
    return Shift(psi, found.threshold, psi_shifted=found.unlike, ks=ks)


def _of_drawn(figure: Figure, drawn: int, count: int) -> Figure:
    return replace(figure, method=f"{figure.method}, of {drawn:,} of {count:,} rows")
