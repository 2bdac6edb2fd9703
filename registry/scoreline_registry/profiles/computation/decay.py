"""Decayed aggregates: an event weighs ``2^-(age / half_life)``.

The power is that of the machine's C library, whose last bit may differ between kinds of processors.
"""

from typing import Any

from scoreline_registry.profiles.computation.readers import NAN, Moment, NumberReader
from scoreline_registry.profiles.events import Event


class DecayedCount:
    """The state ``[time, n]``: the sum of weights as of the newest event."""

    __slots__ = ("half_life", "kept")

    def __init__(self, half_life: int) -> None:
        self.kept = 0
        self.half_life = half_life

    def add(self, state: list[Any], index: int, event: Event) -> None:  # noqa: ARG002 - one signature for all series
        """Lets the sum decay up to the event, and adds 1."""
        n = state[1] * 2.0 ** ((state[0] - event.time) / self.half_life) if state else 0.0
        state[:] = (event.time, n + 1.0)


class DecayedSum:
    """The state ``[time, n, sum]`` of the events that have a number: the sums of weights and of weighted values."""

    __slots__ = ("field", "half_life", "kept")

    def __init__(self, field: str, half_life: int) -> None:
        self.kept = 0
        self.field = field
        self.half_life = half_life

    def add(self, state: list[Any], index: int, event: Event) -> None:  # noqa: ARG002 - one signature for all series
        """Lets the sums decay up to the event, and adds its number."""
        x = event.fields.get(self.field)
        if x is None or isinstance(x, str):
            return
        if state:
            weight = 2.0 ** ((state[0] - event.time) / self.half_life)
            state[:] = (event.time, state[1] * weight + 1.0, state[2] * weight + x)
        else:
            state[:] = (event.time, 1.0, x)


def decayed_reader(place: int, half_life: int, value: int) -> NumberReader:
    """Reads the value at a place of the state, decayed up to the moment; 0 before the first event."""

    def read(moment: Moment) -> float:
        state = moment.series[place]
        return state[value] * 2.0 ** ((state[0] - moment.at) / half_life) if state else 0.0

    return read


def decayed_mean_reader(place: int) -> NumberReader:
    """Reads the weighted mean from a DecayedSum. Its weights decay alike, so that it stays until the next event."""

    def read(moment: Moment) -> float:
        state = moment.series[place]
        return state[2] / state[1] if state else NAN

    return read
