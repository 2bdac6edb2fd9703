"""Pictures of groups of rows: segments, periods of time, folds, groups of people, and lead times."""

from collections.abc import Sequence

from scoreline_registry.pictures.drawing import COLOURS, GREY, Picture, pens
from scoreline_trainers.evaluation.document import FairnessTable, FoldFigures, GroupFigures, LeadTime, OverTime
from scoreline_trainers.reporting.pictures import canvas
from scoreline_trainers.reporting.text import number, percent

MAX_GROUPS = 20
MAX_TICKS = 8
FOUR_FIFTHS = 0.8


def calibration_by_group(column: str, groups: Sequence[GroupFigures]) -> Picture:
    """The observed rate of each group with its interval, beside its mean score."""
    drawn = [group for group in groups if group.rate is not None][:MAX_GROUPS]
    with canvas(height=1.2 + 0.28 * max(len(drawn), 1)) as page:
        axes = page.axes[0]
        for place, group in enumerate(drawn):
            rate = group.rate
            if rate is not None and rate.low is not None and rate.high is not None:
                axes.plot([rate.low, rate.high], [place, place], color=COLOURS[0], linewidth=2)
        axes.plot(
            [group.rate.value for group in drawn if group.rate is not None], range(len(drawn)), linestyle="",
            color=COLOURS[0], marker="o", label="observed",
        )  # fmt: skip
        scored = [(group.mean_score, place) for place, group in enumerate(drawn) if group.mean_score is not None]
        axes.plot(
            [score for score, _ in scored], [place for _, place in scored], linestyle="", color=COLOURS[1], marker="D",
            markersize=5, label="mean score",
        )  # fmt: skip
        axes.set_yticks(range(len(drawn)), [_short(group.name) for group in drawn])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set_title(f"By {_short(column)}")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
        left = len(groups) - len(drawn)
        rest = f" {left} groups are not drawn." if left else ""
        return page.picture(f"By {column}: what was observed, with 95 % intervals, beside the mean score.{rest}")


def rates_over_time(found: OverTime) -> Picture:
    """What was observed in each period, with intervals, and the mean score."""
    periods = [period for period in found.periods if period.rate is not None]
    places = range(len(periods))
    rates = [period.rate for period in periods if period.rate is not None]
    with canvas() as page:
        axes = page.axes[0]
        axes.fill_between(
            places,
            [each.value if each.low is None else each.low for each in rates],
            [each.value if each.high is None else each.high for each in rates],
            color=COLOURS[0],
            alpha=0.2,
            linewidth=0,
        )
        axes.plot(places, [each.value for each in rates], color=COLOURS[0], marker="o", markersize=4, label="observed")
        scores = [float("nan") if period.mean_score is None else period.mean_score for period in periods]
        axes.plot(places, scores, color=COLOURS[1], linestyle="--", marker="D", markersize=4, label="mean score")
        _ticks(axes, [period.name for period in periods])
        axes.set_title(f"Outcome and score by {found.period}")
        axes.legend(loc="best")
        return page.picture(f"What was observed and the mean score, by {found.period} of {found.column}.")


def metric_over_time(found: OverTime, metric: str) -> Picture:
    """A metric of each period with its interval."""
    periods = [(period.name, period.metrics[metric]) for period in found.periods if metric in period.metrics]
    with canvas() as page:
        axes = page.axes[0]
        for place, (_, figure) in enumerate(periods):
            if figure.low is not None and figure.high is not None:
                axes.plot([place, place], [figure.low, figure.high], color=COLOURS[0], linewidth=1.5)
        values = [figure.value for _, figure in periods]
        axes.plot(range(len(periods)), values, color=COLOURS[0], marker="o", markersize=5)
        _ticks(axes, [name for name, _ in periods])
        axes.set_title(f"{metric} by {found.period}")
        lowest = min(periods, key=lambda pair: pair[1].value)
        text = f"{metric} by {found.period}, with 95 % intervals; lowest in {lowest[0]} with {number(lowest[1].value)}."
        return page.picture(text)


def folds(found: Sequence[FoldFigures], metric: str) -> Picture:
    """A metric fold by fold, and its mean."""
    known = [(fold.fold, fold.metrics[metric]) for fold in found if metric in fold.metrics]
    mean = sum(value for _, value in known) / max(len(known), 1)
    with canvas(height=2.4) as page:
        axes = page.axes[0]
        axes.axhline(mean, color=GREY, linewidth=1, linestyle="--", label="mean")
        axes.plot(
            range(len(known)), [value for _, value in known], linestyle="", color=COLOURS[0], marker="o", label="fold"
        )
        _ticks(axes, [str(fold) for fold, _ in known])
        axes.set(xlabel="fold", title=f"{metric} by fold")
        axes.legend(loc="best")
        return page.picture(f"{metric} in each of {len(known)} folds; the mean is {number(mean)}.")


def selected_by_group(table: FairnessTable) -> Picture:
    """The share of favorable decisions in each group, and four fifths of the reference group's share."""
    drawn = [group for group in table.groups if group.selected is not None][:MAX_GROUPS]
    reference = next((group.selected for group in drawn if group.name == table.reference), None)
    with canvas(height=1.2 + 0.28 * max(len(drawn), 1)) as page:
        axes = page.axes[0]
        for place, group in enumerate(drawn):
            share = group.selected
            if share is not None:
                low, high = (share.value if end is None else end for end in (share.low, share.high))
                axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=2)
                axes.plot([share.value], [place], color=COLOURS[0], marker="o")
        if reference is not None:
            limit = FOUR_FIFTHS * reference.value
            axes.axvline(
                limit, color=COLOURS[1], linewidth=1.5, linestyle="--", label="four fifths of the largest group"
            )
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12))
        axes.set_yticks(range(len(drawn)), [_short(group.name) for group in drawn])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set_title(f"Favorable decisions by {_short(table.column)}")
        shares = "; ".join(f"{group.name} {percent(group.selected.value)}" for group in drawn if group.selected)
        return page.picture(f"The share of favorable decisions by {table.column}, with 95 % intervals: {shares}.")


def lead_times(found: Sequence[LeadTime]) -> Picture:
    """The share of entities with the event that were warned at least so long before."""
    with canvas() as page:
        axes = page.axes[0]
        for each, pen in zip(found, pens(), strict=False):
            leads = sorted(each.shares)
            axes.plot(
                leads, [each.shares[lead] for lead in leads], color=pen.colour, linestyle=pen.dashes,
                label=f"{percent(each.false_alarm_rate)} false alarms",
            )  # fmt: skip
        unit = found[0].unit
        axes.set(
            xlabel=f"{unit} before the event", ylabel="share warned", title="How early the score warns", ylim=(0, 1)
        )
        axes.legend(loc="best")
        return page.picture(f"The share of entities with the event that were warned at least so many {unit} before.")


def _ticks(axes: object, names: Sequence[str]) -> None:
    """Names below the x axis, at most some of them."""
    step = max(1, -(-len(names) // MAX_TICKS))
    places = range(0, len(names), step)
    axes.set_xticks(list(places), [names[place] for place in places])  # type: ignore[attr-defined]


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
