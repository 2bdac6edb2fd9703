"""The command ``scoreline demo propensity`` and its output."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from scoreline_trainers.demo.options import json_option, keep_option, run_in_folder
from scoreline_trainers.demo.propensity.scenario import DemoReport, run_demo


@click.command(short_help="Swap a champion while customers are scored.")
@click.option("--customers", default=1000, show_default=True, type=click.IntRange(min=20), help="How many are scored.")
@click.option(
    "--rows", default=20_000, show_default=True, type=click.IntRange(min=5000), help="Customers to learn from."
)
@keep_option
@json_option
def propensity(*, customers: int, rows: int, keep: Path | None, as_json: bool) -> None:
    """Train, check, publish, route, serve, swap and score, on synthetic customers.

    Two versions of a LightGBM model and a logistic one are trained and published; a route sends 90 % of the customers
    to the LightGBM champion and 10 % to the logistic one; the champion is swapped while they are being scored.
    """
    run_in_folder(
        lambda folder, progress: run_demo(folder, customers=customers, rows=rows, progress=progress),
        show=_print,
        keep=keep,
        as_json=as_json,
    )


def _print(report: DemoReport, seconds: float, keep: Path | None) -> None:
    table = Table("family", "version", "AUC", "size", "scored", "p50", "p99", "largest diff", title="versions")
    for arm in report.arms:
        table.add_row(
            arm.family,
            str(arm.version),
            f"{arm.auc:.3f}",
            f"{arm.model_bytes / 1024:,.0f} KiB",
            str(arm.scored),
            f"{arm.p50_ms:.2f} ms",
            f"{arm.p99_ms:.2f} ms",
            f"{arm.max_difference:.1e}",
        )
    console = Console()
    console.print(table)
    calls, swap = report.calls, report.swap
    console.print("largest diff: served score to native score, over the customers that the version scored")
    console.print(f"calls: {calls.started} started, {calls.answered} answered, {calls.failed} failed")
    console.print(
        f"champion swapped from version {swap.before} to {swap.after} after {swap.after_calls} calls, "
        f"adopted in {swap.adoption_ms:.0f} ms"
    )
    console.print(f"{seconds} s in all")
    if keep is not None:
        console.print(f"the registry is in {keep}: try `scoreline history --registry {keep}`", soft_wrap=True)
    else:
        console.print("--keep FOLDER keeps the registry; docs/tutorials/quickstart.md takes the same steps by hand")
