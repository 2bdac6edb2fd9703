"""Entities out of files and command lines, typed by the route's schema."""

import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from scoreline import Entity, InvalidRequestError
from scoreline.cli.rows import InputOptions, InputRow, from_csv, from_json_lines, from_pairs, from_parquet
from tests.clients.sums import route_schema

SCHEMA = route_schema(numbers=("income", "age"), categories=("status",))


def entities(rows: Iterable[InputRow]) -> list[Entity]:
    """The entity of each row. Raises the error of the first row that has one."""
    found = []
    for row in rows:
        if row.entity is None:
            raise row.error or AssertionError("neither an entity nor an error")
        found.append(row.entity)
    return found


def file(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def csv(text: str, **options: Any) -> list[Entity]:
    return entities(from_csv(file(text), SCHEMA, InputOptions(**options)))


def json_lines(lines: Iterable[str], **options: Any) -> list[Entity]:
    return entities(from_json_lines(file("\n".join(lines)), SCHEMA, InputOptions(**options)))


def test_wrong_lines_stand_in_their_places() -> None:
    text = 'entity_id,income\na,much\nb,2\nc,3,4\nd,4\n"e"x,5\nf,6\n'
    read = list(from_csv(file(text), SCHEMA, InputOptions()))
    assert [(line.place, line.entity_id, line.entity is not None) for line in read] == [
        ("line 2", "a", False),
        ("line 3", "b", True),
        ("line 4", "", False),
        ("line 5", "d", True),
        ("line 6", "", False),
        ("line 7", "f", True),
    ]  # fmt: skip
    lines = '{"income": 1}\n{\n{"income": 3}\n'
    rows = from_json_lines(file(lines), SCHEMA, InputOptions())
    assert [row.error is None for row in rows] == [True, False, True]


def test_csv_columns_are_ids_features_and_context() -> None:
    rows = csv("entity_id,income,age,status,context.segment\nc-1,1e3,,ok,gold\nc-2,true,nan,,7\n")
    assert rows[0] == Entity(
        entity_id="c-1",
        features={"income": 1000.0, "age": None, "status": "ok"},
        context={"segment": "gold"},
    )
    assert (rows[1].features["income"], rows[1].features["status"], rows[1].context) == (True, None, {"segment": 7.0})


def test_the_id_may_have_another_column_and_digits_stay_text() -> None:
    assert csv("customer,income\n0017,1\n", id_column="customer")[0].entity_id == "0017"


def test_a_category_that_looks_like_a_number_stays_text() -> None:
    assert csv("status\n3\n")[0].features == {"status": "3"}


def test_unknown_columns_are_kept_for_the_client_to_refuse_unless_told_otherwise() -> None:
    assert csv("income,label\n1,0\n")[0].features == {"income": 1.0, "label": "0"}
    assert csv("income,label\n1,0\n", known_only=True)[0].features == {"income": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("income\nmuch\n", "line 2: 'income' takes a number, not 'much'"),
        ("income,age\n1,2\n1\n", "line 3: has 1 fields, the header has 2"),
        ("income,income\n1,2\n", "line 1: duplicate column 'income'"),
        ('income\n"1\n', "line 2: is not CSV"),
    ],
)
def test_a_wrong_csv_line_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{message}"):
        csv(text)


def test_json_lines_are_flat_or_nested() -> None:
    flat, nested, empty = json_lines(
        [
            '{"entity_id": 17, "income": 1, "status": "ok", "context": {"segment": "gold"}}',
            "",
            '{"entity_id": "c", "features": {"age": null}, "sequence": [{"spend": 1}]}',
            "{}",
        ]
    )
    assert flat == Entity(entity_id=17, features={"income": 1, "status": "ok"}, context={"segment": "gold"})
    assert nested == Entity(entity_id="c", features={"age": None}, sequence=[{"spend": 1}])
    assert empty == Entity()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: is not JSON: .* at column 2"),
        ("[1]", "line 1: must be a JSON object"),
        ('{"context": 3}', "line 1: 'context' must be an object"),
    ],
)
def test_a_wrong_json_line_is_named(line: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{message}"):
        json_lines([line])


def test_input_that_is_not_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="not UTF-8"):
        list(from_csv(io.BytesIO(b"income\n\xff\n"), SCHEMA, InputOptions()))


def test_input_that_is_not_parquet_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="the input is not Parquet"):
        list(from_parquet(file("income\n1\n"), SCHEMA, InputOptions()))


@pytest.mark.parametrize(
    ("pairs", "features", "context"),
    [
        (["income=4.5", "status=a=b"], {"income": 4.5, "status": "a=b"}, {}),
        (["income=", "context.vip=true", "context.channel="], {"income": None}, {"vip": True, "channel": None}),
    ],
)
def test_pairs_are_typed_by_the_schema(
    pairs: Sequence[str], features: dict[str, object], context: dict[str, object]
) -> None:
    entity = from_pairs(pairs, SCHEMA, entity_id="c-1")
    assert (entity.entity_id, entity.features, entity.context) == ("c-1", features, context)


def test_a_pair_needs_its_sign() -> None:
    with pytest.raises(InvalidRequestError, match="write NAME=VALUE"):
        from_pairs(["income"], SCHEMA, entity_id="")


def test_json_lines_carry_neighbors_unless_a_feature_has_the_name() -> None:
    line = '{"income": 1, "neighbors": [{"late": 2}]}'
    assert json_lines([line])[0] == Entity(features={"income": 1}, neighbors=[{"late": 2}])
    named = route_schema(numbers=("income", "neighbors"))
    (read,) = from_json_lines(file('{"neighbors": 3}'), named, InputOptions())
    assert read.entity == Entity(features={"neighbors": 3})


def test_an_event_is_json_in_every_form() -> None:
    event = {"type": "purchase", "amount": 12.5}
    wanted = Entity(entity_id="c", features={"income": 1.0}, event=event)
    assert csv('entity_id,income,event\nc,1,"{""type"": ""purchase"", ""amount"": 12.5}"\nd,2,\n') == [
        wanted,
        Entity(entity_id="d", features={"income": 2.0}),
    ]
    assert json_lines(['{"entity_id": "c", "income": 1.0, "event": {"type": "purchase", "amount": 12.5}}']) == [wanted]
    text = '{"type": "purchase", "amount": 12.5}'
    assert from_pairs(["income=1"], SCHEMA, entity_id="c", event=text) == wanted
    assert from_pairs([], SCHEMA, entity_id="c", event=text) == Entity(entity_id="c", event=event)


def test_the_time_of_an_event_is_iso_8601() -> None:
    noon = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
    for text in ("2026-11-01T12:30:00Z", "2026-11-01T12:30:00", "2026-11-01T13:30:00+01:00"):
        event = f'{{"type": "purchase", "time": "{text}"}}'
        wanted = Entity(entity_id="c", event={"type": "purchase", "time": noon})
        assert from_pairs([], SCHEMA, entity_id="c", event=event) == wanted
        assert json_lines([f'{{"entity_id": "c", "event": {event}}}']) == [wanted]
    with pytest.raises(InvalidRequestError, match="--event: the event's time 'noon' is not ISO 8601"):
        from_pairs([], SCHEMA, entity_id="c", event='{"type": "purchase", "time": "noon"}')


@pytest.mark.parametrize(("text", "message"), [("{", "Expecting property name"), ("[1]", "an event is a JSON object")])
def test_an_event_that_is_no_object_is_named(text: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"--event: .*{message}"):
        from_pairs([], SCHEMA, entity_id="c", event=text)
    with pytest.raises(InvalidRequestError, match=f"line 2: .*{message}"):
        csv(f'entity_id,event\nc,"{text}"\n')


def test_a_feature_may_be_called_event() -> None:
    schema = route_schema(numbers=("event",))
    (row,) = entities(from_json_lines(file('{"event": 2.0}'), schema, InputOptions()))
    assert row == Entity(features={"event": 2.0})
