"""What an event is: its values, their checks, and how they are sent."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from scoreline import Columns, Entity, Event, InvalidRequestError
from scoreline.encoding.events import recorded
from scoreline.encoding.packing import pack_columns, pack_entities
from scoreline.encoding.row import join_rows, pack_row
from tests.clients.sums import route_schema

NOON = 1_795_262_400 * 10**9
"""21 November 2026 at noon, UTC, in ns since 1970."""
PURCHASE = {"type": "purchase", "amount": 42.0, "category": "food"}


def test_a_mapping_holds_the_type_and_the_fields_side_by_side() -> None:
    given = {**PURCHASE, "time": NOON, "id": "e-1"}
    assert Event.of(given) == Event("purchase", {"amount": 42.0, "category": "food"}, time=NOON, id="e-1")
    event = Event("purchase", {"type": "gift"})
    assert Event.of(event) is event


def test_an_event_is_sent_as_it_was_given() -> None:
    moment = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=1)))
    fields: dict[str, Any] = {"amount": Decimal("1.5"), "count": 3, "gift": True, "score": np.float32(0.5)}
    fields |= {"shop": "é", "gone": None, "nan": np.nan}
    message = Event("purchase", fields, time=moment, id="e-1").message()
    assert (message.type, message.id) == ("purchase", "e-1")
    assert message.time.ToDatetime(tzinfo=UTC) == moment
    numbers = {name: value.number for name, value in message.fields.items() if value.WhichOneof("kind") == "number"}
    assert numbers == {"amount": 1.5, "count": 3.0, "gift": 1.0, "score": 0.5}
    assert message.fields["shop"].text == "é"
    assert {name for name, value in message.fields.items() if value.WhichOneof("kind") is None} == {"gone", "nan"}
    assert not Event("purchase").message().HasField("time")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"amount": 1.0}, "event: lacks its type"),
        ("purchase", "event: takes an Event or a mapping with its type, not str"),
        ({"type": ""}, "type: must be 1 to 128 printable characters"),
        ({"type": 7}, "type: takes text, not int"),
        ({"type": "buy", "amount": [1]}, "amount: takes a number or a text, not list"),
        ({"type": "buy", "amount": float("inf")}, "amount: must be finite"),
        ({"type": "buy", "amount": 1e31}, "amount: must be at most 1e+30 in size"),
        ({"type": "buy", "shop": "x" * 257}, "shop: must be at most 256 characters, not 257"),
        ({"type": "buy", "shop": "\ud800"}, "shop: holds half of a surrogate pair"),
        ({"type": "buy", 5: 1.0}, "fields: takes names as text"),
        ({"type": "buy", "time": datetime(2026, 1, 1)}, "time: has no timezone"),  # noqa: DTZ001  that is the mistake
        ({"type": "buy", "time": -1}, "time: must be from 1970 to 2262"),
        ({"type": "buy", "id": "a\nb"}, "id: must be 1 to 128 printable characters"),
    ],
)
def test_a_wrong_value_is_named(given: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Event.of(given)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize("moment", [0, NOON // 10**9, NOON // 10**6, np.int64(NOON // 1000), 315_532_800 * 10**9 - 1])
def test_a_time_in_another_unit_is_refused(moment: int) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Event.of({"type": "visit", "time": moment})
    assert raised.value.metadata["field"] == "time"
    assert raised.value.message.startswith(f"time: {moment} is before 1980 in ns since 1970")
    assert raised.value.message.endswith("send a datetime with a timezone, or ns since 1970, such as time.time_ns()")


def test_a_time_before_1980_is_taken_as_a_datetime() -> None:
    assert Event("visit", time=datetime(1975, 1, 1, tzinfo=UTC)).time == 157_766_400 * 10**9
    assert Event("visit", time=315_532_800 * 10**9).time == 315_532_800 * 10**9


def test_a_recorded_event_gets_a_time_and_an_id_of_its_own() -> None:
    first, second = (recorded(17, Event("visit"), now=3 * 10**9 + 7) for _ in range(2))
    assert first.entity_id == "17"
    assert (first.event.time.seconds, first.event.time.nanos) == (3, 7)
    assert len(first.event.id) == 32
    assert first.event.id != second.event.id
    kept = recorded("c-17", Event("visit", time=NOON + 1, id="mine"), now=5)
    assert (kept.event.id, kept.event.time.nanos) == ("mine", 1)


@pytest.mark.parametrize("entity_id", ["", "x" * 257, "a\0", None, 1.5, True])
def test_an_entity_id_that_cannot_be_one_is_refused(entity_id: object) -> None:
    with pytest.raises(InvalidRequestError, match="entity_id"):
        recorded(entity_id, Event("visit"), now=5)


def test_events_at_hand_go_with_their_rows() -> None:
    schema = route_schema()
    entities = [Entity(features={"income": 1.0}), Entity(features={"income": 2.0}, event=PURCHASE), Entity()]
    block = pack_entities(entities, schema)
    assert [event.type for event in block.message(0, 3).events] == ["", "purchase", ""]
    assert [event.type for event in block.message(1, 2).events] == ["purchase"]
    alike = join_rows([pack_row(entity, schema) for entity in entities], schema.digest)
    assert alike == block.message(0, 3)
    columns = Columns(features={"income": [1.0, 2.0, None]}, events=[None, PURCHASE, None])
    assert list(pack_columns(columns, schema).message(0, 3).events) == list(alike.events)
    assert list(pack_columns(columns.rows(1, 3), schema).message(0, 2).events) == list(alike.events)[1:]
    assert list(pack_columns(columns.rows(0, 3).only([1]), schema).message(0, 1).events) == list(alike.events)[1:2]
    large = Entity(event={"type": "purchase", "note": "x" * 200})
    assert pack_row(large, schema).size > pack_row(Entity(), schema).size + 200
    assert int(pack_entities([large], schema).row_bytes()[0]) >= 200


def test_rows_without_events_send_none() -> None:
    schema = route_schema()
    assert not pack_entities([Entity(), Entity()], schema).message(0, 2).events
    assert not join_rows([pack_row(Entity(), schema)], schema.digest).events


def test_a_wrong_event_names_its_row() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        pack_entities([Entity(), Entity(event={"type": "buy", "amount": [1]})], route_schema(), first_row=10)
    assert raised.value.message == "row 11: event.amount: takes a number or a text, not list"
    assert raised.value.metadata["row"] == "11"
    with pytest.raises(InvalidRequestError, match="events"):
        pack_columns(Columns(features={"income": [1.0, 2.0]}, events=[PURCHASE]), route_schema())
