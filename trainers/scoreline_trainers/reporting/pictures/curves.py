"""Curves of a score: ROC, precision and recall, calibration, gain, lift, profit, and a confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scoreline_registry.pictures.drawing import COLOURS, GREY, Picture
from scoreline_trainers.evaluation.document import BestCut, Calibration, Curve, Decile, Interval
from scoreline_trainers.reporting.pictures import canvas
from scoreline_trainers.reporting.text import interval, number, percent

MAX_CLASSES = 12


def roc(curve: Curve, auc: Interval | None) -> Picture:
    """The true positive rate over the false positive rate."""
    area = "" if auc is None else f" The area below it is {interval(auc)}."
    with canvas() as drawn:
        axes = drawn.axes[0]
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="chance")
        axes.plot(curve.x, curve.y, color=COLOURS[0], linewidth=1.8, label="score")
        axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC curve")
        axes.legend(loc="lower right")
        return drawn.picture(f"ROC curve: the true positive rate over the false positive rate.{area}")


def precision_recall(curve: Curve, average: Interval | None, rate: float | None) -> Picture:
    """Precision over recall, beside the rate of positives, which is the precision of chance."""
    with canvas() as drawn:
        axes = drawn.axes[0]
        if rate is not None:
            axes.axhline(rate, color=GREY, linewidth=1, linestyle=":", label="chance")
        axes.plot(curve.x, curve.y, color=COLOURS[0], linewidth=1.8, label="score")
        axes.set(xlabel="recall", ylabel="precision", title="Precision and recall", ylim=(0, 1.03))
        axes.legend(loc="best")
        shown = "" if average is None else f" The average precision is {interval(average)}."
        chance = "" if rate is None else f" Chance has a precision of {percent(rate)}."
        return drawn.picture(f"Precision over recall.{shown}{chance}")


def calibration(found: Calibration, *, amounts: bool = False) -> Picture:
    """The observed rate, or mean outcome, of each bin over its mean score, with intervals."""
    scores = [each.score for each in found.bins]
    observed = [each.observed for each in found.bins]
    values = [each.value for each in observed]
    lows = [each.value if each.low is None else each.low for each in observed]
    highs = [each.value if each.high is None else each.high for each in observed]
    what = "mean outcome" if amounts else "rate of label 1"
    ends = min(*scores, *lows, 0.0), max(*scores, *highs)
    with canvas() as drawn:
        axes = drawn.axes[0]
        axes.plot(ends, ends, color=GREY, linewidth=1, linestyle=":", label="calibrated")
        axes.vlines(scores, lows, highs, color=COLOURS[0], linewidth=1)
        axes.plot(scores, values, color=COLOURS[0], marker="o", markersize=4, linewidth=1.2, label="score")
        axes.set(xlabel="mean score of a bin", ylabel=what, title="Calibration")
        axes.legend(loc="upper left")
        worst = max(zip(scores, values, strict=True), key=lambda pair: abs(pair[1] - pair[0]))
        return drawn.picture(
            f"Calibration: the {what} over the mean score, in {len(scores)} bins of equally many rows with 95 % "
            f"intervals. The widest gap is at a mean score of {number(worst[0])}, where it is {number(worst[1])}."
        )


def gain(deciles: Sequence[Decile]) -> Picture:
    """The share of all positives among the rows with the highest scores."""
    rows = np.cumsum([0, *(each.rows for each in deciles)])
    shares = rows / max(rows[-1], 1)
    gains = [0.0, *(each.gain for each in deciles)]
    with canvas() as drawn:
        axes = drawn.axes[0]
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="chance")
        axes.plot(shares, gains, color=COLOURS[0], marker="o", markersize=4, linewidth=1.6, label="score")
        axes.set(xlabel="share of rows, highest scores first", ylabel="share of all positives", title="Gain")
        axes.legend(loc="lower right")
        first = deciles[0]
        return drawn.picture(f"Gain: the tenth with the highest scores holds {percent(first.gain)} of all positives.")


def lift(deciles: Sequence[Decile]) -> Picture:
    """The rate of each tenth over the rate of all rows."""
    with canvas() as drawn:
        axes = drawn.axes[0]
        axes.bar([each.number for each in deciles], [each.lift for each in deciles], color=COLOURS[0], width=0.7)
        axes.axhline(1, color=GREY, linewidth=1, linestyle=":")
        axes.set_xticks([each.number for each in deciles])
        axes.set(xlabel="tenth of the rows, highest scores first", ylabel="lift", title="Lift")
        return drawn.picture(
            f"Lift: the rate of label 1 in each tenth over that of all rows, from {deciles[0].lift:.2f} in the first "
            f"to {deciles[-1].lift:.2f} in the last."
        )


def profit(best: BestCut) -> Picture:
    """The mean profit of a row over the cut, with the best cut marked."""
    with canvas() as drawn:
        axes = drawn.axes[0]
        axes.axhline(best.select_all, color=GREY, linewidth=1, linestyle=":", label="select all")
        axes.axhline(best.select_none, color=GREY, linewidth=1, linestyle="--", label="select none")
        axes.plot(best.curve.x, best.curve.y, color=COLOURS[0], linewidth=1.8, label="by score")
        axes.plot([best.cut.score], [best.profit.value], color=COLOURS[1], marker="D", markersize=6, label="best cut")
        axes.set(xlabel="cut", ylabel="profit per row", title="Profit by cut")
        axes.legend(loc="best")
        return drawn.picture(
            f"The profit per row by cut: highest at {best.cut.score:.4g} with {interval(best.profit)}; to select all "
            f"rows gives {number(best.select_all)}, none {number(best.select_none)}."
        )


def confusion(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Picture:
    """Rows by true class (rows) and by the most probable one (columns); at most the first classes."""
    table = np.array(counts, np.float64)[:MAX_CLASSES, :MAX_CLASSES]
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    labels = [name[:16] for name in names[: len(table)]] or [str(place) for place in range(len(table))]
    with canvas(height=1.5 + 0.34 * len(table)) as drawn:
        axes = drawn.axes[0]
        _heat(axes, table, shares)
        axes.set_xticks(range(len(table)), labels, rotation=45, ha="right")
        axes.set_yticks(range(len(table)), labels)
        axes.set(xlabel="most probable class", ylabel="true class", title="Confusion")
        right = float(np.trace(table) / max(table.sum(), 1))
        return drawn.picture(f"Rows by true class and by the most probable one; {percent(right)} are right.")


def _heat(axes: Any, counts: Any, shares: Any) -> None:
    edges = np.arange(len(counts) + 1) - 0.5
    axes.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0, vmax=1.3, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for (row, column), count in np.ndenumerate(counts):
        ink = "white" if shares[row, column] > 0.75 else "black"
        axes.text(column, row, f"{count:,.0f}", ha="center", va="center", color=ink, fontsize=8)
