"""Values as float32 numbers, as category codes and as context messages.

Functions take a ``Locator``, which returns the name and row of the value at an index, for errors.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.encoding import tables
from scoreline.encoding.entities import Value
from scoreline.encoding.validation import invalid, no_text, out_of_range, wrong_shape, wrong_type
from scoreline.v1 import scoring_pb2 as pb

Float32: TypeAlias = npt.NDArray[np.float32]
Int32: TypeAlias = npt.NDArray[np.int32]
Int64: TypeAlias = npt.NDArray[np.int64]
Locator: TypeAlias = Callable[[int], tuple[str, int]]

PLAIN_NUMBERS = frozenset({float, int, bool, NoneType})
NUMBERS = (Real, np.bool_, Decimal)
_NUMBER_KINDS = "fiub"
_TEXT_KINDS = "UT"


def is_numeric(array: npt.NDArray[Any]) -> bool:
    """Whether an array's dtype is a float, an integer or a flag."""
    return array.dtype.kind in _NUMBER_KINDS


def floats(values: Sequence[Any], locate: Locator) -> Float32:
    """Numbers as float32 [len(values)]: None becomes NaN, a flag 0 or 1.

    Raises InvalidRequestError for anything else and for numbers that float32 cannot hold.
    """
    if not PLAIN_NUMBERS.issuperset(map(type, values)):
        _check_types(values, locate)
        values = [None if value is None else _float(value, index, locate) for index, value in enumerate(values)]
    try:
        wide = np.array(values, np.float64)
    except OverflowError:
        wide = np.array([_float(value, index, locate) for index, value in enumerate(values)], np.float64)
    return narrow(wide, locate)


def narrow(wide: npt.NDArray[Any], locate: Locator) -> Float32:
    """A numeric array [n] rounded to float32. Raises InvalidRequestError where only rounding makes it infinite."""
    with np.errstate(over="ignore"):
        rounded = wide.astype(np.float32)
    infinite = np.isinf(rounded)
    if infinite.any():
        for index in np.flatnonzero(infinite & ~np.isinf(wide))[:1].tolist():
            raise out_of_range(*locate(index))
    return rounded


def codes(values: Sequence[Any], words: dict[str, int], locate: Locator) -> Int32:
    """Names as indices into ``words``, which grows; -1 for None and NaN. Raises InvalidRequestError for the rest."""
    found = np.full(len(values), -1, np.int32)
    for index, value in enumerate(values):
        if isinstance(value, str):
            if value not in words and not is_text(value):
                raise no_text(*locate(index))
            found[index] = words.setdefault(str(value), len(words))
        elif not is_missing(value):
            name, row = locate(index)
            raise wrong_type(name, "a category's name as text", value, row)
    return found


def number_column(column: Any, count: int, locate: Locator) -> Float32:
    """One column of N numbers as float32 [N]."""
    values = listed(column, count, locate)
    if not isinstance(values, np.ndarray):
        return floats(values, locate)
    if not is_numeric(values):
        name, _ = locate(0)
        raise invalid(f"{name!r} takes numbers, not {values.dtype}", "WRONG_TYPE", name)
    return narrow(values, locate)


def category_column(column: Any, count: int, words: dict[str, int], locate: Locator) -> Int32:
    """One column of N category names as indices int32 [N] into ``words``, which grows."""
    values = listed(column, count, locate)
    if not isinstance(values, np.ndarray):
        return codes(values, words, locate)
    if values.dtype.kind not in _TEXT_KINDS and not (values.dtype.kind == "f" and np.isnan(values).all()):
        name, _ = locate(0)
        raise invalid(f"{name!r} takes category names as text, not {values.dtype}", "WRONG_TYPE", name)
    return codes(values.tolist(), words, locate)


def listed(column: Any, count: int, locate: Locator) -> npt.NDArray[Any] | list[Any]:
    """A column of N values: as an array where its dtype says what they are, else as a list."""
    found = tables.values(column)
    if len(found) != count or (isinstance(found, np.ndarray) and found.ndim != 1):
        raise wrong_shape(locate(0)[0], f"a column [{count}] like the others", found)
    return found


def texts(given: tables.Column, locate: Locator) -> list[str]:
    """N ids as texts; whole numbers become their decimal text. Raises InvalidRequestError for anything else."""
    found = tables.items(given)
    types = set(map(type, found))
    if types == {int}:
        return list(map(str, found))
    if types != {str}:
        found = [value if isinstance(value, str) else _whole(value, index, locate) for index, value in enumerate(found)]
    for index, value in enumerate(found):
        if not is_text(value):
            raise no_text(*locate(index))
    return found


def _whole(value: Any, index: int, locate: Locator) -> str:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(int(value))
    name, row = locate(index)
    raise wrong_type(name, "text or a whole number", value, row)


def is_text(value: str) -> bool:
    """Whether UTF-8 can carry a text: it cannot carry half of a surrogate pair."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def contexts(values: Sequence[Mapping[str, Value]], first_row: int) -> list[pb.Context]:
    """N contexts as messages; one message where all are equal, none where all are empty."""
    if not any(values):
        return []
    messages = [_context(value, first_row + index) for index, value in enumerate(values)]
    return messages[:1] if all(message == messages[0] for message in messages) else messages


def _context(context: Mapping[str, Value], row: int) -> pb.Context:
    if not isinstance(context, Mapping):
        raise wrong_type("context", "a mapping of names to values", context, row)
    for name in context:
        if not isinstance(name, str) or not is_text(name):
            raise wrong_type("context", "names as text", name, row)
    return pb.Context(values={name: _context_value(name, value, row) for name, value in context.items()})


def _context_value(name: str, value: Any, row: int) -> pb.Value:
    if value is None:
        return pb.Value()
    if isinstance(value, bool | np.bool_):
        return pb.Value(flag=bool(value))
    if isinstance(value, str):
        if not is_text(value):
            raise no_text(f"context.{name}", row)
        return pb.Value(text=value)
    if not isinstance(value, NUMBERS):
        raise wrong_type(f"context.{name}", "a number, a text or a flag", value, row)
    return pb.Value(number=_float(value, 0, lambda _: (f"context.{name}", row)))


def _check_types(values: Sequence[Any], locate: Locator) -> None:
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, NUMBERS):
            name, row = locate(index)
            raise wrong_type(name, "a number", value, row)


def check_column(
    name: str, column: Any, wanted: str, types: tuple[type, ...], *, without: tuple[type, ...] = ()
) -> None:
    """Raises InvalidRequestError where a column has values and none is of ``types``, so that no row can be right."""
    if isinstance(column, np.ndarray):
        return
    found = {type(value) for value in column if not is_missing(value)}
    if found and not any(issubclass(kind, types) and not issubclass(kind, without) for kind in found):
        kinds = ", ".join(sorted(kind.__name__ for kind in found))
        raise invalid(f"{name!r} takes {wanted}, not {kinds}", "WRONG_TYPE", name)


def _float(value: Any, index: int, locate: Locator) -> float:
    """A number of any type as a float; NaN for None."""
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        raise out_of_range(*locate(index)) from None


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
