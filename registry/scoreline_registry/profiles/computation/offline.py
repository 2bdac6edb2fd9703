"""Features of a log of many entities, as of any times: what was live then, bit for bit."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scoreline_registry.profiles.computation.computation import Computation, Reading
from scoreline_registry.profiles.events import Event


class Cut(NamedTuple):
    """Where a log is read: the features of an entity as of a time, of its events strictly before.

    Attributes:
        entity: whose features.
        at: microseconds since 1970.
        event: the event at hand, if there is one; it makes no difference whether the log has it.
    """

    entity: str
    at: int
    event: Event | None = None


def ordered(events: Iterable[Event]) -> list[Event]:
    """A log in the order in which it is replayed: by entity, time and id. Of several with one id, the first is kept."""
    kept: dict[tuple[str, str], Event] = {}
    for event in events:
        kept.setdefault((event.entity, event.id), event)
    return sorted(kept.values(), key=lambda event: (event.entity, event.time, event.id))


def replay(computation: Computation, events: Iterable[Event], cuts: Iterable[Cut]) -> Iterator[Reading]:
    """The reading at each cut, one after another, with one state in memory.

    Args:
        computation: of the profile.
        events: the log, as ``ordered`` gives it.
        cuts: by entity and time. Entities are in the order of their code points, as those of events.
    """
    log = iter(events)
    event, entity, state = next(log, None), None, computation.empty()
    for cut in cuts:
        if cut.entity != entity:
            entity, state = cut.entity, computation.empty()
            while event is not None and event.entity < entity:
                event = next(log, None)
        while event is not None and event.entity == entity and event.time < cut.at:
            computation.fold(state, event)
            event = next(log, None)
        yield computation.view(state, at=cut.at, event=cut.event)
