"""Reads what the profiles of a route say of the entities of a batch: one read of the store for each profile.

Where the store does not answer, or an entity has no events, its features are those of a state without events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.profiles.computation.computation import Reading
from scoreline_registry.profiles.events import Event
from scoreline_server.failure_log import log_failure
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.scoring.route_profiles import EntityState, NeighborsFill, ProfileFill, ProfileStates, StateReader


class Asked(NamedTuple):
    """A row to be filled: its entity, the time as of which it is scored (microseconds since 1970), and its event."""

    entity: str
    at: int
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What one profile says of N rows.

    Attributes:
        fill: the columns that it fills.
        readings: [N], the features of each row's entity.
        neighbors: [N], the features of the neighbors of each row; none for rows that bring their own.
        states: uint8 [N], how it was read.
    """

    fill: ProfileFill
    readings: Sequence[Reading]
    neighbors: Sequence[Sequence[Reading]]
    states: ProfileStates

    def part(self, rows: slice) -> "Known":
        """The same of some of the rows."""
        return Known(self.fill, self.readings[rows], self.neighbors[rows], self.states[rows])


def read_profile(
    fill: ProfileFill, asked: Sequence[Asked], states: StateReader, *, neighbors: Sequence[bool] = ()
) -> Known:
    """What a profile says of rows; ``neighbors`` marks those whose neighbors it is to fill, empty for none."""
    read = _Read.of(fill.profile, [each.entity for each in asked], states)
    readings = [read.reading(each) for each in asked]
    found = np.array([read.state(each, reading) for each, reading in zip(asked, readings, strict=True)], np.uint8)
    near: Sequence[Sequence[Reading]] = [()] * len(asked)
    if fill.neighbors is not None and any(neighbors):
        near, failed = _neighbors_of(fill.neighbors, fill.profile, asked, readings, neighbors, states)
        found[failed] = pb.PROFILE_STATE_UNREACHABLE
    states.used(fill.profile.name, found)
    return Known(fill, readings, near, found)


def _neighbors_of(
    fill: NeighborsFill,
    profile: CompiledProfile,
    asked: Sequence[Asked],
    readings: Sequence[Reading],
    wanted: Sequence[bool],
    states: StateReader,
) -> tuple[list[list[Reading]], npt.NDArray[np.bool_]]:
    """The readings of the neighbors of each row that wants them, and which rows have one that could not be read."""
    near = [
        [Asked(entity, row.at) for entity in reading.neighbors[fill.feature][: fill.most]] if wants else []
        for row, reading, wants in zip(asked, readings, wanted, strict=True)
    ]
    read = _Read.of(profile, [each.entity for each in chain.from_iterable(near)], states)
    found = [[read.reading(each) for each in own] for own in near]
    return found, np.array([any(read.has_failed(each.entity) for each in own) for own in near], bool)


@dataclass(slots=True)
class _Read:
    """The states of some entities of one profile, read at once; None where the store did not answer."""

    profile: CompiledProfile
    states: Mapping[str, EntityState] | None
    _seen: dict[tuple[str, int], Reading] = field(default_factory=dict)
    _damaged: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, profile: CompiledProfile, entities: Sequence[str], states: StateReader) -> "_Read":
        distinct = [entity for entity in dict.fromkeys(entities) if entity]
        return cls(profile, states.read(profile.name, distinct) if distinct else {})

    def reading(self, asked: Asked) -> Reading:
        """The features of an entity. Rows of one entity and time that have no event share one reading."""
        event = asked.event if asked.event and asked.event.type in self.profile.document.events else None
        if event is not None:
            return self._computed(asked, event)
        key = asked.entity, asked.at
        if key not in self._seen:
            self._seen[key] = self._computed(asked, None)
        return self._seen[key]

    def state(self, asked: Asked, reading: Reading) -> int:
        """How the profile of an entity was read, a value of pb.ProfileState."""
        if self.has_failed(asked.entity):
            return pb.PROFILE_STATE_UNREACHABLE
        return pb.PROFILE_STATE_NEW if reading.is_new else pb.PROFILE_STATE_READ

    def has_failed(self, entity: str) -> bool:
        """Whether the state of an entity could not be read."""
        return self.states is None or entity in self._damaged

    def _computed(self, asked: Asked, event: Event | None) -> Reading:
        read = self.profile.computation.read
        state = None if self.states is None else self.states.get(asked.entity)
        if state is not None:
            try:
                return read(state.folded, state.pending, at=asked.at, event=event)
            except Exception as error:  # noqa: BLE001  a damaged state must not cost the answer
                log_failure("the state of an entity cannot be read", error, profile=self.profile.name)
                self._damaged.add(asked.entity)
        return read(b"", (), at=asked.at, event=event)
