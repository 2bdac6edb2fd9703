"""The picture of a route's shares over time, with the revisions that changed them."""

from collections.abc import Iterator

from scoreline_registry.pictures.drawing import COLOURS, Canvas, Picture, on_dates, times
from scoreline_server.analysis.report.comparison import Comparison

HATCHES = ("", "//", "..", "xx", "\\\\", "++")
MAX_MARKS = 12
_WHOLE = 1_000_000


def ramp_pictures(comparison: Comparison) -> Iterator[Picture]:
    """The shares in force over time; none where they never changed and no revision did."""
    if len(comparison.share_periods) > 1:
        yield share_timeline(comparison)


def share_timeline(comparison: Comparison) -> Picture:
    """Shares stacked over time, with a line for each revision that changed the route."""
    periods = sorted(comparison.share_periods, key=lambda period: period.since)
    arms = list(dict.fromkeys(arm for period in periods for arm, _ in period.shares))
    starts = [period.since for period in periods]
    # A period lasts until the next one begins: a share stays in force also while no rows come.
    edges = times([*starts, max(periods[-1].until, starts[-1] + 1)])
    with Canvas() as canvas:
        axes, below = canvas.axes[0], [0.0] * (len(periods) + 1)
        for place, arm in enumerate(arms):
            shares = [100 * dict(period.shares).get(arm, 0) / _WHOLE for period in periods]
            top = [low + share for low, share in zip(below, [*shares, shares[-1]], strict=True)]
            axes.fill_between(
                edges, below, top, step="post", label=arm, facecolor=COLOURS[place % len(COLOURS)], alpha=0.65,
                hatch=HATCHES[place % len(HATCHES)], edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            below = top
        moves = [move for move in comparison.moves if starts[0] <= move.time <= periods[-1].until][-MAX_MARKS:]
        for move in moves:
            axes.axvline(times([move.time])[0], color="black", linewidth=0.8, linestyle=":")
            axes.text(times([move.time])[0], 101, str(move.revision), fontsize=8, ha="center", va="bottom")
        on_dates(axes)
        axes.set(ylim=(0, 100), ylabel="share in %")
        axes.set_title("Shares over time, with the revisions that changed the route", pad=14)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        story = ", ".join(f"revision {move.revision}" for move in moves)
        return canvas.picture(
            f"The shares of {', '.join(arms)} in {len(periods)} periods of equal shares"
            + (f"; the route was changed by {story}." if story else ".")
        )
