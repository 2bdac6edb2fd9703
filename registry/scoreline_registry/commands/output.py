"""How commands print: rich tables on a terminal, aligned text elsewhere, JSON when asked."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import click

from scoreline_registry.commits import Outcome
from scoreline_registry.history import Event

T = TypeVar("T")


def print_json(value: object) -> None:
    """Prints one JSON value; times in ISO 8601."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


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


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints rows under their headings; nothing but the headings where there are none."""
    cells = [[_text(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in ([name.upper() for name in columns], *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def progress(items: Sequence[T], label: str) -> Iterable[T]:
    """The items, with a progress bar on the terminal's error stream where there are several."""
    if len(items) < 2 or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, description=label, console=Console(stderr=True), transient=True)


def _print_rich(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns)
    for row in cells:
        # Text, because a name or a message may look like rich's markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _text(cell: object) -> str:
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    return "" if cell is None else " ".join(str(cell).split())


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} has no JSON form")
