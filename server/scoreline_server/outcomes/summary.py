"""Counts of the outcomes of a folder: per route and name, and how many belong to rows of the journal."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoreline_server.journal.reading.reader import OnFault, Selection, ignore, read_records
from scoreline_server.outcomes.block import Int64, OutcomeBlock
from scoreline_server.outcomes.known import known_predictions
from scoreline_server.outcomes.reader import read_outcomes
from scoreline_server.outcomes.table import OutcomeTable, last_words


@dataclass(frozen=True, slots=True)
class NameCounts:
    """The outcomes of one name and route.

    Attributes:
        route, name: whose.
        by: "prediction" or "unit".
        outcomes: those that count, each key once.
        matched: those of them with a row in the journal.
        mean: of their values.
        first_observed, last_observed, last_reported: ns since 1970.
    """

    route: str
    name: str
    by: str
    outcomes: int
    matched: int
    mean: float
    first_observed: int
    last_observed: int
    last_reported: int


@dataclass(frozen=True, slots=True)
class RouteSummary:
    """The outcomes of one route; ``replaced`` do not count, because a later one has their key."""

    route: str
    reported: int
    replaced: int
    names: Sequence[NameCounts]


def summaries(
    folders: Sequence[Path], route: str | None = None, *, on_fault: OnFault = ignore
) -> Iterator[RouteSummary]:
    """The summary of each route, or of one, by name. Raises OSError."""
    blocks: dict[str, list[OutcomeBlock]] = defaultdict(list)
    for block in read_outcomes(folders, route, on_fault=on_fault):
        blocks[block.route].append(block)
    for name in sorted(blocks):
        table = last_words(blocks.pop(name))
        counts = list(_counts(name, table, _matched(folders, name, table)))
        yield RouteSummary(name, len(table) + table.replaced, table.replaced, counts)


def _matched(folders: Sequence[Path], route: str, table: OutcomeTable) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which outcomes have a row in the journal: bool [N]."""
    of_predictions = known_predictions(folders, route, table.call_ids, table.places)
    return np.concatenate([of_predictions, _matched_windows(folders, route, table)])


def _matched_windows(folders: Sequence[Path], route: str, table: OutcomeTable) -> list[bool]:
    if not table.units:
        return []
    times = _times_of(folders, route, set(table.units))
    found = []
    for unit, since, until in zip(table.units, table.since.tolist(), table.until.tolist(), strict=True):
        scored = times.get(unit, [])
        at = bisect_left(scored, since)
        found.append(at < len(scored) and scored[at] < until)
    return found


def _times_of(folders: Sequence[Path], route: str, units: set[str]) -> Mapping[str, list[int]]:
    """When rows of some units were scored, ascending."""
    times: dict[str, list[int]] = defaultdict(list)
    for records in read_records(folders, Selection(route)):
        arrays = records.arrays
        for unit, moment in zip(arrays.units, arrays.times.tolist(), strict=True):
            if unit in units:
                times[unit].append(moment)
    return {unit: sorted(moments) for unit, moments in times.items()}


def _counts(
    route: str, table: OutcomeTable, matched: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Iterator[NameCounts]:
    predictions = len(table.call_ids)
    for index in sorted(range(len(table.names)), key=lambda index: table.names[index]):
        rows = np.flatnonzero(table.name_index == index)
        for by, part in (("prediction", rows[rows < predictions]), ("unit", rows[rows >= predictions])):
            if len(part):
                observed: Int64 = table.observed_at[part]
                yield NameCounts(
                    route=route,
                    name=table.names[index],
                    by=by,
                    outcomes=len(part),
                    matched=int(matched[part].sum()),
                    mean=float(table.values[part].mean()),
                    first_observed=int(observed.min()),
                    last_observed=int(observed.max()),
                    last_reported=int(table.reported_at[part].max()),
                )
