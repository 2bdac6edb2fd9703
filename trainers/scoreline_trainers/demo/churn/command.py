"""The command ``scoreline demo churn`` and its output."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from scoreline_trainers.demo.churn.figures import ChurnReport
from scoreline_trainers.demo.options import (
    json_option,
    keep_option,
    listen_option,
    print_server,
    run_in_folder,
    staying_in,
)


@click.command(short_help="Keep subscribers by offers, and see through attacks.")
@click.option("--customers", default=1500, show_default=True, type=click.IntRange(min=20), help="Subscribers served.")
@click.option(
    "--rows", default=3000, show_default=True, type=click.IntRange(min=200), help="Subscribers to learn from."
)
@keep_option
@listen_option
@json_option
def churn(*, customers: int, rows: int, keep: Path | None, listen: str, as_json: bool) -> None:
    """Decide whom to keep with which offer, from a stream of clicks; needs the extra `deep`.

    Newcomers are scored by the graph of their friends, others by a network that is hardened against invented numbers
    and flags them. What-if compares the offers for those who waver. With --keep the server goes on.
    """
    from scoreline_trainers.demo.churn.scenario import run_churn  # noqa: PLC0415 - the others need no torch

    run_in_folder(
        lambda folder, progress: run_churn(
            folder, customers=customers, learned=rows, staying=staying_in(keep, listen), progress=progress
        ),
        show=_print,
        keep=keep,
        as_json=as_json,
    )


def _print(report: ChurnReport, seconds: float, keep: Path | None) -> None:
    console = Console()
    clicks, offers = report.clicks, report.offers
    console.print(
        f"{report.subscribers:,} subscribers; {clicks.past + clicks.live:,} events, "
        f"the last {clicks.live:,} as a stream: {clicks.live_per_second:,.0f} a second"
    )
    console.print(_arms(report))
    console.print("actions: " + ", ".join(f"{name} {count}" for name, count in report.actions.items()))
    recommended = ", ".join(f"{name} {count}" for name, count in offers.recommended.items())
    console.print(f"what-if for {offers.subscribers:,} who waver recommends: {recommended or 'nothing'}")
    console.print(
        f"by their true responses that is worth {offers.worth:,.0f} EUR; the best single offer for all of them "
        f"{offers.worth_of_one:,.0f} EUR"
    )
    console.print(_aims(report))
    console.print(f"{seconds} s in all")
    print_server(console, report.server, keep)


def _arms(report: ChurnReport) -> Table:
    table = Table("arm", "subscribers", "newcomers", "AUC", "Decide p99", title="who scores whom")
    for arm in report.arms:
        found = "-" if arm.auc is None else f"{arm.auc:.3f}"
        table.add_row(arm.arm, str(arm.subscribers), str(arm.newcomers), found, f"{arm.p99_ms:.1f} ms")
    return table


def _aims(report: ChurnReport) -> Table:
    offers, attacks = report.offers, report.attacks
    table = Table("figure", "aim", "found", title="what-if and attacks")
    table.add_row("a scenario of what-if, p99", "under 200 ms", f"{offers.scenario_p99_ms:.1f} ms")
    table.add_row("a call of what-if, p99", "", f"{offers.call_p99_ms:.1f} ms")
    table.add_row("attacks flagged", "at least 95 %", f"{attacks.detected:.1%} of {attacks.sent}")
    table.add_row("honest subscribers flagged", "under 2 %", f"{attacks.false_alarms:.1%}")
    table.add_row("AUC of the anomaly score", "", "-" if attacks.auc is None else f"{attacks.auc:.4f}")
    table.add_row("Decide with the flag, p50", "under 20 ms", f"{attacks.p50_ms:.1f} ms")
    table.add_row("Decide with the flag, p99", "under 20 ms", f"{attacks.p99_ms:.1f} ms")
    return table
