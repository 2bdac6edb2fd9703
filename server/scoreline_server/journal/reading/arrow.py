"""Journals as Arrow tables and Parquet files. Importing this needs pyarrow."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from scoreline_server.journal.reading.records import Values, height

_GROUP_ROWS = 65536


def to_arrow(types: Mapping[str, str], columns: Mapping[str, Values], count: int) -> Any:
    """A pyarrow.Table of ``count`` rows; columns that are not there are null."""
    fields = _schema(types)
    arrays = [
        pa.array(_typed(kind, columns[name]), fields.field(name).type)
        if name in columns
        else pa.nulls(count, fields.field(name).type)
        for name, kind in types.items()
    ]
    return pa.table(arrays, schema=fields)


def write_parquet(path: Path, types: Mapping[str, str], blocks: Iterable[Mapping[str, Values]]) -> int:
    """Writes a Parquet file; how many rows."""
    rows = 0
    with pq.ParquetWriter(path, _schema(types), compression="zstd") as writer:
        waiting: list[Any] = []
        for columns in blocks:
            waiting.append(to_arrow(types, columns, height(columns)))
            rows += waiting[-1].num_rows
            if sum(table.num_rows for table in waiting) >= _GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    return rows


def _schema(types: Mapping[str, str]) -> Any:
    kinds = {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float32": pa.float32(),
        "float64": pa.float64(),
        "float32s": pa.list_(pa.float32()),
        "timestamp": pa.timestamp("ns", tz="UTC"),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in types.items()])


def _typed(kind: str, values: Values) -> Values:
    """Values that fit their type: a column that is a text elsewhere may hold numbers here."""
    if kind != "string":
        return values
    return [value if value is None or isinstance(value, str) else str(value) for value in values]
