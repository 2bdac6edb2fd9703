"""Pictures of effects: over time with the always-valid interval, all side by side, and by segment."""

import math
from collections.abc import Iterator, Sequence

from scoreline_registry.pictures.drawing import COLOURS, GREY, Canvas, Picture, on_dates, times
from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_server.analysis.report.comparison import Comparison, Effect
from scoreline_server.analysis.report.text import level_text

MAX_OVER_TIME = 8
MAX_ROWS = 24
"""Bars of one picture."""


def effect_pictures(comparison: Comparison) -> Iterator[Picture]:
    """The pictures of all effects of a comparison that have an interval."""
    watched = sorted((effect for effect in comparison.effects if len(effect.looks) > 1), key=_order)
    for effect in watched[:MAX_OVER_TIME]:
        yield over_time(effect, comparison.plan.minimum_effect if effect.is_primary else 0.0)
    relative = [(f"{effect.metric}, {effect.arm}", effect.relative_sequential) for effect in comparison.effects]
    if len(relative) > 1 and (picture := bars(relative, f"relative effect against {comparison.baseline}", 100)):
        yield picture


def segment_pictures(comparison: Comparison) -> Iterator[Picture]:
    """For each arm, the primary effect in each segment."""
    found: dict[tuple[str, str], list[tuple[str, Figure]]] = {}
    for segment in comparison.segments:
        for effect in segment.effects:
            if effect.is_primary:
                found.setdefault((effect.metric, effect.arm), []).append(
                    (f"{segment.by} {level_text(segment.level)}", effect.sequential)
                )
    for (metric, arm), rows in found.items():
        picture = bars(rows, f"effect on {metric} of {arm} by segment", 1)
        if picture is not None:
            yield picture


def over_time(effect: Effect, minimum: float) -> Picture:
    """One effect at each look with its always-valid interval, 0, and the smallest effect that matters."""
    colour, name = COLOURS[0], f"{effect.metric}: {effect.arm} less {effect.baseline}"
    at = times([look.time for look in effect.looks])
    with Canvas() as canvas:
        axes = canvas.axes[0]
        lows, highs = ([getattr(look, end) for look in effect.looks] for end in ("low", "high"))
        axes.fill_between(at, lows, highs, color=colour, alpha=0.2, linewidth=0, label="always-valid interval")
        for edge in (lows, highs):
            axes.plot(at, edge, color=colour, linewidth=0.8)
        axes.plot(at, [look.value for look in effect.looks], color=colour, marker="o", markersize=3, label="effect")
        axes.axhline(0, color="black", linewidth=1)
        for side in (-minimum, minimum) if minimum else ():
            label = "smallest effect that matters" if side > 0 else None
            axes.axhline(side, color=GREY, linewidth=1, linestyle="--", label=label)
        on_dates(axes)
        axes.set_title(name + (" (primary)" if effect.is_primary else ""))
        axes.set_ylabel("effect")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3)
        last = effect.looks[-1]
        return canvas.picture(
            f"{name}, at each of {len(effect.looks)} looks with its always-valid interval; at the last "
            f"{last.value:.4g} from {last.low:.4g} to {last.high:.4g}, {last.units:,} units."
        )


def bars(rows: Sequence[tuple[str, Figure]], what: str, scale: float) -> Picture | None:
    """Intervals below each other, the first on top; those without finite ends are left out and counted."""
    finite = [(name, figure) for name, figure in rows if isinstance(figure, Estimate) and _finite(figure)]
    drawn = finite[:MAX_ROWS]
    if not drawn:
        return None
    unit = "%" if scale == 100 else ""
    with Canvas(height=1.1 + 0.3 * len(drawn)) as canvas:
        axes = canvas.axes[0]
        for place, (_, figure) in enumerate(drawn):
            colour = COLOURS[0] if figure.excludes_zero else GREY
            axes.plot([scale * figure.low, scale * figure.high], [place, place], color=colour, linewidth=2)
            marker = "o" if figure.excludes_zero else "|"
            axes.plot([scale * figure.value], [place], color=colour, marker=marker, markersize=7)
        axes.axvline(0, color="black", linewidth=1)
        axes.set_yticks(range(len(drawn)), [name[:48] for name, _ in drawn])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set_title(what[0].upper() + what[1:])
        axes.set_xlabel(f"effect{' in ' + unit if unit else ''}, always-valid interval")
        left = len(rows) - len(drawn)
        return canvas.picture(
            f"The {what}, with always-valid intervals; a filled point where the interval excludes 0."
            + (f" {left} without an interval, or beyond {MAX_ROWS} rows, are left out." if left else "")
        )


def _finite(figure: Estimate) -> bool:
    return all(math.isfinite(value) for value in (figure.value, figure.low, figure.high))


def _order(effect: Effect) -> tuple[bool, str, str]:
    return not effect.is_primary, effect.metric, effect.arm
