"""Pictures of an explanation: ranking, summary, dependence and the contributions of single rows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scoreline_registry.pictures.drawing import COLOURS, GREY, Picture
from scoreline_trainers.explanation.document import Dependence, Explanation, SourceValue, SummaryRow, Waterfall
from scoreline_trainers.reporting.pictures import canvas
from scoreline_trainers.reporting.text import number, percent, short

MAX_RANKED = 15
MAX_POINTS = 120
MAX_CATEGORIES = 10
MAX_CONTRIBUTIONS = 10

_SHADES = ("#2166ac", "#67a9cf", "#bdbdbd", "#ef8a62", "#b2182b")
"""From low values to high ones: blue to red, which differ in lightness from the middle too."""


def ranking(found: Explanation) -> Picture:
    """The mean absolute contribution of the first inputs, with intervals."""
    drawn = found.ranking[:MAX_RANKED]
    with canvas(height=1.0 + 0.26 * len(drawn)) as page:
        axes = page.axes[0]
        axes.barh(range(len(drawn)), [each.importance for each in drawn], color=COLOURS[0], height=0.65)
        for place, each in enumerate(drawn):
            if each.low is not None and each.high is not None:
                axes.plot([each.low, each.high], [place, place], color="black", linewidth=1.2)
        axes.set_yticks(range(len(drawn)), [_short(each.name) for each in drawn])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set(xlabel=f"mean absolute contribution, {found.link}", title="What the score depends on")
        first = drawn[0]
        return page.picture(
            f"Mean absolute contributions of {len(drawn)} inputs with 95 % intervals; the first is {first.name} with "
            f"{percent(first.share)} of all."
        )


def summary(rows: Sequence[SummaryRow], link: str) -> Picture:
    """The contributions of each input as a swarm of rows, coloured by whether its value is low or high."""
    drawn = rows[:MAX_RANKED]
    with canvas(height=1.3 + 0.3 * len(drawn)) as page:
        axes = page.axes[0]
        for place, row in enumerate(drawn):
            _swarm(axes, row, place)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(drawn)), [_short(row.name) for row in drawn])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set(xlabel=f"contribution, {link}", title="Contributions of rows")
        return page.picture(
            f"Contributions of {len(drawn)} inputs in {len(drawn[0].contributions[:MAX_POINTS])} rows; each point is a "
            "row, blue for a low value of the input and red for a high one."
        )


def dependence(found: Dependence, link: str) -> Picture:
    """The contributions of one input over its values."""
    contributions = np.array(found.contributions)
    numeric = all(value is None or isinstance(value, int | float) for value in found.values)
    with canvas(height=2.6) as page:
        axes = page.axes[0]
        if numeric:
            known = [value is not None for value in found.values]
            values = [value for value in found.values if value is not None]
            axes.plot(values, contributions[known], linestyle="", marker="o", markersize=3, color=COLOURS[0], alpha=0.6)
            axes.locator_params(axis="x", nbins=5)
        else:
            _by_name(axes, found.values, contributions)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set(ylabel=f"contribution, {link}", title=_short(found.name))
        low, high = float(contributions.min()), float(contributions.max())
        return page.picture(f"The contribution of {found.name} over its value, from {number(low)} to {number(high)}.")


def waterfall(found: Waterfall, link: str) -> Picture:
    """How the contributions of one row add up from the base to its margin."""
    shown = list(found.contributions[:MAX_CONTRIBUTIONS])
    rest = found.others + sum(each.contribution for each in found.contributions[MAX_CONTRIBUTIONS:])
    steps = [(_named(each.name, each.value), each.contribution) for each in shown]
    steps += [("all others", rest)] if abs(rest) > 1e-12 else []
    ends = found.base + np.cumsum([value for _, value in steps])
    starts = np.concatenate([[found.base], ends[:-1]])
    with canvas(height=1.2 + 0.27 * len(steps)) as page:
        axes = page.axes[0]
        for place, ((_, value), start, end) in enumerate(zip(steps, starts, ends, strict=True)):
            colour = COLOURS[1] if value > 0 else COLOURS[0]
            axes.barh(place, end - start, left=start, color=colour, height=0.65, hatch="//" if value > 0 else None,
                      edgecolor="white")  # fmt: skip
            axes.text(max(start, end), place, f" {value:+.3g}", va="center", fontsize=8)
        axes.axvline(found.base, color=GREY, linewidth=1, linestyle=":")
        axes.set_yticks(range(len(steps)), [name for name, _ in steps])
        axes.set_ylim(len(steps) - 0.5, -0.5)
        axes.margins(x=0.18)
        axes.set(xlabel=link, title=f"{_capital(found.title)}: {short(found.score)}")
        parts = "; ".join(f"{name} {value:+.3g}" for name, value in steps)
        return page.picture(
            f"{_capital(found.title)}, a score of {short(found.score)}: from the base {number(found.base)} to "
            f"{number(found.margin)} by {parts}."
        )


def _swarm(axes: object, row: SummaryRow, place: int) -> None:
    """The points of one input, spread where many are near each other."""
    values = np.array(row.contributions[:MAX_POINTS], np.float64)
    ranks = np.array([np.nan if rank is None else rank for rank in row.ranks[:MAX_POINTS]], np.float64)
    heights = place + _spread(values)
    shades = np.where(
        np.isnan(ranks), -1, np.minimum((np.nan_to_num(ranks) * len(_SHADES)).astype(int), len(_SHADES) - 1)
    )
    for shade, colour in ((-1, GREY), *enumerate(_SHADES)):
        chosen = shades == shade
        if chosen.any():
            axes.plot(  # type: ignore[attr-defined]
                values[chosen], heights[chosen], linestyle="", marker="o", markersize=2.6, color=colour
            )


def _spread(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Heights between -0.35 and 0.35: points in the same fiftieth of the range alternate around the middle."""
    if not len(values) or not np.ptp(values):
        return np.zeros(len(values))
    bins = ((values - values.min()) / np.ptp(values) * 50).astype(int)
    order = np.argsort(bins, kind="stable")
    first = np.searchsorted(bins[order], bins[order])
    place = np.arange(len(values)) - first
    heights = np.zeros(len(values))
    heights[order] = np.where(place % 2 == 0, 1, -1) * ((place + 1) // 2)
    return np.asarray(0.35 * heights / max(np.abs(heights).max(), 6))


def _by_name(axes: object, values: Sequence[SourceValue], contributions: npt.NDArray[np.float64]) -> None:
    """The mean contribution of the most frequent names, with the range of most rows."""
    names = np.array(["(missing)" if value is None else str(value) for value in values])
    unique, counts = np.unique(names, return_counts=True)
    shown = unique[np.argsort(-counts, kind="stable")][:MAX_CATEGORIES]
    for place, name in enumerate(shown):
        found = contributions[names == name]
        low, high = np.quantile(found, (0.05, 0.95))
        axes.plot([place, place], [low, high], color=COLOURS[0], linewidth=2)  # type: ignore[attr-defined]
        axes.plot([place], [found.mean()], color=COLOURS[0], marker="o")  # type: ignore[attr-defined]
    axes.set_xticks(range(len(shown)), [_short(name, 12) for name in shown], rotation=45, ha="right")  # type: ignore[attr-defined]


def _named(name: str, value: SourceValue) -> str:
    if value is None:
        return _short(name)
    return _short(f"{name} = {short(value) if isinstance(value, int | float) else value}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
