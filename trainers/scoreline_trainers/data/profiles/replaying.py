"""Replays events through a profile and reads it at each row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from scoreline_registry.profiles.computation.computation import Computation, Reading
from scoreline_registry.profiles.computation.histories import Step
from scoreline_registry.profiles.computation.offline import Cut, replay
from scoreline_registry.profiles.events import Event, EventError
from scoreline_trainers.data.batch import Bools, Float64
from scoreline_trainers.data.profiles.event_tables import EventTable, events_of
from scoreline_trainers.data.profiles.rows import ProfileRows
from scoreline_trainers.errors import DataError

_AT_ONCE = 10_000
"""Readings that are held as Python objects at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What a profile says at each of N rows.

    Attributes:
        numbers: feature -> float64 [N], NaN where missing.
        categories: feature -> N names, None where missing.
        steps: the steps of the sequence at each row, oldest first; empty where no sequence was asked for.
        neighbors: the ids of each row's neighbors; empty where none were asked for.
        is_new: bool [N], where the entity has no event before the row.
    """

    numbers: Mapping[str, Float64]
    categories: Mapping[str, Sequence[str | None]]
    steps: Sequence[Sequence[Step]]
    neighbors: Sequence[Sequence[str]]
    is_new: Bools


def replayed(
    computation: Computation,
    events: EventTable,
    rows: ProfileRows,
    *,
    features: Sequence[str],
    sequence: str | None = None,
    neighbors: str | None = None,
) -> Read:
    """The features of a profile at each row, of the events strictly before it.

    Args:
        computation: of the profile.
        events: by entity, time and id.
        rows: by entity and moment.
        features: numbers and categories that are read.
        sequence, neighbors: that are read, if any.

    Raises:
        DataError: an event does not fit the profile.
    """
    kinds = computation.profile.kinds
    numbers, categories = ([name for name in features if kinds[name] == kind] for kind in ("number", "category"))
    blocks = [np.empty((0, len(numbers)))]
    texts: list[list[str | None]] = []
    steps, near, new = list[list[Step]](), list[tuple[str, ...]](), list[bool]()
    for block in _blocks(_readings(computation, events, rows)):
        blocks.append(np.array([[each.numbers[name] for name in numbers] for each in block], np.float64))
        texts += [[each.categories[name] for name in categories] for each in block]
        steps += [each.sequences[sequence] for each in block] if sequence is not None else []
        near += [each.neighbors[neighbors] for each in block] if neighbors is not None else []
        new += [each.is_new for each in block]
    values = np.concatenate(blocks)
    return Read(
        {name: values[:, at] for at, name in enumerate(numbers)},
        {name: [row[at] for row in texts] for at, name in enumerate(categories)},
        steps,
        near,
        np.array(new, np.bool_),
    )


def _readings(computation: Computation, events: EventTable, rows: ProfileRows) -> Iterator[Reading]:
    log = (_checked(computation.check, event) for event in events_of(events.frame))
    at_hand = (each and _checked(_without_id(computation), each) for each in rows.at_hand())
    cuts = map(Cut, rows.entities, rows.moments.tolist(), at_hand)
    return replay(computation, log, cuts)


def _blocks(readings: Iterable[Reading]) -> Iterator[list[Reading]]:
    left = iter(readings)
    while block := list(islice(left, _AT_ONCE)):
        yield block


def _without_id(computation: Computation) -> Callable[[Event], Event]:
    return lambda event: computation.at_hand(event.entity, event.time, event.type, event.fields)


def _checked(check: Callable[[Event], Event], event: Event) -> Event:
    try:
        return check(event)
    except EventError as error:
        about = f"event {event.id!r}" if event.id else "the event at hand"
        raise DataError("", f"{about} of entity {event.entity!r}: {error}") from error
