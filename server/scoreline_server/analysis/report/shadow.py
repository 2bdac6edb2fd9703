"""The report of a shadow against the arm that answered, over the same rows."""

from dataclasses import dataclass

from scoreline_registry.statistics.figures import Figure
from scoreline_server.analysis.report.parts import Distribution, Latency, Look, Quality

MODEL_LATENCY = "the run time of the shadow's batch over its rows, off the serving path: not comparable to a call's"


@dataclass(frozen=True, slots=True)
class SwapTable:
    """What changes at one cut-off if the shadow decided: rows by whether each score is at or above its cut-off.

    Attributes:
        name: of the band that begins at the cut-off, or the cut-off.
        primary_cut, shadow_cut: the scores from which a row is above.
        both_above, swapped_in, swapped_out, both_below: rows; swapped in is above by the shadow only.
        flips: the share of rows that change sides.
        net_shift: the change of the share that is above, swapped in less swapped out; p is McNemar's.
        outcome_rates: (metric, (labelled rows, their mean outcome) of each of the four cells in that order).
    """

    name: str
    primary_cut: float
    shadow_cut: float
    both_above: int
    swapped_in: int
    swapped_out: int
    both_below: int
    flips: Figure
    net_shift: Figure
    outcome_rates: tuple[tuple[str, tuple[tuple[int, float], ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class BandMatrix:
    """Rows by the primary's band (rows of ``counts``) and the shadow's (columns), lowest scores first."""

    primary_bands: tuple[str, ...]
    shadow_bands: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far two distributions are apart, against what chance gives for these counts."""

    psi: Figure
    psi_threshold: float
    psi_shifted: bool
    ks: Figure


@dataclass(frozen=True, slots=True)
class ShadowSegment:
    """A shadow against its primary in one segment.

    Attributes:
        by, level: such as ``context.channel`` and ``web``.
        rows: that both scored.
        difference, sequential: the mean of shadow minus primary, at one look and at every look.
        adjusted_p: of ``sequential``, corrected over all levels of all segments.
        flips: the share of rows that change sides at the highest cut-off.
        absolute_difference: the mean of its absolute value.
        difference_quantiles: (probability, value, low, high).
        spearman, kendall: rank correlations.
        shift: of the shadow's scores against the primary's; the threshold of the PSI holds over all levels together.
        swaps: one table per cut-off, without outcomes.
        primary_latency, shadow_latency: ``measures`` says what each is, for they differ.
    """

    by: str
    level: str
    rows: int
    difference: Figure
    sequential: Figure
    adjusted_p: float | None
    flips: Figure | None
    absolute_difference: float
    difference_quantiles: tuple[tuple[float, float, float, float], ...]
    spearman: Figure
    kendall: Figure
    shift: Shift
    swaps: tuple[SwapTable, ...]
    primary_latency: Latency | None
    shadow_latency: Latency | None


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """One shadow against one arm that answered, over the same rows.

    Attributes:
        shadow, primary: as the route names them.
        shadow_versions, primary_versions: the model versions meant, and the rows of each.
        pairs: rows that both scored.
        drawn: the pairs that the figures are of: above two millions, as many drawn at random with a fixed seed.
        units: distinct units among them; intervals treat rows of one unit as dependent.
        shadow_failed, primary_failed: rows that only the other one scored.
        unmatched: rows of the shadow without a row in the journal, or of a row that does not count.
        sample_millionths: the share of units that the shadow scores; None where the journal does not say.
        difference, sequential: the mean of shadow minus primary, at one look and at every look.
        absolute_difference: the mean of its absolute value.
        difference_quantiles: (probability, value, low, high).
        pearson: the linear correlation.
        spearman, kendall: rank correlations.
        shift: of the shadow's scores against the primary's.
        primary_scores, shadow_scores, differences: histograms; the first two over the same edges.
        swaps: one table per cut-off that both have; empty without.
        bands: None where either has no bands.
        primary_latency, shadow_latency: ``measures`` says what each is, for they differ.
        primary_quality, shadow_quality: over labelled rows.
        auc_difference: shadow minus primary, paired, by metric.
        segments: worst first.
    """

    shadow: str
    primary: str
    shadow_versions: tuple[tuple[str, int], ...]
    primary_versions: tuple[tuple[str, int], ...]
    pairs: int
    drawn: int
    units: int
    shadow_failed: int
    primary_failed: int
    unmatched: int
    sample_millionths: int | None
    difference: Figure
    sequential: Figure
    absolute_difference: float
    difference_quantiles: tuple[tuple[float, float, float, float], ...]
    pearson: Figure
    spearman: Figure
    kendall: Figure
    shift: Shift
    primary_scores: Distribution
    shadow_scores: Distribution
    differences: Distribution
    swaps: tuple[SwapTable, ...]
    bands: BandMatrix | None
    primary_latency: Latency | None
    shadow_latency: Latency | None
    primary_quality: tuple[Quality, ...] = ()
    shadow_quality: tuple[Quality, ...] = ()
    auc_difference: tuple[tuple[str, Figure], ...] = ()
    segments: tuple[ShadowSegment, ...] = ()
    looks: tuple[Look, ...] = ()
