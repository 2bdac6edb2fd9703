"""Pictures of scores: distributions, calibration, and what a shadow would decide otherwise."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from scoreline_registry.pictures.drawing import COLOURS, GREY, Canvas, Picture, pens
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.parts import Calibration, Distribution
from scoreline_server.analysis.report.shadow import BandMatrix, ShadowReport, SwapTable

MAX_SERIES = 6
MAX_SWAPS = 4

_CELLS = ((0, 0, "both_below"), (0, 1, "swapped_in"), (1, 0, "swapped_out"), (1, 1, "both_above"))


def arm_pictures(comparison: Comparison) -> Iterator[Picture]:
    """The score distributions of all arms over each other, and their calibration by outcome."""
    scored = [(arm.arm, arm.scores) for arm in comparison.arms if arm.scores is not None]
    if scored:
        yield distributions(scored, "Scores by arm")
    for metric in dict.fromkeys(quality.metric for arm in comparison.arms for quality in arm.quality):
        curves = [
            (arm.arm, quality.calibration)
            for arm in comparison.arms
            for quality in arm.quality
            if quality.metric == metric and quality.calibration is not None
        ]
        if curves:
            yield calibrations(curves, metric)


def shadow_pictures(shadow: ShadowReport) -> Iterator[Picture]:
    """A shadow's scores beside the primary's, their difference, and its swap sets."""
    if shadow.pairs:
        both = [(shadow.primary, shadow.primary_scores), (f"{shadow.shadow} (shadow)", shadow.shadow_scores)]
        yield distributions(both, "Scores of the same rows")
        yield _differences(shadow)
    if shadow.bands is not None:
        yield band_matrix(shadow.bands, shadow)
    for swap in shadow.swaps[:MAX_SWAPS]:
        yield swap_set(swap, shadow)


def distributions(series: Sequence[tuple[str, Distribution]], title: str) -> Picture:
    """Histograms as steps, each as the share of its rows per unit of score."""
    drawn = [(name, found) for name, found in series[:MAX_SERIES] if found.count]
    with Canvas() as canvas:
        axes = canvas.axes[0]
        for (name, found), pen in zip(drawn, pens(), strict=False):
            axes.stairs(
                _density(found), found.edges, color=pen.colour, linestyle=pen.dashes, linewidth=1.6,
                label=f"{name}, {found.count:,} rows",
            )  # fmt: skip
        axes.set(xlabel="score", ylabel="density", title=title)
        axes.legend(loc="best")
        means = "; ".join(f"{name} mean {found.mean:.4g}" for name, found in drawn)
        return canvas.picture(f"{title}, as densities: {means}.")


def calibrations(curves: Sequence[tuple[str, Calibration]], metric: str) -> Picture:
    """The rate of the outcome over the mean score of each bin, beside the diagonal on which both are equal."""
    with Canvas(width=4.6, height=3.8) as canvas:
        axes = canvas.axes[0]
        most = max(max(*curve.scores, *curve.rates) for _, curve in curves)
        axes.plot([0, most], [0, most], color=GREY, linewidth=1, linestyle=":", label="calibrated")
        for (name, curve), pen in zip(curves[:MAX_SERIES], pens(), strict=False):
            axes.plot(
                curve.scores, curve.rates, color=pen.colour, linestyle=pen.dashes, marker=pen.marker, markersize=4,
                label=name,
            )  # fmt: skip
        axes.set(xlabel="mean score of a bin", ylabel=f"rate of {metric}", title=f"Calibration on {metric}")
        axes.legend(loc="best")
        errors = "; ".join(f"{name} expected error {curve.expected_error:.4g}" for name, curve in curves)
        return canvas.picture(f"The rate of {metric} over the score, in bins of equally many rows: {errors}.")


def band_matrix(bands: BandMatrix, shadow: ShadowReport) -> Picture:
    """Rows by both scores' bands: each cell's count and its share of the primary's band."""
    counts = np.array(bands.counts, np.float64)
    whole = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with Canvas(width=1.9 + 0.95 * counts.shape[1], height=1.4 + 0.55 * counts.shape[0]) as canvas:
        axes = canvas.axes[0]
        _heat(axes, counts, counts / whole)
        axes.set_xticks(range(counts.shape[1]), bands.shadow_bands)
        axes.set_yticks(range(counts.shape[0]), bands.primary_bands)
        axes.set(xlabel=f"band by {shadow.shadow} (shadow)", ylabel=f"band by {shadow.primary}", title="Bands")
        return canvas.picture(
            f"Rows by the band of {shadow.primary} (rows) and of {shadow.shadow} (columns), and each cell's share of "
            "its row."
        )


def swap_set(swap: SwapTable, shadow: ShadowReport) -> Picture:
    """Rows by the side of one cut-off that each score puts them on."""
    counts = np.zeros((2, 2))
    for row, column, name in _CELLS:
        counts[row, column] = getattr(swap, name)
    with Canvas(width=4.2, height=2.6) as canvas:
        axes = canvas.axes[0]
        _heat(axes, counts, counts / max(counts.sum(), 1))
        axes.set_xticks((0, 1), (f"below {swap.shadow_cut:.4g}", "above"))
        axes.set_yticks((0, 1), (f"below {swap.primary_cut:.4g}", "above"))
        axes.set(xlabel=f"by {shadow.shadow} (shadow)", ylabel=f"by {shadow.primary}", title=f"Swap set: {swap.name}")
        return canvas.picture(
            f"Swap set at {swap.name}: {swap.swapped_in:,} rows are above by {shadow.shadow} only, "
            f"{swap.swapped_out:,} by {shadow.primary} only; both put {swap.both_above:,} above and "
            f"{swap.both_below:,} below."
        )


def _differences(shadow: ShadowReport) -> Picture:
    found = shadow.differences
    with Canvas(height=2.6) as canvas:
        axes = canvas.axes[0]
        axes.stairs(_density(found), found.edges, fill=True, color=COLOURS[0], alpha=0.5)
        axes.axvline(0, color="black", linewidth=1)
        axes.axvline(found.mean, color=COLOURS[1], linewidth=1.5, linestyle="--", label=f"mean {found.mean:.4g}")
        title = f"{shadow.shadow} (shadow) less {shadow.primary}, row by row"
        axes.set(xlabel="difference of scores", ylabel="density", title=title)
        axes.legend(loc="best")
        return canvas.picture(f"{title}: mean {found.mean:.4g} over {found.count:,} rows.")


def _heat(axes: Any, counts: Any, shares: Any) -> None:
    """A heat map of shares, with the counts written in; cells with equal bands or sides have a frame."""
    edges = [np.arange(size + 1) - 0.5 for size in (shares.shape[1], shares.shape[0])]
    axes.pcolormesh(*edges, shares, cmap="Blues", vmin=0, vmax=1.3, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for (row, column), count in np.ndenumerate(counts):
        text = f"{count:,.0f}\n{shares[row, column]:.1%}"
        ink = "white" if shares[row, column] > 0.75 else "black"
        weight = "bold" if row == column else "normal"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=9, fontweight=weight)


def _density(found: Distribution) -> Any:
    """Shares of the counted rows over the widths of the bins; a bin without width has none."""
    counts, widths = np.asarray(found.counts, np.float64), np.diff(found.edges)
    return np.divide(counts, max(counts.sum(), 1) * widths, out=np.zeros_like(counts), where=widths > 0)
