"""Prints commits; tables and JSON are printed by the client's module."""

import click

from scoreline.cli.output import print_json, print_table, progress
from scoreline_registry.history.commits import Commit
from scoreline_registry.history.differences import Event

__all__ = ["event_json", "print_commit", "print_json", "print_table", "progress"]


def print_commit(commit: Commit, *, as_json: bool, **facts: object) -> None:
    """Prints the events of a commit; in JSON ``facts`` come before them."""
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
