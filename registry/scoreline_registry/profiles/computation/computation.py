"""The computation of one profile: events into states, states into features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from scoreline_registry.profiles.computation.checking import EventChecker, Given
from scoreline_registry.profiles.computation.histories import NeighborReader, SequenceReader, Step
from scoreline_registry.profiles.computation.plan import Plan
from scoreline_registry.profiles.computation.readers import CategoryReader, Moment, NumberReader
from scoreline_registry.profiles.computation.state import State, StateCodec
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile import Profile

Place: TypeAlias = tuple[int, str]

_PLACE = attrgetter("time", "id")


class Reading(NamedTuple):
    """The features of one entity as of one time.

    Attributes:
        numbers: each number feature, NaN where it is missing and has no default.
        categories: each category feature, None where it is missing and has no default.
        sequences: the steps of each sequence, oldest first; a step lacks the columns that its event lacks.
        neighbors: the ids of each neighbors feature, newest first.
        is_new: whether there is no event before the time.
    """

    numbers: Mapping[str, float]
    categories: Mapping[str, str | None]
    sequences: Mapping[str, list[Step]]
    neighbors: Mapping[str, tuple[str, ...]]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Readers:
    """The reader of each feature, with its default, in the order in which they are read."""

    categories: list[tuple[str, CategoryReader, str | None]] = field(default_factory=list)
    numbers: list[tuple[str, NumberReader, float]] = field(default_factory=list)
    sequences: list[tuple[str, SequenceReader]] = field(default_factory=list)
    neighbors: list[tuple[str, NeighborReader]] = field(default_factory=list)


class Computation:
    """Folds events into states and reads features from them.

    Events of one entity are always folded in order of (time, id). Then the state depends on the events alone, not on
    when or in how many steps they were folded.

    Attributes:
        profile: what it computes.
    """

    def __init__(self, profile: Profile, plan: Plan, readers: Readers) -> None:
        self.profile = profile
        self._readers = readers
        self._groups = plan.groups
        self._clocks = tuple(plan.clocks)
        self._bounds = tuple(plan.bounds)
        self._codec = StateCodec(plan.keys)
        self._checker = EventChecker(profile.events)

    def check(self, event: Event) -> Event:
        """The event as it is recorded: numbers as float64, missing fields left out. Raises EventError."""
        return self._checker.event(*event)

    def event_of(self, entity: str, id: str, time: int, type: str, fields: Mapping[str, Given]) -> Event:  # noqa: A002
        """An event of its parts, checked; None and NaN are missing. Raises EventError."""
        return self._checker.event(entity, id, time, type, fields)

    def at_hand(self, entity: str, time: int, type: str, fields: Mapping[str, Given]) -> Event:  # noqa: A002
        """An event that is scored and has no id, checked like one that is recorded. Raises EventError."""
        return self._checker.at_hand(entity, time, type, fields)

    def empty(self) -> State:
        """The state before the first event."""
        return self._codec.empty()

    def encode(self, state: State) -> bytes:
        """The bytes of a state."""
        return self._codec.encode(state)

    def decode(self, encoded: bytes) -> State:
        """The state of bytes; no bytes are the empty state. Raises StateFormatError."""
        return self._codec.decode(encoded)

    def fold(self, state: State, event: Event) -> None:
        """Folds one event into a state in place; its place must be after those of all events in the state.

        An event of a type that the profile does not have changes nothing.
        """
        groups = self._groups.get(event.type)
        if groups is None:
            return
        series, time = state.series, event.time
        state.newest = time
        for place, clock in self._clocks:
            clock.tick(series[place], time)
        for condition, clock_place, length, adds in groups:
            if condition is None or condition.matches(event.fields):
                index = time // length if clock_place < 0 else series[clock_place][0]
                for place, add in adds:
                    add(series[place], index, event)

    def advance(
        self, folded: bytes, pending: Sequence[Event], *, until: int
    ) -> tuple[bytes, Place | None, list[Event]]:
        """Folds the pending events with ``time < until`` into an encoded state.

        Args:
            folded: the encoded state.
            pending: events after those in it, each id once.
            until: microseconds since 1970.

        Returns:
            The new encoded state, the place of the last event in it (None where no event was folded), and the events
            that are still pending, in order of their places.
        """
        ordered = sorted(pending, key=_PLACE)
        count = sum(event.time < until for event in ordered)
        if not count:
            return folded, None, ordered
        state = self.decode(folded)
        for event in ordered[:count]:
            self.fold(state, event)
        return self.encode(state), _PLACE(ordered[count - 1]), ordered[count:]

    def read(self, folded: bytes, pending: Sequence[Event], *, at: int, event: Event | None = None) -> Reading:
        """The features as of a time, of the events strictly before it.

        Args:
            folded: the encoded state, all of whose events are before ``at``. Otherwise the features are as of its
                newest event, and of that too: what is folded together cannot be told apart.
            pending: events after those in it, each id once.
            at: microseconds since 1970.
            event: the event at hand, which features may compare with the past.
        """
        state = self.decode(folded)
        for each in sorted(pending, key=_PLACE):
            if each.time >= at:
                break
            self.fold(state, each)
        return self.view(state, at=at, event=event)

    def view(self, state: State, *, at: int, event: Event | None = None) -> Reading:
        """``read`` of a state, which is not changed."""
        series = state.series
        if state.newest is not None and state.newest > at:
            at = state.newest
        moment = Moment(series, at, [bound(series, at) for bound in self._bounds], event)
        for name, read_category, default_text in self._readers.categories:
            text = read_category(moment)
            moment.categories[name] = default_text if text is None else text
        numbers = moment.numbers
        for name, read_number, default in self._readers.numbers:
            value = read_number(moment)
            numbers[name] = value if value == value else default  # noqa: PLR0124 - NaN
        return Reading(
            numbers,
            moment.categories,
            {name: read_steps(moment) for name, read_steps in self._readers.sequences},
            {name: read_names(moment) for name, read_names in self._readers.neighbors},
            state.newest is None,
        )
