"""Events from the rows of tables."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoreline.errors import InvalidRequestError
from scoreline_registry.profiles.events import Event, EventError
from scoreline_server.events.event_tables import content_id, event_columns, table_events
from tests.server.events.spending import SECOND, spending

PROFILE = spending()
NOON = 1_793_534_400 * SECOND
"""Noon of the first of November 2026."""


def events_of(
    path: Path, *, columns: dict[str, str] | None = None, fields: dict[str, str] | None = None, kind: str = ""
) -> list[Event | EventError]:
    return [event for part in table_events(path, PROFILE, columns=columns or {}, fields=fields or {}, type=kind)
            for event in part]  # fmt: skip


def test_the_fields_of_each_type_come_from_the_columns_of_their_names(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "entity_id,id,time,type,amount,category,page,note\n"
        "ann,1,2026-11-01T12:00:00,purchase,2.5,food,,x\n"
        "ann,2,2026-11-01T13:00:00+01:00,click,,,cart,x\n"
        "bob,3,2026-11-01,purchase,,,cart,x\n"
    )
    assert events_of(file) == [
        Event("ann", "1", NOON, "purchase", {"amount": 2.5, "category": "food"}),
        Event("ann", "2", NOON, "click", {"page": "cart"}),
        Event("bob", "3", NOON - 12 * 3600 * SECOND, "purchase", {}),
    ]


def test_parquet_keeps_its_types_and_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "orders.parquet"
    noon = datetime(2026, 11, 1, 12, tzinfo=UTC)
    table = {"customer": [7], "order": [12], "at": [noon], "total": [3], "kind": pa.array(["food"]).dictionary_encode()}
    pq.write_table(pa.table(table), file)
    columns, fields = {"entity_id": "customer", "id": "order", "time": "at"}, {"amount": "total", "category": "kind"}
    assert events_of(file, columns=columns, fields=fields, kind="purchase") == [
        Event("7", "12", NOON, "purchase", {"amount": 3.0, "category": "food"})
    ]


def test_rows_without_an_id_get_one_of_their_content(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    row = '{"entity_id": "ann", "time": "2026-11-01T12:00:00", "type": "purchase", "amount": 1'
    file.write_text(f'{row}}}\n{row}, "category": null}}\n{row}.5}}\n{row}, "id": "own"}}\n')
    first, same, other, own = events_of(file)
    assert isinstance(first, Event)
    assert isinstance(other, Event)
    assert isinstance(own, Event)
    assert first == same
    assert first.id == content_id("ann", NOON, "purchase", {"amount": 1})
    assert len({first.id, other.id, own.id}) == 3
    assert own.id == "own"


def test_wrong_rows_are_errors_in_their_places(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    rows = [
        ("ann,purchase,noon,1,food", "time: takes a column of times"),
        ("ann,purchase,,1,food", "time: is missing"),
        (",purchase,2026-11-01,1,food", "entity_id: is missing"),
        ("ann,refund,2026-11-01,1,food", "type: unknown event type 'refund'"),
        ("ann,purchase,2026-11-01,ten,food", "amount: takes a number, not 'ten'"),
        ("ann,purchase,2026-11-01,inf,food", "amount: write a finite number"),
    ]
    file.write_text("entity_id,type,time,amount,category\n" + "\n".join(row for row, _ in rows))
    for event, (row, text) in zip(events_of(file), rows, strict=True):
        assert isinstance(event, EventError), row
        assert text in str(event), row


@pytest.mark.parametrize(
    ("names", "given", "says"),
    [
        (["time", "type"], {}, "there is no column 'entity_id': name it with --column"),
        (["entity_id", "time"], {}, "there is no column 'type': name it with --column; or give --type"),
        (["entity_id", "time"], {"type": "refund"}, "unknown event type 'refund'; the profile has purchase, click"),
        (["entity_id", "time"], {"columns": {"id": "no"}}, "there is no column 'no' for id; there is 'entity_id'"),
        (["entity_id", "time"], {"type": "click", "fields": {"price": "time"}}, "unknown field 'price'"),
    ],
)
def test_columns_that_are_missing_are_named(names: list[str], given: dict[str, Any], says: str) -> None:
    options = {"columns": {}, "fields": {}, "type": "", **given}
    with pytest.raises(InvalidRequestError, match=says.replace("?", r"\?")):
        event_columns(names, PROFILE.document, **options)
