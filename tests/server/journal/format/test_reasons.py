"""Reasons stand in the block of their scores, and only where some were asked for."""

import json
from pathlib import Path

import pytest

from scoreline_registry.registry import Registry
from scoreline_server.forgetting.folder import forget
from scoreline_server.journal.format.columns import RESULT_COLUMNS, Column
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.journal.reading.records import Records
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.reasons.codes import ReasonCode, RowReasons
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named


@pytest.fixture
def catalog(registry: Registry) -> Catalog:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    return catalog_of(registry)


def reasons(*codes: tuple[str, float]) -> RowReasons:
    return RowReasons(tuple(ReasonCode(name, "1", value, 0.0, "", "") for name, value in codes), 0.0, 1.0, 0.0, 0.0)


def journaled(catalog: Catalog, folder: Path) -> Records:
    """Rows of two calls, the first without reasons."""
    journal = journal_in(folder)
    _, plain = scored(catalog, named(entity("plain", income=1.0)))
    _, asked = scored(catalog, named(*(entity(name, income=1.0) for name in ("a", "b", "c"))))
    asked[0].results.explanations = [reasons(("debt", -0.5), ("age", 0.25)), None, reasons(("age", 1.5))]
    for batch in (*plain, *asked):
        journal(batch)
    journal.close()
    (records,) = read_records([folder])
    return records


def test_reasons_are_read_with_their_rows(catalog: Catalog, tmp_path: Path) -> None:
    rows = {row["entity_id"]: row["reasons"] for row in journaled(catalog, tmp_path).rows()}
    assert json.loads(rows.pop("a")) == [["debt", -0.5], ["age", 0.25]]
    assert json.loads(rows.pop("c")) == [["age", 1.5]]
    assert rows == {"plain": None, "b": None}


def test_blocks_without_reasons_have_no_column_for_them(catalog: Catalog, tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal(scored(catalog, named(entity("a", income=1.0)))[1][0])
    journal.close()
    (records,) = read_records([tmp_path])
    assert Column.REASON_COUNTS not in records.raw
    assert "reasons" not in {*records.types, *records.columns}


def test_retention_keeps_reasons_and_forgetting_takes_those_of_the_entity(catalog: Catalog, tmp_path: Path) -> None:
    records = journaled(catalog, tmp_path)
    slim = {column: data for column, data in records.raw.items() if column in RESULT_COLUMNS}
    assert Records(records.file, records.route.slim(), slim).columns["reasons"] == records.columns["reasons"]
    before = list(records.rows())
    forget(tmp_path, "a")
    (left,) = read_records([tmp_path])
    assert list(left.rows()) == [before[0], *before[2:]]
