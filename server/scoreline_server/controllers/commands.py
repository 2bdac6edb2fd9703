"""The command ``scoreline ramp run``."""

import json
import threading
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

import click

from scoreline.cli.output import print_table
from scoreline_registry.commands.options import RegistryCommand, registry_option
from scoreline_registry.registry import Registry
from scoreline_registry.routing.ramp import observed_by
from scoreline_server import logging_config
from scoreline_server.controllers.assembly import runner_of
from scoreline_server.controllers.counting import Uncounted
from scoreline_server.controllers.evidence import evidence_of
from scoreline_server.controllers.ramp_controller import RampController, RampLook
from scoreline_server.controllers.readings import Reading
from scoreline_server.journal.commands import folders_argument, journal_folders
from scoreline_server.settings import read_settings


@click.command(cls=RegistryCommand, short_help="Evaluate guards, and move running ramps.")
@folders_argument
@registry_option
@click.option("--every", "seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True, metavar="SECONDS",
              help="How often to look.")  # fmt: skip
@click.option("--once", is_flag=True, help="Look once, print what the guards read, and end.")
@click.option("--json", "as_json", is_flag=True, help="With --once, print one JSON object per ramp.")
def run(folders: tuple[Path, ...], address: str, seconds: float, once: bool, as_json: bool) -> None:
    """Evaluate the guards of running ramps by the journals in FOLDERs, and commit the next step or the way back.

    Without FOLDER the registry's default journal is read. Runs until it is interrupted; several may run at once.
    """
    registry, places = Registry.open(address), journal_folders(folders, address)
    logging_config.configure(read_settings())
    if once:
        _print(RampController(registry, places).look(), as_json=as_json)
        return
    click.echo(f"watching the ramps of {address} by the journals of {', '.join(map(str, places))}")
    try:
        runner_of(registry, places, counting=Uncounted()).run(threading.Event(), seconds)
    except KeyboardInterrupt:
        return


def _print(looks: Iterable[RampLook], *, as_json: bool) -> None:
    rows: list[tuple[Any, ...]] = []
    for look in looks:
        if as_json:
            click.echo(json.dumps(_facts(look)))
        place = f"{look.route}: {look.arm} at {look.percent:g} %"
        rows += [
            (place, each.guard, each.segment or "-", _value(each), _bounds(each), f"{each.limit:g}",
             f"{each.count:,} {observed_by(each.guard)}", each.finding.value.replace("_", " "))
            for each in look.readings
        ]  # fmt: skip
        rows.append((place, "all", "-", "", "", "", "", look.move or look.verdict.value))
    if not as_json and not rows:
        click.echo("no ramp is running: `scoreline ramp start ROUTE` starts one, `resume` goes on with a paused one")
    elif not as_json:
        print_table(("ramp", "guard", "segment", "value", "bounds", "limit", "count", "finding"), rows)


def _value(reading: Reading) -> str:
    return "no rows yet" if not reading.count else f"{reading.value:.4g}" if isfinite(reading.value) else "unknown"


def _bounds(reading: Reading) -> str:
    """Such as "0.171 to 0.235"; an open side is said, and without rows there are no bounds."""
    if not reading.count or not (isfinite(reading.low) or isfinite(reading.high)):
        return "-"
    low, high = (f"{side:.4g}" if isfinite(side) else "open" for side in (reading.low, reading.high))
    return f"{low} to {high}"


def _facts(look: RampLook) -> dict[str, Any]:
    """A look as JSON; a bound that is open is null."""
    return {
        "route": look.route,
        "arm": look.arm,
        "step": look.step + 1,
        "percent": look.percent,
        "verdict": look.verdict,
        "move": look.move,
        "readings": [evidence.model_dump(mode="json") for evidence in evidence_of(look.readings)],
    }
