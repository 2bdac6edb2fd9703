"""Messages as events."""

import json

import pytest

from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.events.kafka.messages import MAX_BYTES, MessageReader, Received
from tests.server.events.kafka.brokers import purchase
from tests.server.events.spending import SECOND, spending

AT = 1_790_000_000


def message(value: object, *, key: bytes = b"", timestamp: int = -1) -> Received:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Received("spend", 2, 41, key, data, timestamp)


def read(value: object, *, key: bytes = b"", timestamp: int = -1, **options: str) -> Event | EventError:
    columns = {name: name_there for name, name_there in options.items() if name in {"entity_id", "id", "time"}}
    fields = {name: name_there for name, name_there in options.items() if name in {"amount", "category"}}
    return MessageReader(spending(), columns=columns, fields=fields, type=options.get("type", "")).event(
        message(value, key=key, timestamp=timestamp)
    )


def test_the_fields_stand_beside_the_rest_or_in_an_object_of_their_own() -> None:
    flat = purchase("ann", 1, 5, 12.5)
    nested = {**flat, "fields": {"amount": 12.5, "category": "food"}}
    del nested["amount"], nested["category"]
    event = read(flat)
    assert isinstance(event, Event)
    assert (event.entity, event.id, event.type) == ("ann", "p-1", "purchase")
    assert event.fields == {"amount": 12.5, "category": "food"}
    assert read(nested) == event


def test_what_a_message_lacks_is_taken_from_its_place_key_and_timestamp() -> None:
    event = read({"type": "purchase", "amount": 3}, key=b"bob", timestamp=AT * 1000 + 7)
    assert isinstance(event, Event)
    assert (event.entity, event.id, event.time) == ("bob", "spend-2-41", AT * SECOND + 7000)


def test_members_may_be_called_otherwise_and_others_are_passed_over() -> None:
    value = {"customer": "ann", "at": "2026-10-01T00:00:00Z", "total": 9, "shop": "north"}
    event = read(value, entity_id="customer", time="at", amount="total", type="purchase")
    assert isinstance(event, Event)
    assert (event.entity, event.fields) == ("ann", {"amount": 9.0})


@pytest.mark.parametrize(
    ("value", "field", "problem"),
    [
        (b"\xff{", "message", "is not JSON"),
        (b"[" * 100_000, "message", "is not JSON"),
        (b"[1]", "message", "is not a JSON object"),
        (b"", "message", "is not JSON"),
        (b'{"a": "' + b"x" * MAX_BYTES + b'"}', "message", "bytes; an event has at most 1,048,576"),
        ({**purchase("ann", 1, 5), "fields": 3}, "fields", "is not a JSON object"),
        ({**purchase("ann", 1, 5), "fields": {"amuont": 3}}, "amuont", "is no field of the profile; there are amount"),
        ({**purchase("ann", 1, 5), "amount": "much"}, "amount", "takes a number, not 'much'"),
        ({**purchase("ann", 1, 5), "type": "refund"}, "type", "refund"),
        ({**purchase("ann", 1, 5), "time": 5}, "time", "texts such as 2026-11-01T12:30:00Z"),
        ({**purchase("ann", 1, 5), "time": None}, "time", "is missing"),
        ({**purchase("ann", 1, 5), "entity_id": None}, "entity_id", "is missing"),
    ],
)
def test_what_is_no_event_has_one_clear_error(value: object, field: str, problem: str) -> None:
    error = read(value)
    assert isinstance(error, EventError)
    assert error.field == field
    assert problem in error.message
