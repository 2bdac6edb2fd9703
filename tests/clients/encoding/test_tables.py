"""Data frames and Arrow tables pack like the same values in lists."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from scoreline import Columns, Entity, InvalidRequestError, RouteSchema
from scoreline.calls.chunks import pack_chunk
from scoreline.encoding.block import Block
from scoreline.encoding.row_chunks import RowChunk, row_chunks
from scoreline.encoding.tables import columns_of
from scoreline.errors import ScorelineError
from tests.clients.sums import route_schema

COUNT = 2500
INCOME: Sequence[float | None] = [None if row % 7 == 0 else float(row) for row in range(COUNT)]
VISITS: Sequence[int | None] = [None if row % 5 == 0 else row for row in range(COUNT)]
STATUS: Sequence[str | None] = [None if row % 3 == 0 else f"s{row % 4}" for row in range(COUNT)]
VIP: Sequence[bool | None] = [None if row % 11 == 0 else row % 2 == 0 for row in range(COUNT)]
IDS: Sequence[int] = [2**60 + row for row in range(COUNT)]
LISTS: dict[str, Sequence[Any]] = {"income": INCOME, "visits": VISITS, "vip": VIP, "status": STATUS}


class Stream:
    """A table that has the Arrow PyCapsule interface and nothing to index, such as a database's relation."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.columns = table.column_names

    def __getitem__(self, name: str) -> object:
        return object()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def nullable(lists: dict[str, Any]) -> pd.DataFrame:
    types = {"income": "Float64", "visits": "Int64", "vip": "boolean", "status": "string"}
    return pd.DataFrame({name: pd.Series(values, dtype=types.get(name, "Int64")) for name, values in lists.items()})


def unordered(lists: dict[str, Any]) -> pd.DataFrame:
    """With an index that no position is."""
    return pd.DataFrame(lists, index=np.linspace(9.5, -3.5, COUNT))


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas, an index of floats": unordered,
    "pandas, nullable types": nullable,
    "pandas, categories": lambda lists: pd.DataFrame(lists).astype({"status": "category"}),
    "pandas, Arrow types": lambda lists: nullable(lists).convert_dtypes(dtype_backend="pyarrow"),
    "Polars": pl.DataFrame,
    "Polars, categories": lambda lists: pl.DataFrame(lists).with_columns(pl.col("status").cast(pl.Categorical)),
    "Arrow": pa.table,
    "Arrow, chunked": lambda lists: pa.concat_tables([pa.table(lists).slice(0, 700), pa.table(lists).slice(700)]),
    "Arrow, dictionary": lambda lists: pa.table({**lists, "status": pa.array(lists["status"]).dictionary_encode()}),
    "Arrow, record batch": pa.RecordBatch.from_pydict,
    "Arrow, PyCapsule": lambda lists: Stream(pa.table(lists)),
    "a mapping of pandas series": lambda lists: dict(pd.DataFrame(lists)),
    "a mapping of Polars series": lambda lists: pl.DataFrame(lists).to_dict(),
}


@pytest.fixture(scope="module")
def schema() -> RouteSchema:
    return route_schema(numbers=("income", "visits", "vip"), categories=("status",))


def shown(rows: Any, schema: RouteSchema, **beside: Any) -> list[dict[str, Any]]:
    """All rows as they were packed; missing values as None."""
    return [row for batch in row_chunks(rows, **beside).chunks for row in _rows(batch.pack(schema), schema)]


def _rows(block: Block, schema: RouteSchema) -> list[dict[str, Any]]:
    words = [*block.dictionary, None]
    numbers = np.where(np.isnan(block.numbers), None, block.numbers.astype(object))  # type: ignore[call-overload]
    return [
        {
            "id": entity_id,
            **dict(zip(schema.numbers, number, strict=True)),
            **dict(zip(schema.categories, (words[code] for code in codes), strict=True)),
        }
        for entity_id, number, codes in zip(block.entity_ids, numbers.tolist(), block.categories, strict=True)
    ]


def expected() -> list[dict[str, Any]]:
    def number(value: float | None) -> float | None:
        return None if value is None else float(value)

    return [
        {"id": str(entity_id), "income": number(income), "visits": number(visits), "vip": number(vip), "status": status}
        for entity_id, income, visits, vip, status in zip(IDS, INCOME, VISITS, VIP, STATUS, strict=True)
    ]


@pytest.mark.parametrize("form", FORMS)
def test_a_table_packs_like_its_lists(form: str, schema: RouteSchema) -> None:
    table = FORMS[form](LISTS | {"id": IDS})
    assert shown(table, schema, entity_ids="id") == expected()


@pytest.mark.parametrize("form", FORMS)
def test_the_ids_may_stand_beside_the_table(form: str, schema: RouteSchema) -> None:
    table = FORMS[form](LISTS | {"id": IDS})
    columns = dict(table) if isinstance(table, dict) else columns_of(table)
    ids = columns.pop("id")
    assert shown(columns, schema, entity_ids=ids) == expected()


@pytest.mark.parametrize(
    "chunks",
    [
        lambda table: table.to_reader(max_chunksize=300),
        lambda table: table.to_batches(max_chunksize=300),
        lambda table: (part.to_pandas(types_mapper=pd.ArrowDtype) for part in table.to_batches(max_chunksize=300)),
        lambda table: pl.DataFrame(table).iter_slices(300),
    ],
    ids=["record batch reader", "record batches", "pandas frames", "Polars frames"],
)
def test_chunks_of_tables_follow_one_another(chunks: Callable[[Any], Any], schema: RouteSchema) -> None:
    assert shown(chunks(pa.table(LISTS | {"id": IDS})), schema, entity_ids="id") == expected()


@pytest.mark.parametrize(
    "ids",
    [IDS, np.array(IDS), np.array(IDS, np.uint64), np.array(IDS, object), tuple(map(np.int64, IDS)), pd.Index(IDS)],
    ids=["list", "int64", "uint64", "object", "numpy scalars", "pandas index"],
)
def test_whole_numbers_are_ids_in_any_form(ids: Any, schema: RouteSchema) -> None:
    rows = shown({"income": INCOME}, schema, entity_ids=ids)
    assert [row["id"] for row in rows] == [str(entity_id) for entity_id in IDS]


def test_texts_and_whole_numbers_may_be_mixed(schema: RouteSchema) -> None:
    rows = shown({"income": [1.0, 2.0]}, schema, entity_ids=["c-1", 17])
    assert [row["id"] for row in rows] == ["c-1", "17"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "float ids": (
        {"entity_ids": np.arange(COUNT, dtype=float)},
        "'entity_ids' takes .* whole numbers, not float",
    ),
    "a list of float ids": ({"entity_ids": [0.5] * COUNT}, "'entity_ids' takes .* whole numbers, not float"),
    "flags for ids": ({"entity_ids": [True] * COUNT}, "'entity_ids' takes .* whole numbers, not bool"),
    "texts for numbers": ({"features": {"income": ["1"] * COUNT}}, "'income' takes numbers, not str"),
    "numbers for names": ({"features": {"status": [1] * COUNT}}, "'status' takes category names as text, not int"),
    "dates for numbers": (
        {"features": {"income": pd.Series(pd.date_range("2026-01-01", periods=COUNT))}},
        "'income' takes numbers, not datetime64",
    ),
}


@dataclass(frozen=True)
class Counted:
    """A batch that counts the rows of each packing, its parts' included."""

    batch: RowChunk
    packed: list[int] = field(default_factory=list)

    @property
    def first_row(self) -> int:
        return self.batch.first_row

    def __len__(self) -> int:
        return len(self.batch)

    def rows(self, start: int, stop: int) -> RowChunk:
        return Counted(self.batch.rows(start, stop), self.packed)

    def only(self, rows: Sequence[int]) -> RowChunk:
        return Counted(self.batch.only(rows), self.packed)

    def pack(self, schema: RouteSchema) -> Block:
        self.packed.append(len(self))
        return self.batch.pack(schema)


@pytest.mark.parametrize("name", WRONG)
def test_a_column_of_the_wrong_type_is_refused_as_a_whole(name: str, schema: RouteSchema) -> None:
    columns, text = WRONG[name]
    given: dict[str, Any] = {"features": {"income": INCOME}} | columns
    batch = Counted(next(row_chunks(Columns(**given)).chunks))
    with pytest.raises(InvalidRequestError, match=text) as caught:
        pack_chunk(batch, schema)
    assert "row" not in caught.value.metadata
    assert batch.packed == [1024]


def test_a_few_wrong_rows_are_found_without_packing_each_row(schema: RouteSchema) -> None:
    income: list[Any] = [1.0] * 1024
    income[17] = income[900] = "1"
    batch = Counted(next(row_chunks({"income": income}).chunks))
    found = pack_chunk(batch, schema)
    errors: list[tuple[int, ScorelineError]] = [(rows[0], error) for rows, error in found.invalid]
    assert sorted((row, error.message) for row, error in errors) == [
        (17, "row 17: 'income' takes a number, not str"),
        (900, "row 900: 'income' takes a number, not str"),
    ]
    assert len(found.block) == 1022
    assert len(batch.packed) <= 10


def test_every_other_row_may_be_wrong(schema: RouteSchema) -> None:
    entities = [Entity(features={"income": "1" if row % 2 else 1.0}) for row in range(1024)]
    found = pack_chunk(next(row_chunks(entities).chunks), schema)
    assert sorted(int(rows[0]) for rows, _ in found.invalid) == [*range(1, 1024, 2)]
    assert found.rows.tolist() == [*range(0, 1024, 2)]


def test_a_duplicate_column_is_named(schema: RouteSchema) -> None:
    frame = pd.DataFrame([[1.0, 2.0]], columns=["income", "income"])
    with pytest.raises(InvalidRequestError, match="duplicate column 'income'"):
        row_chunks(frame)


def test_a_column_that_the_route_lacks_is_named(schema: RouteSchema) -> None:
    with pytest.raises(InvalidRequestError, match="route 'credit' has no feature 'id'"):
        shown(pd.DataFrame({"income": INCOME, "id": IDS}), schema)
