"""Prints the report of a replay."""

from collections.abc import Sequence
from pathlib import Path

import click

from scoreline.cli.output import print_table
from scoreline_server.analysis.replay.report import Change, ReplayReport


def print_report(report: ReplayReport, out: Path | None) -> None:
    """Prints a report as tables; ``out`` is the file that has the rows."""
    click.echo(f"{report.replayed:,} of {report.rows:,} rows scored again, {report.mode}")
    for reason, count in report.not_replayed.items():
        click.echo(f"not scored again: {count:,} rows, {reason}")
    if report.replayed:
        _print_scores(report)
        _print_arms(report)
        _print_changes("ERROR", report.errors)
        _print_changes("ASSIGNED ARM", report.assigned)
        _print_changes("BAND", report.bands)
        _print_flips(report)
        _print_most(report)
        _print_runtimes(report)
    if out is not None:
        click.echo(f"every row is in {out}")
    click.echo(_verdict(report))


def _print_scores(report: ReplayReport) -> None:
    scores = report.scores
    click.echo(f"{scores.equal:,} of {scores.rows:,} scores are equal bit for bit")
    if scores.equal == scores.rows:
        return
    click.echo(
        f"replayed minus journaled: mean {scores.mean:.3g}, mean absolute {scores.mean_absolute:.3g}, "
        f"largest {scores.largest:.3g}"
    )
    if scores.sampled < scores.rows:
        click.echo(f"quantiles of a sample of {scores.sampled:,} differences")
    _print(("QUANTILE", *(f"{level:g}" for level in scores.quantiles)), [("", *scores.quantiles.values())])


def _print_arms(report: ReplayReport) -> None:
    columns = ("ROUTE", "REVISION", "ARM", "VERSION", "ROWS", "EQUAL", "LARGEST", "NOT SCORED AGAIN")
    rows = [
        (arm.route, arm.revision, arm.arm, f"{arm.model}@{arm.version}", arm.rows, arm.equal, arm.largest,
         arm.not_replayed)
        for arm in report.arms
    ]  # fmt: skip
    _print(columns, rows)


def _print_changes(what: str, changes: Sequence[Change]) -> None:
    if changes:
        _print((what, "REPLAYED", "ROWS"), [(each.before or "-", each.after or "-", each.rows) for each in changes])


def _print_flips(report: ReplayReport) -> None:
    flips = [each for each in report.flips if each.up or each.down]
    columns = ("CUT-OFF", "BAND FROM IT", "VERSION", "ROWS", "UP", "DOWN")
    if flips:
        _print(columns, [(f.cut, f.band, f"{f.model}@{f.version}", f.rows, f.up, f.down) for f in flips])


def _print_most(report: ReplayReport) -> None:
    columns = ("PREDICTION", "ENTITY", "REVISION", "ARM", "REPLAYED BY", "SCORE", "REPLAYED")
    rows = [
        (row.prediction_id, row.entity_id, row.revision, row.arm, row.replayed_arm, f"{row.score:.9g}",
         f"{row.replayed_score:.9g}")
        for row in report.most
    ]  # fmt: skip
    if rows:
        _print(columns, rows)


def _print_runtimes(report: ReplayReport) -> None:
    click.echo()
    for each in report.runtimes:
        where = "this build on this host" if each.is_this else "another build or host"
        allowed = f"differences up to {each.allowed:g} are allowed" if each.allowed else "scores must be equal"
        click.echo(
            f"{each.rows:,} rows scored by ONNX Runtime {each.onnxruntime} on {each.host}, {where}"
            + ("" if report.beyond is None else f": {allowed}")
        )
    if not all(each.is_this for each in report.runtimes):
        click.echo(f"scored again by ONNX Runtime {report.onnxruntime} on {report.host}")


def _verdict(report: ReplayReport) -> str:
    if not report.rows:
        return "no row was selected: look at --route, --since and --until"
    if not report.replayed:
        return "no row could be scored again"
    if report.beyond is None:
        return "the rows may differ: they were not scored as they were decided"
    if report.beyond:
        return f"{report.beyond:,} rows differ by more than is allowed"
    return "no row differs by more than is allowed"


def _print(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    click.echo()
    print_table(columns, rows)
