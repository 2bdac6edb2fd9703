"""``scoreline history``."""

import click

from scoreline_registry.commands.options import RegistryCommand, json_option, registry_option
from scoreline_registry.commands.output import event_json, print_json, print_table
from scoreline_registry.history.differences import HistoryEntry
from scoreline_registry.registry import Registry


@click.command(cls=RegistryCommand)
@registry_option
@json_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The most revisions to show.")
def history(address: str, as_json: bool, limit: int) -> None:
    """Show the newest revisions and what each of them changed."""
    entries = list(Registry.open(address).history(limit))
    if as_json:
        print_json([_json(entry) for entry in entries])
        return
    print_table(("revision", "when (UTC)", "author", "change", "message"), (row for e in entries for row in _rows(e)))


def _rows(entry: HistoryEntry) -> list[tuple[object, ...]]:
    """One table row per event; the first of a revision shows its author and time."""
    first, *more = [str(event) for event in entry.events] or ["nothing"]
    head = (entry.revision, entry.created_at, entry.author, first, entry.message)
    return [head, *(("", "", "", event, "") for event in more)]


def _json(entry: HistoryEntry) -> dict[str, object]:
    return {
        "revision": entry.revision,
        "created_at": entry.created_at,
        "author": entry.author,
        "message": entry.message,
        "events": [event_json(event) for event in entry.events],
    }
