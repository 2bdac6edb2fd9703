"""Journals as CSV and JSON lines: many blocks in one file, with all the columns that any of them has."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scoreline_server.journal.format.times import time_text
from scoreline_server.journal.reading.records import Values, height


def united(types: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """All columns of several blocks; one that is a number here and a text there is a text."""
    found: dict[str, str] = {}
    for some in types:
        for name, kind in some.items():
            found[name] = kind if found.get(name, kind) == kind else "string"
    return found


def write_csv(path: Path, types: Mapping[str, str], blocks: Iterable[Mapping[str, Values]]) -> int:
    """Writes a CSV file with a header; missing values are empty, lists are JSON. Returns the number of rows."""
    rows = 0
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(types)
        for row in _rows(types, blocks):
            writer.writerow([json.dumps(value) if isinstance(value, list) else value for value in row])
            rows += 1
    return rows


def write_jsonl(path: Path, types: Mapping[str, str], blocks: Iterable[Mapping[str, Values]]) -> int:
    """Writes one JSON object per line; missing values are left out. Returns the number of rows."""
    rows = 0
    with path.open("w") as file:
        for row in _rows(types, blocks):
            known = {name: value for name, value in zip(types, row, strict=True) if value is not None}
            file.write(json.dumps(known, ensure_ascii=False) + "\n")
            rows += 1
    return rows


def _rows(types: Mapping[str, str], blocks: Iterable[Mapping[str, Values]]) -> Iterator[Sequence[Any]]:
    for columns in blocks:
        nothing = [None] * height(columns)
        shown = {name: columns.get(name, nothing) for name in types}
        shown["time"] = [time_text(time) for time in shown["time"]]
        yield from zip(*shown.values(), strict=True)
