"""The value of a policy that never ran, as JSON and as tables."""

from collections.abc import Iterator
from typing import Any

from scoreline_registry.statistics.figures import Estimate
from scoreline_server.analysis.decisions.report import money
from scoreline_server.analysis.decisions.value import ValueReport
from scoreline_server.analysis.report.document import plain
from scoreline_server.analysis.report.text import Table, figure_text

SCHEMA_VERSION = 1


def value_document(report: ValueReport) -> dict[str, Any]:
    """The report as JSON has it: None for what is not finite, figures with their ``kind``."""
    made: dict[str, Any] = plain(report)
    return {"schema_version": SCHEMA_VERSION, **made, "left_out": dict(report.left_out)}


def value_tables(report: ValueReport) -> Iterator[Table]:
    """The tables of a report, in the order of reading."""
    yield Table(f"decisions of policy {report.policy}", ("decisions", "count"), tuple(_counts(report)))
    rows = tuple((each.estimator, figure_text(each.value), figure_text(each.gain)) for each in report.values)
    title = f"{report.outcome} less cost, per decision"
    yield Table(title, ("estimate", "value", "gain"), (("what was decided", figure_text(report.logged), ""), *rows))
    shares = tuple((each.action, f"{each.logged:.2%}", f"{each.target:.2%}") for each in report.actions)
    costs = ("cost per decision", money(report.cost_logged), money(report.cost_target))
    yield Table("actions", ("action", "decided", "by the file"), (*shares, costs))


def _counts(report: ValueReport) -> Iterator[tuple[str, str]]:
    yield "read", f"{report.cases:,}"
    for why, count in report.left_out:
        yield f"left out: {why}", f"{count:,}"
    yield "evaluated", f"{report.used:,}"
    yield "effective", f"{report.effective:,.0f}"
    yield "largest weight", f"{report.largest_weight:.3g}"
    if isinstance(report.mean_weight, Estimate):
        yield "mean weight", figure_text(report.mean_weight)
    yield "made again by their own policy", f"{report.reproduced:.1%}"
