"""Pending events as bytes: each is a MessagePack array of id, time, type and fields, one behind the other."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgpack

from scoreline_registry.profiles.events import Event, FieldValue
from scoreline_server.errors import DamagedEntitiesError

_ARRAY_32 = b"\xdd"


def pack_event(event: Event) -> bytes:
    """Encodes an event without its entity, beside which it is stored."""
    packed: bytes = msgpack.packb((event.id, event.time, event.type, dict(event.fields)))
    return packed


def start_of(event_id: str) -> bytes:
    """The bytes that a packed event with this id begins with."""
    packed: bytes = b"\x94" + msgpack.packb(event_id)
    return packed


def unpack_events(entity: str, packed: bytes, count: int) -> list[Event]:
    """Decodes the pending events of an entity, in order of their places. Raises DamagedEntitiesError."""
    with _damage(entity):
        return sorted((Event(entity, *each) for each in _arrays(packed, count)), key=_place)


def unpack_ids(entity: str, packed: bytes, count: int) -> set[str]:
    """Decodes the ids of the pending events of an entity. Raises DamagedEntitiesError."""
    with _damage(entity):
        return {each[0] for each in _arrays(packed, count)}


def _arrays(packed: bytes, count: int) -> list[tuple[str, int, str, dict[str, FieldValue]]]:
    # As one array, because the library's reader of a stream sets up a buffer of its own each time.
    arrays: list[tuple[str, int, str, dict[str, FieldValue]]] = msgpack.unpackb(
        _ARRAY_32 + count.to_bytes(4, "big") + packed
    )
    return arrays


@contextmanager
def _damage(entity: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        raise DamagedEntitiesError([entity]) from error


def _place(event: Event) -> tuple[int, str]:
    return event.time, event.id
