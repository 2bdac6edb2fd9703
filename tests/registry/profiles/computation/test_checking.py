"""Events are refused with one clear line, and normalized where they are accepted."""

import math
from typing import Any

import pytest

from scoreline_registry.profiles.events import Event, EventError
from tests.registry.profiles.computation.samples import computation

COMPUTED = computation("n: {aggregate: count}")
GOOD: dict[str, Any] = {"entity": "ada", "id": "1", "time": 5, "type": "purchase", "fields": {"amount": 3}}


def test_an_accepted_event_has_floats_and_lacks_what_is_missing() -> None:
    fields = {"amount": 3, "category": None, "method": "card"}
    event = COMPUTED.event_of("ada", "1", 5, "purchase", fields)
    assert event == Event("ada", "1", 5, "purchase", {"amount": 3.0, "method": "card"})
    assert isinstance(event.fields["amount"], float)
    assert COMPUTED.check(event) == event
    assert COMPUTED.event_of("ada", "1", 5, "purchase", {"amount": math.nan}).fields == {}
    assert COMPUTED.event_of("ada", "1", 5, "purchase", {"amount": True}).fields == {"amount": 1.0}
    assert str(COMPUTED.event_of("ada", "1", 5, "purchase", {"amount": -0.0}).fields["amount"]) == "0.0"


def test_an_event_at_hand_needs_no_id() -> None:
    assert COMPUTED.at_hand("ada", 5, "purchase", {}).id == ""


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"entity": ""}, "entity_id", "1 to 256 printable characters, not ''"),
        ({"entity": "a" * 257}, "entity_id", "has 257 characters; at most 256 are allowed"),
        ({"id": ""}, "id", "1 to 128 printable characters"),
        ({"id": "a\n"}, "id", r"not 'a\\n'"),
        ({"time": -1}, "time", "from 1970 to 2262"),
        ({"time": 2**63}, "time", "from 1970 to 2262"),
        ({"type": "sale"}, "type", "unknown event type 'sale'; "),
        ({"type": "x" * 10_000_000}, "type", "^type: unknown event type 'x{60}'; "),
        ({"fields": {"price": 1}}, "price", "^price: unknown field; "),
        ({"fields": {"amount": "12"}}, "amount", "'12' is not a number"),
        ({"fields": {"amount": math.inf}}, "amount", "a finite number from -1e30 to 1e30"),
        ({"fields": {"amount": 10**400}}, "amount", "a finite number from -1e30 to 1e30"),
        ({"fields": {"category": 7}}, "category", "7 is not a text"),
        ({"fields": {"category": "x" * 10_000_000}}, "category", r"has 10,000,000 characters; .*: 'x{60}'\.\.\.$"),
        ({"fields": {"category": "\ud800"}}, "category", "printable characters"),
    ],
)
def test_a_wrong_event_is_refused(change: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(EventError, match=message) as refused:
        COMPUTED.event_of(**{**GOOD, **change})
    assert refused.value.field == field
    assert len(str(refused.value)) < 300
