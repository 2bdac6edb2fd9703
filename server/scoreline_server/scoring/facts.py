"""The facts of scored rows that a policy names: what was scored, with which result, and what profiles say.

A fact without a value is left out, so that conditions find it missing.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.decisions.facts import (
    BAND,
    CONTEXT,
    EVENT,
    EXTRA,
    FEATURE,
    FLAG,
    FLAG_FALLBACK,
    FLAG_NEW,
    FLAG_UNREACHABLE,
    POINTS,
    PROFILE,
    SCORE,
    FactValue,
)
from scoreline_registry.profiles.events import Event
from scoreline_server.scoring.compiled_route import NO_BAND, CompiledRoute
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.profile_reading import Known
from scoreline_server.scoring.results import ScoredBatch

RowFacts: TypeAlias = dict[str, FactValue]


@dataclass(frozen=True, slots=True)
class Scored:
    """A scored batch, and what each profile of its route says of its rows."""

    batch: ScoredBatch
    known: Sequence[Known]


Values: TypeAlias = Iterable[FactValue | None]
"""One value per row, None or NaN where it is missing."""
_Read: TypeAlias = Callable[[Scored], Values]


class FactReader:
    """Reads some facts of the rows of a route."""

    def __init__(self, names: Sequence[str], route: CompiledRoute) -> None:
        """``names`` that the route's rows cannot have, such as those that a policy adds, are never there."""
        found = {name: reader_of(name, route.layout) for name in names}
        self._readers = [(name, read) for name, read in found.items() if read is not None]
        self.extras: tuple[str, ...] = tuple(
            name.removeprefix(EXTRA) for name in names if name.startswith(EXTRA) and name[len(EXTRA) :] in route.extras
        )
        """The extra outputs that the facts are read from; they must be asked for."""

    def read(self, scored: Scored) -> list[RowFacts]:
        """The facts of each row; those of rows without a score mean nothing."""
        facts: list[RowFacts] = [{} for _ in range(len(scored.batch.rows))]
        for name, read in self._readers:
            for own, value in zip(facts, read(scored), strict=True):
                if value is not None and value == value:  # noqa: PLR0124  NaN differs from itself
                    own[name] = value
        return facts


def reader_of(name: str, layout: Layout) -> _Read | None:
    """What reads a fact from the rows of a layout; None for one that they cannot have."""
    if name in _RESULTS:
        return _RESULTS[name]
    prefix, _, rest = name.partition(".")
    match f"{prefix}.":
        case str(kind) if kind == FEATURE and rest in layout.numbers:
            return partial(_number, layout.numbers[rest])
        case str(kind) if kind == FEATURE and rest in layout.categories:
            return partial(_category, layout.categories[rest])
        case str(kind) if kind in _NAMED:
            return partial(_NAMED[kind], rest)
        case _:
            return None


def _scores(scored: Scored) -> Values:
    scores: list[float] = scored.batch.results.scores.tolist()
    return scores


def _bands(scored: Scored) -> Values:
    results = scored.batch.results
    if results.bands is None:
        return _none(scored)
    names = results.band_names
    return [None if band == NO_BAND else names[band] for band in results.bands.tolist()]


def _points(scored: Scored) -> Values:
    points = scored.batch.results.points
    return _none(scored) if points is None else points.tolist()


def _number(column: int, scored: Scored) -> Values:
    numbers: list[float] = scored.batch.rows.numbers[:, column].tolist()
    return numbers


def _category(column: int, scored: Scored) -> Values:
    # A missing value is -1, which as an index is the last entry.
    names = [*scored.batch.rows.dictionary, None]
    return [names[code] for code in scored.batch.rows.categories[:, column].tolist()]


def _context(key: str, scored: Scored) -> Values:
    contexts = scored.batch.rows.contexts
    return [context.get(key) for context in contexts] if contexts else _none(scored)


def _extra(name: str, scored: Scored) -> Values:
    """An extra output of one number per row; other shapes are no facts."""
    values = np.full(len(scored.batch.rows), np.nan)
    for rows, block in scored.batch.results.extras.get(name, ()):
        flat = np.asarray(block, np.float64).reshape(len(rows), -1)
        if flat.shape[1] == 1:
            values[rows] = flat[:, 0]
    return _finite(values)


def _profile(name: str, scored: Scored) -> Values:
    """``<profile>.<feature>``, as the profile was read, whatever the caller sent."""
    profile, _, feature = name.partition(".")
    for known in scored.known:
        if known.fill.profile.name == profile:
            return [reading.numbers.get(feature, reading.categories.get(feature)) for reading in known.readings]
    return _none(scored)


def _event(field: str, scored: Scored) -> Values:
    return [None if event is None else event.fields.get(field) for event in events_of(scored.batch)]


def _flag(name: str, scored: Scored) -> Values:
    results = scored.batch.results
    if name == FLAG_FALLBACK:
        fallback: list[bool] = (results.reasons == pb.REASON_FALLBACK).tolist()
        return fallback
    states = results.profile_states
    if name not in _STATES:
        return _none(scored)
    return [False] * len(results.scores) if states is None else (states == _STATES[name]).tolist()


def events_of(batch: ScoredBatch) -> Iterator[Event | None]:
    """The event at hand of each row."""
    return chain.from_iterable(request.rows.events or [None] * len(request.rows) for request in batch.requests)


def _finite(values: npt.NDArray[np.float64]) -> Values:
    return [value if math.isfinite(value) else None for value in values.tolist()]


def _none(scored: Scored) -> Values:
    return [None] * len(scored.batch.rows)


_STATES = {FLAG_NEW: pb.PROFILE_STATE_NEW, FLAG_UNREACHABLE: pb.PROFILE_STATE_UNREACHABLE}
_RESULTS: Mapping[str, _Read] = {SCORE: _scores, BAND: _bands, POINTS: _points}
_NAMED: Mapping[str, Callable[[str, Scored], Values]] = {
    CONTEXT: _context,
    EXTRA: _extra,
    PROFILE: _profile,
    EVENT: _event,
    FLAG: _flag,
}
