"""Histories: the last events as steps, and the entities that events named last."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from scoreline_registry.profiles.computation.readers import Moment
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.feature import SINCE_PREVIOUS

Step: TypeAlias = dict[str, float | str]
SequenceReader: TypeAlias = Callable[[Moment], list[Step]]
NeighborReader: TypeAlias = Callable[[Moment], tuple[str, ...]]

_SECOND = 1_000_000


class Steps:
    """The state ``[time, step, ...]`` of the newest events, where a step is the value of each column, None if missing.

    ``since_previous_seconds`` is kept in microseconds, and is missing at the entity's first event.
    """

    __slots__ = ("columns", "kept", "length")

    def __init__(self, columns: Sequence[str], length: int) -> None:
        self.kept = 0
        self.columns = tuple(columns)
        self.length = length

    def add(self, state: list[Any], index: int, event: Event) -> None:  # noqa: ARG002 - one signature for all series
        """Appends the event, and drops the oldest one beyond the length."""
        fields, time = event.fields, event.time
        since = time - state[0] if state else None
        if not state:
            state.append(time)
        state[0] = time
        state += [since if column == SINCE_PREVIOUS else fields.get(column) for column in self.columns]
        if len(state) > 1 + self.length * len(self.columns):
            del state[1 : 1 + len(self.columns)]


class Named:
    """The state ``[name, ...]``: the ``most`` different values of a field that were named last, the newest last."""

    __slots__ = ("field", "kept", "most")

    def __init__(self, field: str, most: int) -> None:
        self.kept = 0
        self.field = field
        self.most = most

    def add(self, state: list[Any], index: int, event: Event) -> None:  # noqa: ARG002 - one signature for all series
        """Moves the name to the end."""
        name = event.fields.get(self.field)
        if not isinstance(name, str):
            return
        if name in state:
            state.remove(name)
        state.append(name)
        if len(state) > self.most:
            del state[0]


def sequence_reader(place: int, columns: Sequence[str]) -> SequenceReader:
    """Reads the steps, oldest first, without the columns that each lacks."""
    wide = len(columns)

    def read(moment: Moment) -> list[Step]:
        state = moment.series[place]
        return [_step(columns, state[start : start + wide]) for start in range(1, len(state), wide)]

    return read


def neighbor_reader(place: int) -> NeighborReader:
    """Reads the names, newest first."""

    def read(moment: Moment) -> tuple[str, ...]:
        return tuple(reversed(moment.series[place]))

    return read


def _step(columns: Sequence[str], values: Sequence[Any]) -> Step:
    known = {column: value for column, value in zip(columns, values, strict=True) if value is not None}
    if SINCE_PREVIOUS in known:
        known[SINCE_PREVIOUS] /= _SECOND
    return known
