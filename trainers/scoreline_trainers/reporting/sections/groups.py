"""The score by segment, over time, by group of people, and how early it warns."""

from collections.abc import Sequence
from functools import partial

from scoreline_trainers.evaluation.document import Evaluation, FairnessTable, GroupFigures, LeadTime
from scoreline_trainers.reporting.blocks import Block, Bullets, Pictures, Section, Table, Text
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.pictures import groups as pictures
from scoreline_trainers.reporting.text import interval, metrics_in_order, number, percent


def segments(report: VersionReport) -> Section:
    """A table and a picture per column that the recipe names."""
    found = _evaluation(report)
    blocks: list[Block] = []
    for column, groups in found.by_segment.items() if found is not None else ():
        blocks.append(_figures(f"By {column}", groups, found))
        blocks.append(Pictures((partial(pictures.calibration_by_group, column, groups),)))
    return Section("Segments", tuple(blocks))


def over_time(report: VersionReport) -> Section:
    """A table and pictures of the periods."""
    found = _evaluation(report)
    if found is None or found.over_time is None or not found.over_time.periods:
        return Section("Over time", ())
    time = found.over_time
    drawings = [partial(pictures.rates_over_time, time)]
    drawings += [partial(pictures.metric_over_time, time, name) for name in ("auc", "r2") if _has(time.periods, name)]
    table = _figures(f"By {time.period} of {time.column}", time.periods, found)
    return Section("Over time", (Pictures(tuple(drawings)), table))


def fairness(report: VersionReport) -> Section:
    """The groups of each column side by side, and what differs."""
    found = _evaluation(report)
    blocks: list[Block] = []
    for table in found.fairness.values() if found is not None else ():
        blocks += _fairness(table)
    return Section("Fairness", tuple(blocks))


def lead_time(report: VersionReport) -> Section:
    """How long before the event the score passes a cut, by the rate of false alarms."""
    found = _evaluation(report)
    if found is None or not found.lead_time:
        return Section("Lead time", ())
    table = Table(
        "Warnings before the event",
        (
            "false alarms",
            "cut",
            "entities with the event",
            "warned",
            "median lead",
            "quartiles",
            "mean",
            "alerted at any step",
            "median first alert",
        ),
        tuple(_lead(each) for each in found.lead_time),
    )
    return Section("Lead time", (table, Pictures((partial(pictures.lead_times, found.lead_time),))))


def _evaluation(report: VersionReport) -> Evaluation | None:
    return report.run.evaluation if report.run is not None else None


def _has(groups: Sequence[GroupFigures], metric: str) -> bool:
    return any(metric in group.metrics for group in groups)


def _figures(title: str, groups: Sequence[GroupFigures], found: Evaluation | None) -> Table:
    names = metrics_in_order(name for group in groups for name in group.metrics)
    amounts = found is not None and found.task == "regression"
    rows = tuple(
        (
            group.name,
            f"{group.rows:,}",
            interval(group.rate, as_percent=not amounts),
            number(group.mean_score) if amounts else percent(group.mean_score),
            *(interval(group.metrics.get(name)) for name in names),
            group.note,
        )
        for group in groups
    )
    outcome = "mean outcome" if amounts else "rate of label 1"
    return Table(title, ("", "rows", outcome, "mean score", *names, "note"), rows, detail=True)


def _fairness(table: FairnessTable) -> list[Block]:
    text = (
        f"Column {table.column!r}: rows {table.favorable} a score of {table.cut:.4g} are decided in the person's "
        f"favor. Groups are compared with {table.reference!r}, the largest."
    )
    if table.selection_ratio is not None:
        text += f" The lowest share of favorable decisions is {table.selection_ratio:.2f} of the highest."
    columns = (
        "group", "rows", "rate of label 1", "favorable", "ratio", "true positive rate", "false positive rate",
        "precision", "calibration", "AUC", "note",
    )  # fmt: skip
    rows = tuple(
        (
            group.name,
            f"{group.rows:,}",
            interval(group.rate, as_percent=True),
            interval(group.selected, as_percent=True),
            interval(group.ratio),
            *(
                interval(figure, as_percent=True)
                for figure in (group.true_positive_rate, group.false_positive_rate, group.precision, group.calibration)
            ),
            interval(group.auc),
            group.note,
        )
        for group in table.groups
    )
    flags: list[Block] = [Bullets(table.flags)] if table.flags else []
    shown = Table(f"Groups of {table.column}", columns, rows)
    return [Text(text), *flags, shown, Pictures((partial(pictures.selected_by_group, table),))]


def _lead(found: LeadTime) -> tuple[str, ...]:
    unit = found.unit
    quartiles = "-"
    if found.lower_quartile is not None and found.upper_quartile is not None:
        quartiles = f"{found.lower_quartile:g} to {found.upper_quartile:g} {unit}"
    return (
        percent(found.false_alarm_rate),
        f"{found.cut:.4g}",
        f"{found.entities:,}",
        interval(found.warned, as_percent=True),
        "-" if found.median is None else f"{found.median.value:g} {unit}",
        quartiles,
        "-" if found.mean is None else f"{found.mean:.1f} {unit}",
        interval(found.alerted, as_percent=True),
        "-" if found.first_alert is None else f"{found.first_alert.value:g} {unit}",
    )
