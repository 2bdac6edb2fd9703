"""Prints tables: by rich on a terminal, as aligned text elsewhere; JSON for --json."""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import click

T = TypeVar("T")


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Prints one JSON value; numbers that JSON does not have become null, times ISO 8601."""
    click.echo(json.dumps(_plain(value), indent=indent, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints rows under their headings."""
    cells = [[_text(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in ([_heading(name) for name in columns], *cells):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


@contextmanager
def counting(text: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Shows a counter on a terminal; the block adds to it."""
    if not sys.stderr.isatty():
        yield lambda _more: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn(f"{text}: {{task.completed:,}} {unit}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda more: bar.advance(task, more)


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


def _heading(name: str) -> str:
    # The capital of the micro sign looks like an M, which turns micro into mega.
    return name.upper() if name.isascii() else name


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.6g}"
    if isinstance(cell, datetime):
        return cell.strftime("%Y-%m-%d %H:%M:%S")
    text = "" if cell is None else " ".join(str(cell).split())
    # Ids and categories are the callers' text: control characters would move the cursor of the terminal.
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
