"""Packs ragged inputs (steps of a sequence, neighbors) into one block of items and the count of each entity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.encoding.entities import Columns, Entity, Steps
from scoreline.encoding.validation import invalid, unexpected, unknown_name, wrong_shape, wrong_type
from scoreline.encoding.values import Float32, Int64, Locator, floats, is_missing, is_numeric, narrow
from scoreline.schema import RouteSchema


@dataclass(frozen=True, slots=True)
class Kind:
    """What the two kinds of ragged inputs differ in.

    Attributes:
        name: the attribute of an Entity.
        columns: the attribute of Columns with the items.
        counts: the attribute of Columns, and the field of PackedEntities, with how many items each entity has.
        block: the field of PackedEntities with the items.
        item: one item, as errors call it.
        axis: the dimension of items, as errors call it.
        features: gives the columns of an item by a schema, None where it has no such items.
    """

    name: str
    columns: str
    counts: str
    block: str
    item: str
    axis: str
    features: Callable[[RouteSchema], tuple[str, ...] | None]


KINDS = (
    Kind("sequence", "sequences", "lengths", "steps", "step", "T", lambda schema: schema.step_features),
    Kind("neighbors", "neighbors", "neighbor_counts", "neighbors", "neighbor", "K", lambda s: s.neighbor_features),
)


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """The items of N entities in one ragged input, entity after entity.

    ``values`` is float32 [total, W], ``offsets`` int64 [N + 1] where each entity's items start.
    """

    kind: Kind
    values: Float32
    offsets: Int64

    def rows(self, start: int, stop: int) -> tuple[bytes, bytes]:
        """The items of the rows from ``start`` up to ``stop`` and how many each has, as they go on the wire."""
        values = self.values[self.offsets[start] : self.offsets[stop]]
        counts = np.diff(self.offsets[start : stop + 1])
        return values.astype("<f4", copy=False).tobytes(), counts.astype("<i4").tobytes()

    def row_bytes(self) -> Int64:
        """What each row's items and their count take; int64 [N]."""
        return np.diff(self.offsets) * np.int64(4 * self.values.shape[1]) + 4


def ragged_entities(entities: Sequence[Entity], schema: RouteSchema, first_row: int) -> list[Ragged]:
    """The items of N entities in each ragged input of the schema.

    Raises InvalidRequestError for unknown features, wrong widths, and any items where the route takes none.
    """
    items = [_ragged([getattr(each, kind.name) for each in entities], kind, schema, first_row) for kind in KINDS]
    return [each for each in items if each is not None]


def ragged_columns(columns: Columns, schema: RouteSchema, *, rows: int, first_row: int) -> list[Ragged]:
    """The items of N = ``rows`` entities by column: an array [N, n, W] with counts [N], or N entities' items."""
    items = [_ragged_column(columns, kind, schema, rows, first_row) for kind in KINDS]
    return [each for each in items if each is not None]


def _ragged(items: Sequence[Steps | None], kind: Kind, schema: RouteSchema, first_row: int) -> Ragged | None:
    """The items of N entities, each None, mappings or an array [n, W]. None and no items are the same."""
    names = kind.features(schema)
    if names is None:
        for index, given in enumerate(items):
            if given is not None:
                raise unexpected(kind.name, schema.route, first_row + index)
        return None
    codes = schema.step_codes if kind.name == "sequence" else {}
    parts = [_items(given, names, codes, kind, schema.route, first_row + index) for index, given in enumerate(items)]
    values = np.concatenate([np.empty((0, len(names)), np.float32), *parts])
    return Ragged(kind, values, _offsets(np.array([len(part) for part in parts], np.int64)))


def _ragged_column(columns: Columns, kind: Kind, schema: RouteSchema, rows: int, first_row: int) -> Ragged | None:
    names, items = kind.features(schema), getattr(columns, kind.columns)
    if names is None or not isinstance(items, np.ndarray):
        given = [None] * rows if items is None else list(items)
        if len(given) != rows:
            raise wrong_shape(kind.columns, f"[{rows}] like the other columns", given)
        return _ragged(given, kind, schema, first_row)
    if items.ndim != 3 or items.shape[::2] != (rows, len(names)) or not is_numeric(items):
        raise wrong_shape(kind.columns, f"numbers [{rows}, {kind.axis}, {len(names)}]", items)
    sizes = _counts(getattr(columns, kind.counts), rows, items.shape[1], kind)
    values = items[np.arange(items.shape[1]) < sizes[:, None]]
    offsets = _offsets(sizes)
    block = narrow(values.reshape(-1), _locator(names, offsets, kind, first_row))
    return Ragged(kind, block.reshape(values.shape), offsets)


def _items(
    items: Steps | None, names: Sequence[str], codes: Mapping[str, Mapping[str, int]], kind: Kind, route: str, row: int
) -> Float32:
    locate = _locator(names, np.zeros(1, np.int64), kind, row)
    if items is None:
        return np.empty((0, len(names)), np.float32)
    if hasattr(items, "__array__"):
        array = np.asarray(items)
        if array.ndim != 2 or array.shape[1] != len(names) or not is_numeric(array):
            raise wrong_shape(kind.name, f"numbers [{kind.axis}, {len(names)}]", array, row)
        return narrow(array.reshape(-1), locate).reshape(array.shape)
    for item in items:
        _check_item(item, names, kind, route, row)
    values: list[Any] = [item.get(name) for item in items for name in names]
    for place, name in enumerate(names) if codes else ():
        if name in codes:
            for index in range(place, len(values), len(names)):
                values[index] = _code(values[index], codes[name], locate, index)
    return floats(values, locate).reshape(len(items), len(names))


def _code(value: Any, codes: Mapping[str, int], locate: Locator, index: int) -> int | None:
    """The index of a category's name; the number of names for any other name, None where it is missing."""
    if isinstance(value, str):
        return codes.get(value, len(codes))
    if is_missing(value):
        return None
    name, row = locate(index)
    raise wrong_type(name, "a category's name as text", value, row)


def _check_item(item: Any, names: Sequence[str], kind: Kind, route: str, row: int) -> None:
    if not isinstance(item, Mapping):
        raise wrong_type(kind.name, f"a mapping per {kind.item}, or an array [{kind.axis}, {len(names)}]", item, row)
    for name in item:
        if name not in names:
            raise unknown_name(f"{kind.item} feature", name, names, route=route, row=row)


def _locator(names: Sequence[str], offsets: Int64, kind: Kind, first_row: int) -> Locator:
    def locate(index: int) -> tuple[str, int]:
        item, column = divmod(index, len(names))
        row = int(np.searchsorted(offsets, item, side="right")) - 1
        return f"{kind.name}[{item - int(offsets[row])}].{names[column]}", first_row + row

    return locate


def _counts(given: npt.ArrayLike | None, rows: int, most: int, kind: Kind) -> Int64:
    counts = np.full(rows, most) if given is None else np.asarray(given)
    if counts.shape != (rows,) or counts.dtype.kind not in "iu":
        raise wrong_shape(kind.counts, f"whole numbers [{rows}]", counts)
    if rows and not 0 <= counts.min() <= counts.max() <= most:
        text = f"{kind.counts} must lie from 0 to {most}, the {kind.axis} of {kind.columns}"
        raise invalid(text, "WRONG_BLOCK_LENGTH", kind.counts)
    return counts.astype(np.int64)


def _offsets(counts: Int64) -> Int64:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
