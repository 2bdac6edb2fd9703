"""The profiles that a route reads and the columns of its layout that each fills, compiled when it is adopted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE
from scoreline_registry.profiles.events import Event
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.compiled_profile import CompiledProfile

ProfileStates = npt.NDArray[np.uint8]
"""Values of pb.ProfileState, one per row."""


class EntityState(Protocol):
    """What a store has of one entity."""

    @property
    def folded(self) -> bytes:
        """The encoded state that its earlier events have been folded into; empty before the first."""

    @property
    def pending(self) -> Sequence[Event]:
        """The events that are not folded yet."""


class StateReader(Protocol):
    """Reads the states of entities. Safe for threads; never raises and never takes long."""

    def read(self, profile: str, entities: Sequence[str]) -> Mapping[str, EntityState] | None:
        """The states of entities; one without events is left out. None where the store does not answer."""

    def used(self, profile: str, states: ProfileStates) -> None:
        """Counts the states that rows were scored with: READ, NEW or UNREACHABLE."""


class NoStore:
    """The reader where there is no store of profiles, so that no state can be read."""

    def __init__(self, used: Callable[[str, ProfileStates], object] = lambda _profile, _states: None) -> None:
        """``used`` counts the states, all of them UNREACHABLE."""
        self._used = used

    def read(self, _profile: str, _entities: Sequence[str]) -> None:
        """None."""

    def used(self, profile: str, states: ProfileStates) -> None:
        """Counts the states that rows were scored with."""
        self._used(profile, states)


NO_STORE = NoStore()


class Columns(NamedTuple):
    """Features of a profile, and the column that each fills."""

    names: tuple[str, ...]
    places: Indices


@dataclass(frozen=True, slots=True)
class SequenceFill:
    """A feature of a profile that fills a route's sequence.

    Attributes:
        feature: its name.
        place: of the sequence among the layout's ragged inputs.
        columns: the column of each step feature.
        codes: by the column of a category, the code of each of its names.
        most: the most steps of an entity.
    """

    feature: str
    place: int
    columns: Mapping[str, int]
    codes: Mapping[int, Mapping[str, int]]
    most: int


@dataclass(frozen=True, slots=True)
class NeighborsFill:
    """A feature of a profile that fills a route's neighbors, with the features of theirs that fill its columns."""

    feature: str
    place: int
    names: tuple[str, ...]
    most: int


@dataclass(frozen=True, slots=True)
class ProfileFill:
    """What one profile fills of a route.

    Attributes:
        profile: the profile.
        numbers: its features that fill columns of the numbers block.
        categories: its features that fill columns of the categories block.
        context: its features whose values the route's rules read, under ``profile.<feature>``.
        sequence: the feature that fills the sequence; None for none.
        neighbors: the feature that fills the neighbors; None for none.
    """

    profile: CompiledProfile
    numbers: Columns
    categories: Columns
    context: tuple[str, ...] = ()
    sequence: SequenceFill | None = None
    neighbors: NeighborsFill | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Its features that fill columns."""
        return (*self.numbers.names, *self.categories.names)


@dataclass(frozen=True)
class RouteProfiles:
    """The profiles of a route.

    Attributes:
        fills: what each of them fills.
        event_numbers: the number columns that fields of the event at hand fill, by field.
        event_categories: the category columns that they fill, by field.
        states: reads the states of entities.
    """

    fills: tuple[ProfileFill, ...]
    event_numbers: Mapping[str, int]
    event_categories: Mapping[str, int]
    states: StateReader

    @cached_property
    def by_type(self) -> Mapping[str, Sequence[CompiledProfile]]:
        """The profiles that have each event type."""
        found: dict[str, list[CompiledProfile]] = {}
        for fill in self.fills:
            for name in fill.profile.document.events:
                found.setdefault(name, []).append(fill.profile)
        return found

    @cached_property
    def sources(self) -> Mapping[str, str]:
        """The profile of each feature that one fills."""
        return {name: fill.profile.name for fill in self.fills for name in fill.features}

    @cached_property
    def ragged_sources(self) -> Mapping[str, str]:
        """The profile of each ragged input that one fills, by its name."""
        return {
            kind.name: fill.profile.name
            for fill in self.fills
            for kind, place in ((SEQUENCE, fill.sequence), (NEIGHBORS, fill.neighbors))
            if place is not None
        }
