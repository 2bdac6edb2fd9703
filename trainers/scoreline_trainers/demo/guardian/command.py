"""The command ``scoreline demo guardian`` and its output."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from scoreline_trainers.demo.guardian.figures import GuardianReport
from scoreline_trainers.demo.guardian.scenario import run_guardian
from scoreline_trainers.demo.options import (
    json_option,
    keep_option,
    listen_option,
    print_server,
    run_in_folder,
    staying_in,
)


@click.command(short_help="Step in at impulse buys, and measure what it saves.")
@click.option("--customers", default=800, show_default=True, type=click.IntRange(min=20), help="Cardholders served.")
@click.option("--weeks", default=6, show_default=True, type=click.IntRange(1, 12), help="Weeks of purchases streamed.")
@click.option("--rows", default=800, show_default=True, type=click.IntRange(min=50), help="Cardholders to learn from.")
@keep_option
@listen_option
@json_option
def guardian(*, customers: int, weeks: int, rows: int, keep: Path | None, listen: str, as_json: bool) -> None:
    """Decide at each purchase whether to step in: pause it, send a nudge, or let it pass.

    Synthetic cardholders buy for some weeks, some of it on impulse. A model scores each purchase by its buyer's live
    profile, the packaged policy guardian decides within its limits, a control share gets no action, and outcomes say
    what each action does. With --keep the server goes on.
    """
    run_in_folder(
        lambda folder, progress: run_guardian(
            folder, customers=customers, weeks=weeks, learned=rows, staying=staying_in(keep, listen), progress=progress
        ),
        show=_print,
        keep=keep,
        as_json=as_json,
    )


def _print(report: GuardianReport, seconds: float, keep: Path | None) -> None:
    console = Console()
    found, done, money = report.detection, report.interventions, report.money
    console.print(
        f"{report.cardholders:,} cardholders, {report.weeks} weeks: {found.purchases:,} purchases, "
        f"{found.impulse_buys:,} of them on impulse"
    )
    console.print(_detection(report))
    table = Table("action", "taken", "withheld from the control", title="interventions")
    for action in sorted({*done.taken, *done.withheld}):
        table.add_row(action, str(done.taken.get(action, 0)), str(done.withheld.get(action, 0)))
    console.print(table)
    forbidden = ", ".join(f"{limit} {count}" for limit, count in done.suppressed.items()) or "none"
    console.print(f"forbidden by limits: {forbidden}")
    if report.effects:
        console.print(_effects(report))
    else:
        console.print("effects of the actions: too few cases of the control to say; take more customers or weeks")
    console.print(
        f"saved {money.saved:,.0f} EUR of {money.saved + money.regretted:,.0f} EUR that would have been regretted, "
        f"at a cost of {money.costs:,.0f} EUR: {money.saved_a_year:,.0f} EUR a year for each cardholder but the control"
    )
    console.print(f'one message: "{report.example}"', soft_wrap=True, markup=False, highlight=False)
    console.print(f"Decide with profile: p50 {report.decide_p50_ms:.1f} ms, p99 {report.decide_p99_ms:.1f} ms")
    console.print(f"{seconds} s in all")
    print_server(console, report.server, keep)


def _detection(report: GuardianReport) -> Table:
    found = report.detection
    table = Table("figure", "aim", "found", title="purchases above the policy's cut, of cardholders never seen before")
    table.add_row("precision", "at least 85 %", f"{found.precision:.1%}")
    table.add_row("recall", "at least 80 %", f"{found.recall:.1%}")
    table.add_row("false alarms among interventions", "under 15 %", f"{found.false_alarms:.1%}")
    table.add_row("false alarms among usual purchases", "", f"{found.alarms_among_usual:.1%}")
    return table


def _effects(report: GuardianReport) -> Table:
    title = "share of purchases regretted, against the control"
    table = Table("action", "effect", "95 % interval", "at every look", "true effect", title=title)
    for effect in report.effects:
        always = effect.always_valid if isinstance(effect.always_valid, str) else _range(*effect.always_valid)
        row = (f"{effect.value:+.1%}", _range(effect.low, effect.high), always, f"{effect.truth:+.1%}")
        table.add_row(effect.action, *row)
    return table


def _range(low: float, high: float) -> str:
    return f"{low:+.1%} to {high:+.1%}"
