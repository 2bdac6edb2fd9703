"""Prints commits and revisions; tables and JSON are printed by the client's module."""

from collections.abc import Sequence

import click

from scoreline.cli.output import print_json, print_table, progress
from scoreline_registry.history.commits import Commit
from scoreline_registry.history.differences import Event, HistoryEntry

__all__ = ["event_json", "print_commit", "print_history", "print_json", "print_table", "progress"]


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


def print_history(entries: Sequence[HistoryEntry], *, as_json: bool) -> None:
    """Prints revisions, newest first, with what each of them changed."""
    if as_json:
        print_json([_entry_json(entry) for entry in entries])
        return
    print_table(("revision", "when (UTC)", "author", "change", "message"), (row for e in entries for row in _rows(e)))


def event_json(event: Event) -> dict[str, str]:
    """An event as JSON."""
    return {"kind": event.kind, "name": event.name, "detail": event.detail}


def _rows(entry: HistoryEntry) -> list[tuple[object, ...]]:
    """One table row per event; the first of a revision shows its author and time."""
    first, *more = [str(event) for event in entry.events] or ["nothing"]
    head = (entry.revision, entry.created_at, entry.author, first, entry.message)
    return [head, *(("", "", "", event, "") for event in more)]


def _entry_json(entry: HistoryEntry) -> dict[str, object]:
    return {
        "revision": entry.revision,
        "created_at": entry.created_at,
        "author": entry.author,
        "message": entry.message,
        "events": [event_json(event) for event in entry.events],
    }
