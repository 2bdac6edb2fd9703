"""How the registry's commands print what a change did; the rest is printed as by any command."""

import click

from scoreline.cli.output import print_json, print_table, progress
from scoreline_registry.history.commits import Commit
from scoreline_registry.history.differences import Event

__all__ = ["event_json", "print_commit", "print_json", "print_table", "progress"]


def print_commit(commit: Commit, *, as_json: bool, **facts: object) -> None:
    """Prints what a change did, or would do; ``facts`` stand before that in JSON."""
    if as_json:
        events = [event_json(event) for event in commit.events]
        print_json({**facts, "revision": commit.revision, "written": commit.written, "events": events})
        return
    for event in commit.events:
        click.echo(event)
    state = f"revision {commit.revision}" if commit.written else "nothing is written"
    click.echo(state if commit.events else f"nothing differs; {state}")


def event_json(event: Event) -> dict[str, str]:
    """An event as JSON."""
    return {"kind": event.kind, "name": event.name, "detail": event.detail}
