"""The results of recording events, and of reading and forgetting profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from google.protobuf.timestamp_pb2 import Timestamp

from scoreline.decoding.results import ProfileState
from scoreline.v1 import profiles_pb2
from scoreline.v1 import scoring_pb2 as pb

LATE = "LATE"
"""The reason of an event whose time is before what may still change in its profile."""


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """An event that the answered call did not add; the others of the call are not affected.

    ``reason`` is one of docs/reference/errors.md, or "LATE" for an event whose time is before what may still change in
    the profile. That is also the reason of an event that an earlier call kept, where the answer of that call was lost
    and the event was folded before it was sent again: the event is counted, once.
    ``message`` says what is wrong; ``field`` is the wrong field of the event, empty where the whole call was refused.
    """

    profile: str
    entity_id: str
    type: str
    id: str
    reason: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class EventsReport:
    """What became of the events that were recorded since the last report. All of them are answered.

    Attributes:
        kept: how many are in the server's store.
        repeated: how many had been recorded before; they changed nothing.
        refused: those that the answered call did not add, in the order in which they were recorded, the newest 1,000.
        refused_count: how many there are of those.
    """

    kept: int = 0
    repeated: int = 0
    refused: tuple[RefusedEvent, ...] = ()
    refused_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityProfile:
    """What a profile says of one entity, as of a time.

    Attributes:
        time: the features are of the events before it.
        state: READ, or NEW for an entity without events before the time.
        features: numbers and categories by name; None where a value is missing.
        sequences: by feature, a mapping per step, oldest first.
        neighbors: by feature, the ids of connected entities.
        newest_event_time: of all events that are stored; None for none.
        pending_count: how many events are stored one by one, because earlier ones may still come.
    """

    time: datetime
    state: ProfileState
    features: Mapping[str, float | str | None]
    sequences: Mapping[str, Sequence[Mapping[str, float | str]]] = field(default_factory=dict)
    neighbors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    newest_event_time: datetime | None = None
    pending_count: int = 0

    @classmethod
    def from_message(cls, message: profiles_pb2.GetEntityProfileResponse) -> Self:
        """Decodes the server's response."""
        newest = message.newest_event_time if message.HasField("newest_event_time") else None
        return cls(
            time=_moment(message.time),
            state=ProfileState(message.state),
            features={name: _plain(value) for name, value in sorted(message.features.items())},
            sequences={
                name: tuple({**step.features, **step.categories} for step in sequence.steps)
                for name, sequence in sorted(message.sequences.items())
            },
            neighbors={name: tuple(ids.entity_ids) for name, ids in sorted(message.neighbors.items())},
            newest_event_time=None if newest is None else _moment(newest),
            pending_count=message.pending_count,
        )


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The result of ``forget``.

    Attributes:
        profiles: those that held something of the entity; all of it is removed.
        remaining: what still holds data of the entity and how to remove it, one sentence each.
    """

    profiles: tuple[str, ...] = ()
    remaining: tuple[str, ...] = ()


def _plain(value: pb.Value) -> float | str | None:
    kind = value.WhichOneof("kind")
    return None if kind is None else getattr(value, kind)


def _moment(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=UTC)
