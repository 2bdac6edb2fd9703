"""Fills what callers left out from the profiles of their entities and from the event at hand.

The rows are then as if the callers had sent all of it, so that binding, journal, shadows and replay need to know no
profile. What a caller sends is kept.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from scoreline_registry.profiles.computation.computation import Reading
from scoreline_registry.profiles.events import Event
from scoreline_registry.routing.profile_inputs import CONTEXT_PROFILE
from scoreline_server.scoring.arrays import Float32, Int32
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.profile_reading import Asked, Known, read_profile
from scoreline_server.scoring.route_profiles import (
    NeighborsFill,
    ProfileFill,
    ProfileStates,
    RouteProfiles,
    SequenceFill,
)
from scoreline_server.scoring.rows import Context, ContextValue, EncodedRows, RaggedBytes, bytes_of, wrong_index

_LARGEST = float(np.finfo(np.float32).max)


class Enriched(NamedTuple):
    """Requests for one route with all that its profiles know.

    Attributes:
        requests: with what their callers left out.
        states: uint8 [rows], how the profiles of each row were read.
        known: what each profile says of all rows.
    """

    requests: list[DecodedRequest]
    states: ProfileStates
    known: list[Known]


def enrich(requests: Sequence[DecodedRequest], profiles: RouteProfiles, *, now: int | None = None) -> Enriched:
    """Requests for one route with all that its profiles know.

    ``now`` is in microseconds since 1970, the present time by default.
    """
    moment = _now() if now is None else now
    asked = [
        Asked(entity, moment if event is None else event.time, event)
        for request in requests
        for entity, event in _entities(request.rows)
    ]
    known = [
        read_profile(fill, asked, profiles.states, neighbors=_without_neighbors(fill, requests))
        for fill in profiles.fills
    ]
    filled, start = [], 0
    for request in requests:
        own = slice(start, start + len(request.rows))
        filled.append(replace(request, rows=_filled(request, [each.part(own) for each in known], profiles)))
        start = own.stop
    return Enriched(filled, np.maximum.reduce([each.states for each in known]), known)


def with_profile_context(entity: str, context: Context, profiles: RouteProfiles, *, now: int | None = None) -> Context:
    """The context of an entity with the features that the route's rules read."""
    asked = [Asked(entity, _now() if now is None else now)]
    known = [read_profile(fill, asked, profiles.states) for fill in profiles.fills if fill.context]
    return {**_profile_context(known, 0), **context}


def _now() -> int:
    return time.time_ns() // 1000


def _entities(rows: EncodedRows) -> Iterable[tuple[str, Event | None]]:
    events: Sequence[Event | None] = rows.events or [None] * len(rows)
    return zip(rows.ids, events, strict=True)


def _without_neighbors(fill: ProfileFill, requests: Sequence[DecodedRequest]) -> list[bool]:
    """Which rows have no neighbors of their own; empty where the profile fills none."""
    if fill.neighbors is None:
        return []
    counts = b"".join([request.rows.ragged[fill.neighbors.place].counts for request in requests])
    without: list[bool] = (np.frombuffer(counts, "<i4") == 0).tolist()
    return without


def _filled(request: DecodedRequest, known: Sequence[Known], profiles: RouteProfiles) -> EncodedRows:
    """The rows of a request with all that is known of them."""
    rows, layout = replace(request.rows, errors=dict(request.rows.errors)), request.route.layout
    if layout.numbers:
        rows.numbers = _numbers(rows, len(layout.numbers), known, profiles)
    if layout.categories:
        _fill_categories(rows, len(layout.categories), known, profiles)
    for each in known:
        if (sequence := each.fill.sequence) is not None:
            _fill_items(rows, sequence.place, len(sequence.columns), partial(_steps, sequence, each.readings))
        if (neighbors := each.fill.neighbors) is not None:
            _fill_items(rows, neighbors.place, len(neighbors.names), partial(_neighbors, neighbors, each.neighbors))
    if any(each.fill.context for each in known):
        sent: Sequence[Context] = rows.contexts or [{}] * len(rows)
        rows.contexts = [{**_profile_context(known, row), **context} for row, context in enumerate(sent)]
    return rows


def _numbers(rows: EncodedRows, width: int, known: Sequence[Known], profiles: RouteProfiles) -> bytes:
    """The numbers block, [rows, width]."""
    block = np.frombuffer(rows.numbers, "<f4").reshape(-1, width).copy()
    for row, event in enumerate(rows.events):
        for name, column in profiles.event_numbers.items() if event else ():
            value = event.fields.get(name) if event else None
            if isinstance(value, float) and math.isnan(block[row, column]):
                block[row, column] = value
    for each in known:
        names, columns = each.fill.numbers
        if names:
            sent = block[:, columns]
            block[:, columns] = np.where(np.isnan(sent), _values(each.readings, names), sent)
    return bytes_of(block)


def _values(readings: Sequence[Reading], names: Sequence[str]) -> Float32:
    """float32 [readings, names], NaN where missing; what is beyond float32 is moved to its edge."""
    numbers = np.array([[reading.numbers[name] for name in names] for reading in readings], np.float64)
    return np.clip(numbers, -_LARGEST, _LARGEST).astype(np.float32).reshape(len(readings), len(names))


def _fill_categories(rows: EncodedRows, width: int, known: Sequence[Known], profiles: RouteProfiles) -> None:
    """Fills the categories block; names that the caller did not send are appended to the dictionary."""
    block = _Categories.of(rows, width)
    for row, event in enumerate(rows.events):
        for name, column in profiles.event_categories.items() if event else ():
            block.fill(row, column, event.fields.get(name) if event else None)
    for each in known:
        for name, column in zip(each.fill.categories.names, each.fill.categories.places.tolist(), strict=True):
            for row, reading in enumerate(each.readings):
                block.fill(row, column, reading.categories[name])
    rows.categories, rows.dictionary = bytes_of(block.codes), block.dictionary


@dataclass(frozen=True, slots=True)
class _Categories:
    """The categories block of a call, int32 [rows, columns], and the names that it points to."""

    codes: Int32
    dictionary: list[str]
    known: dict[str, int]

    @classmethod
    def of(cls, rows: EncodedRows, width: int) -> "_Categories":
        """The block as the caller sent it; an index outside the dictionary is an error of its row."""
        codes = np.frombuffer(rows.categories, "<i4").reshape(-1, width).copy()
        # Names are appended: such an index would point to one of them.
        outside = (codes < -1) | (codes >= len(rows.dictionary))
        for row in np.flatnonzero(outside.any(axis=1)).tolist():
            rows.errors.setdefault(row, wrong_index())
        codes[outside] = -1
        return cls(codes, list(rows.dictionary), {name: code for code, name in enumerate(rows.dictionary)})

    def fill(self, row: int, column: int, name: object) -> None:
        """Writes a name where the caller sent none; what is no name is missing."""
        if not isinstance(name, str) or self.codes[row, column] >= 0:
            return
        if name not in self.known:
            self.known[name] = len(self.dictionary)
            self.dictionary.append(name)
        self.codes[row, column] = self.known[name]


def _fill_items(rows: EncodedRows, place: int, width: int, items: Callable[[int], Float32]) -> None:
    """Fills one ragged input of the rows that have none of its items; ``items`` gives those of a row, [n, width]."""
    counts = np.frombuffer(rows.ragged[place].counts, "<i4")
    if counts.all():
        return
    block, ends = np.frombuffer(rows.ragged[place].values, "<f4").reshape(-1, width), np.cumsum(counts).tolist()
    parts = [
        block[end - count : end] if count else items(row)
        for row, (count, end) in enumerate(zip(counts.tolist(), ends, strict=True))
    ]
    filled = RaggedBytes(bytes_of(np.concatenate(parts)), bytes_of(np.array([len(part) for part in parts], np.int32)))
    rows.ragged = [filled if at == place else each for at, each in enumerate(rows.ragged)]


def _steps(fill: SequenceFill, readings: Sequence[Reading], row: int) -> Float32:
    """The newest steps of a row, [steps, columns]; where it has none, one step without values: models take no fewer."""
    steps = readings[row].sequences[fill.feature][-fill.most :]
    block = np.full((max(len(steps), 1), len(fill.columns)), np.nan, np.float32)
    for at, step in enumerate(steps):
        for name, column in fill.columns.items():
            block[at, column] = _step_value(step.get(name), fill.codes.get(column))
    return block


def _step_value(value: float | str | None, codes: Mapping[str, int] | None) -> float:
    """A step's number, or the code of its category: the number of names for any other name. NaN where missing."""
    if codes is not None:
        return codes.get(value, len(codes)) if isinstance(value, str) else math.nan
    return math.nan if value is None or isinstance(value, str) else min(max(value, -_LARGEST), _LARGEST)


def _neighbors(fill: NeighborsFill, neighbors: Sequence[Sequence[Reading]], row: int) -> Float32:
    """The neighbors of a row, [neighbors, columns]."""
    return _values(neighbors[row], fill.names)


def _profile_context(known: Sequence[Known], row: int) -> dict[str, ContextValue]:
    """The features that the route's rules read; missing ones are left out."""
    context: dict[str, ContextValue] = {}
    for each in known:
        reading = each.readings[row]
        for name in each.fill.context:
            value = reading.numbers.get(name, reading.categories.get(name))
            if isinstance(value, str) or (value is not None and not math.isnan(value)):
                context.setdefault(CONTEXT_PROFILE + name, value)
    return context
