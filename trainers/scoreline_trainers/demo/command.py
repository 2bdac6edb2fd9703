"""The command ``scoreline demo`` and its output."""

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from scoreline_trainers.demo.scenario import DemoReport, run_demo
from scoreline_trainers.progress import Bars, Lines, Progress


@click.command()
@click.option("--customers", default=1000, show_default=True, type=click.IntRange(min=20), help="How many are scored.")
@click.option(
    "--rows", default=20_000, show_default=True, type=click.IntRange(min=5000), help="Customers to learn from."
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the registry in this new folder.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def demo(*, customers: int, rows: int, keep: Path | None, as_json: bool) -> None:
    """Train, check, publish, route, serve, swap and score, on synthetic customers.

    Two versions of a LightGBM model and a logistic one are trained and published; a route sends 90 % of the customers
    to the LightGBM champion and 10 % to the logistic one; the champion is swapped while they are being scored.
    """
    if keep is not None and keep.exists():
        raise click.UsageError(f"--keep {keep}: the folder exists already; name a new one")
    started = time.monotonic()
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scoreline-demo-")))
        progress = _progress(stack, quiet=as_json)
        report = run_demo(folder, customers=customers, rows=rows, progress=progress)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        click.echo(json.dumps({**report.as_dict(), "seconds": seconds}, indent=2))
    else:
        _print(report, seconds, keep)
    if report.problems:
        raise click.ClickException("; ".join(report.problems))


def _progress(stack: ExitStack, *, quiet: bool) -> Progress:
    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        return stack.enter_context(Bars(console))
    return Lines(lambda line: click.echo(line, err=True))


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
