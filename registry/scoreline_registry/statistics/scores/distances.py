"""Distances of two distributions of scores: population stability index and Kolmogorov-Smirnov."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.moments import Values

Counts = npt.NDArray[np.int64]

PER_BIN = 5
"""Rows per bin, on average, that the chi-square law of the PSI needs (Cochran 1954)."""

PSI = "population stability index"
KS = "two-sample Kolmogorov-Smirnov"


@dataclass(frozen=True, slots=True)
class Stability:
    """A population stability index beside what chance alone gives at these counts.

    Attributes:
        value: the index, 0 where both distributions are alike; it has no interval.
        p: the chance of an index as large where both distributions are alike.
        threshold: the index that chance alone passes with probability alpha.
        expected: the mean index by chance alone.
        bins: how many bins hold rows.
        count: rows of both samples.
        method, assumptions: as of an ``Estimate``.
    """

    value: float
    p: float
    threshold: float
    expected: float
    bins: int
    count: int
    method: str
    assumptions: str

    @property
    def unlike(self) -> bool:
        """Whether the index is above its threshold."""
        return self.value > self.threshold


def quantile_edges(values: Values, *, bins: int = 10) -> npt.NDArray[np.float64]:
    """The ascending inner edges, at most ``bins - 1``, between which the known ones of ``values`` are equally many."""
    known = np.asarray(values)[~np.isnan(values)]
    if not len(known):
        return np.empty(0)
    return np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf")).astype(np.float64)


def bin_places(values: Values, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The bin of each value: bin i holds edges[i - 1] < x <= edges[i]; the last bin, len(edges) + 1, holds NaN."""
    places = np.searchsorted(edges, values, side="left")
    places[np.isnan(values)] = len(edges) + 1
    return places


def bin_counts(values: Values, edges: npt.NDArray[np.float64]) -> Counts:
    """The counts [len(edges) + 2] of each bin; counts of blocks add up."""
    return np.bincount(bin_places(values, edges), minlength=len(edges) + 2)


def bin_table(primary: Values, shadow: Values, edges: npt.NDArray[np.float64]) -> Counts:
    """The counts [B, B] of the same rows by primary's and shadow's bin; tables of blocks add up."""
    bins = len(edges) + 2
    places = bin_places(primary, edges) * bins + bin_places(shadow, edges)
    return np.bincount(places, minlength=bins * bins).reshape(bins, bins)


def index_of(expected: Counts, observed: Counts) -> float:
    """The PSI of two counts [B]: sum of (q - p) log(q / p).

    Where a bin of one is empty, half a row is added to every bin of both.
    """
    half = 0.5 if min(expected.min(), observed.min()) == 0 else 0.0
    before, after = (counts + half for counts in (expected, observed))
    shares, others = before / before.sum(), after / after.sum()
    return float(np.sum((others - shares) * np.log(others / shares)))


def psi(expected: Counts, observed: Counts, *, alpha: float = 0.05) -> Stability | TooFew:
    """The PSI of two independent samples, from their counts [B] in the same bins, with its null threshold.

    Where both come from one distribution, PSI is near (1/n + 1/m) times chi-square with B - 1 degrees of freedom
    (Yurdakul and Naranjo, Journal of Risk Model Validation 14, 2020), so that a fixed threshold such as 0.1 is too
    eager for few rows and too lax for many. Bins that are empty in both samples are left out.
    """
    from scipy.stats import chi2  # noqa: PLC0415 - serving needs no SciPy

    kept = (expected + observed) > 0
    expected, observed = expected[kept], observed[kept]
    bins, counts = len(expected), (int(expected.sum()), int(observed.sum()))
    if min(counts) < PER_BIN * max(bins, 1):
        return TooFew(min(counts), PER_BIN * max(bins, 1), PSI)
    scale, value = sum(1 / count for count in counts), index_of(expected, observed)
    return Stability(
        value=value,
        p=float(chi2.sf(value / scale, bins - 1)) if bins > 1 else 1.0,
        threshold=scale * float(chi2.isf(alpha, bins - 1)) if bins > 1 else 0.0,
        expected=scale * (bins - 1),
        bins=bins,
        count=sum(counts),
        method=f"{PSI}, chi-square law of independent samples",
        assumptions="Rows are independent, also between the samples; about five or more are expected in each bin.",
    )


def paired_psi(table: Counts, *, alpha: float = 0.05) -> Stability | TooFew:
    """The PSI of two scores of the same rows, from their table of bins [B, B], with its null threshold.

    Shares p (rows) and q (columns) of the same rows are dependent: where the scores agree, q - p hardly varies, and the
    law of independent samples would be far too lax. To second order PSI is d' diag(1/p) d with d = q - p, whose
    covariance under equal margins is (diag(p + q) - T - T') / n, T being the table's shares (Stuart, Biometrika 42,
    1955). Such a form is a weighted sum of chi-squares; it is taken as c times chi-square with v degrees of freedom of
    the same mean and variance (Satterthwaite, Biometrics 2, 1946).
    """
    from scipy.stats import chi2  # noqa: PLC0415 - serving needs no SciPy

    kept = (table.sum(axis=0) + table.sum(axis=1)) > 0
    table = table[np.ix_(kept, kept)]
    bins, count = len(table), int(table.sum())
    if count < PER_BIN * max(bins, 1):
        return TooFew(count, PER_BIN * max(bins, 1), PSI)
    value, (mean, squares) = index_of(table.sum(axis=1), table.sum(axis=0)), _null_moments(table / count)
    scale, degrees = (squares / mean / count, mean**2 / squares) if mean > 0 else (0.0, 0.0)
    return Stability(
        value=value,
        p=float(chi2.sf(value / scale, degrees)) if scale else 1.0,
        threshold=scale * float(chi2.isf(alpha, degrees)) if scale else 0.0,
        expected=mean / count,
        bins=bins,
        count=count,
        method=f"{PSI}, Satterthwaite's law of paired rows",
        assumptions="Rows are independent of each other and have both scores; about five or more are in each bin.",
    )


def ks_distance(first: Values, second: Values, *, paired: bool = False) -> Figure:
    """The largest gap between the distribution functions of two samples; p is the asymptotic one, as SciPy's.

    With ``paired`` the samples are two scores of the same rows: p would assume independent samples, so there is none.
    """
    count = len(first) + len(second)
    if not len(first) or not len(second):
        return TooFew(min(len(first), len(second)), 1, KS)
    gap = _largest_gap(np.sort(first), np.sort(second))
    return Estimate(
        value=gap,
        low=gap,
        high=gap,
        p=None if paired else _ks_p(gap, len(first), len(second)),
        level=0.0,
        method=KS,
        assumptions="Two scores of the same rows: a distance without a p." if paired else "Rows are independent.",
        count=count,
    )


def _largest_gap(first: Values, second: Values) -> float:
    """Between two ascending arrays; the gap is widest at one of their values."""
    gaps = [
        np.abs(
            np.searchsorted(first, points, side="right") / len(first)
            - np.searchsorted(second, points, side="right") / len(second)
        ).max()
        for points in (first, second)
    ]
    return float(max(gaps))


def _ks_p(gap: float, first: int, second: int) -> float:
    from scipy.stats import kstwo  # noqa: PLC0415 - serving needs no SciPy

    return float(np.clip(kstwo.sf(gap, round(first * second / (first + second)) or 1), 0, 1))


def _null_moments(shares: npt.NDArray[np.float64]) -> tuple[float, float]:
    """n times the mean, and n squared times half the variance, of d' diag(1/p) d where the margins are equal."""
    margins = (shares.sum(axis=0) + shares.sum(axis=1)) / 2
    covariance = np.diag(2 * margins) - shares - shares.T
    scaled = covariance / np.sqrt(np.outer(margins, margins))
    return float(np.trace(scaled)), float(np.sum(scaled * scaled.T))
