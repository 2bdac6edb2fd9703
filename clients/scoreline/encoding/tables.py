"""Reads columns of pandas and Polars data frames and of Arrow tables, without importing any of them."""

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt

from scoreline.encoding.validation import invalid


@runtime_checkable
class Table(Protocol):
    """A data frame or Arrow table: anything with the Arrow PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table as a stream of record batches."""
        ...


class Column(Protocol):
    """N values: a list, a numpy array, a pandas or Polars series, or an Arrow array."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> Any: ...


def is_table(given: object) -> TypeGuard[Table]:
    """Whether an object is a data frame or an Arrow table or record batch; a stream of record batches is not."""
    arrow = isinstance(given, Table) or hasattr(given, "__dataframe__") or hasattr(given, "iloc")
    return arrow and (hasattr(given, "column_names") or hasattr(given, "columns"))


def columns_of(table: Table) -> dict[str, Any]:
    """The table's columns by name. Raises InvalidRequestError for a name that occurs more than once."""
    if not hasattr(table, "column_names") and not _has_columns(table):
        table = _as_arrow(table)
    given: Any = table
    names = list(given.column_names if hasattr(given, "column_names") else given.columns)
    for name, count in Counter(names).items():
        if count > 1:
            raise invalid(f"duplicate column {name!r}", "WRONG_TYPE", str(name))
    return {name: given.column(name) if hasattr(given, "column_names") else given[name] for name in names}


def _has_columns(table: Any) -> bool:
    """Whether indexing by name gives the values; a database relation gives an expression."""
    return all(hasattr(table[name], "__array__") or hasattr(table[name], "columns") for name in table.columns)


def _as_arrow(table: Table) -> Any:
    try:
        arrow = import_module("pyarrow")
    except ModuleNotFoundError as error:
        text = f"reading the columns of a {type(table).__name__} needs pyarrow: pip install pyarrow"
        raise invalid(text, "WRONG_TYPE", "rows") from error
    return arrow.table(table)


def settled(column: Any) -> Any:
    """The column as a numpy array where that copies nothing, so that slices are cheap; else the column itself."""
    plain = isinstance(getattr(column, "dtype", None), np.dtype) and hasattr(column, "__array__")
    return np.asarray(column) if plain and not isinstance(column, np.ma.MaskedArray) else column


def sliced(column: Any, start: int, stop: int) -> Any:
    """The values from ``start`` up to ``stop``; by position, whatever index a pandas series has."""
    return (column.iloc if hasattr(column, "iloc") else column)[start:stop]


def values(column: Any) -> npt.NDArray[Any] | list[Any]:
    """The column as an array where its dtype says what the values are, else as a list with None for missing."""
    if isinstance(column, np.ma.MaskedArray):
        return list(column.tolist())  # masked values as None; __array__ would give the values under the mask
    if not hasattr(column, "__array__") or hasattr(getattr(column, "type", None), "index_type"):
        return items(column)  # also Arrow's dictionaries, whose __array__ gives a value for a missing one
    array = np.asarray(column)
    if array.dtype.kind != "O":
        return array
    is_pandas = hasattr(column, "hasnans")
    return list((column.to_numpy(dtype=object, na_value=None) if is_pandas else array).tolist())


def items(column: Any) -> list[Any]:
    """The column's values as Python objects: whole numbers stay exact, also beside missing ones."""
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(column, name):
            return list(getattr(column, name)())
    return list(column)


def taken(column: Any, rows: Sequence[int]) -> Any:
    """The values at ``rows`` of an array or a list."""
    return column[list(rows)] if isinstance(column, np.ndarray) else [column[row] for row in rows]
