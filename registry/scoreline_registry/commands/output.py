"""How the registry's commands print what a change did; the rest is printed as by any command."""

import click

from scoreline.cli.output import print_json, print_table, progress
from scoreline_registry.history.commits import Outcome
from scoreline_registry.history.differences import Event

__all__ = ["event_json", "print_json", "print_outcome", "print_table", "progress"]


def print_outcome(outcome: Outcome, *, as_json: bool, **facts: object) -> None:
    """Prints what a change did, or would do; ``facts`` stand before that in JSON."""
    if as_json:
        events = [event_json(event) for event in outcome.events]
        print_json({**facts, "revision": outcome.revision, "written": outcome.written, "events": events})
        return
    for event in outcome.events:
        click.echo(event)
    state = f"revision {outcome.revision}" if outcome.written else "nothing is written"
    click.echo(state if outcome.events else f"nothing differs; {state}")


def event_json(event: Event) -> dict[str, str]:
    """An event as JSON."""
    return {"kind": event.kind, "name": event.name, "detail": event.detail}
