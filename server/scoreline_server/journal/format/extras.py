"""The columns of extra outputs: what callers asked for beside the score and were answered."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_server.journal.format.columns import Column, packed_arrays, packed_json
from scoreline_server.scoring.results import ScoredBatch

Part = tuple[str, npt.NDArray[np.intp], npt.NDArray[np.float32]]


def packed_extras(batches: Sequence[ScoredBatch]) -> dict[Column, bytes]:
    """The columns of the rows whose callers asked for extra outputs; none where no caller did."""
    if not any(batch.results.extras for batch in batches):
        return {}
    parts, first = list[Part](), 0
    for batch in batches:
        parts += [(name, first + rows, values) for name, rows, values in _asked_for(batch)]
        first += len(batch.rows)
    return {
        Column.EXTRAS: packed_json([[name, len(rows), values.shape[1:]] for name, rows, values in parts]),
        Column.EXTRA_ROWS: packed_arrays(rows.astype("<u4") for _, rows, _ in parts),
        Column.EXTRA_VALUES: packed_arrays(values for _, _, values in parts),
    }


def _asked_for(batch: ScoredBatch) -> Iterator[Part]:
    """The extra outputs of a batch's rows whose callers asked for them: name, rows and their values."""
    sizes = [len(request.rows) for request in batch.requests]
    for name, runs in batch.results.extras.items():
        asked = np.repeat([name in request.extras for request in batch.requests], sizes)
        for rows, values in runs:
            own = asked[rows]
            if own.any():
                yield name, rows[own], np.ascontiguousarray(values[own], "<f4")


def extra_types(raw: Mapping[int, memoryview]) -> Mapping[str, str]:
    """The type of each ``extra.<name>``: a number, or a list where a row's output is an array."""
    types: dict[str, str] = {}
    for name, _, shape in _parts(raw):
        types[f"extra.{name}"] = "float32s" if shape else types.get(f"extra.{name}", "float32")
    return types


def extra_columns(raw: Mapping[int, memoryview], count: int) -> dict[str, list[Any]]:
    """The values of each ``extra.<name>`` in ``count`` rows; None for rows without one, arrays in row-major order."""
    types = extra_types(raw)
    columns: dict[str, list[Any]] = {name: [None] * count for name in types}
    all_rows = np.frombuffer(raw.get(Column.EXTRA_ROWS, b""), "<u4")
    all_values = np.frombuffer(raw.get(Column.EXTRA_VALUES, b""), "<f4")
    row, value = 0, 0
    for name, size, shape in _parts(raw):
        key, width = f"extra.{name}", prod(shape)
        block = all_values[value : value + size * width].reshape(size, width)
        numbers = [[None if number != number else number for number in each] for each in block.tolist()]  # noqa: PLR0124  NaN
        for at, own in zip(all_rows[row : row + size].tolist(), numbers, strict=True):
            columns[key][at] = own if types[key] == "float32s" else own[0]
        row, value = row + size, value + size * width
    return columns


def _parts(raw: Mapping[int, memoryview]) -> list[tuple[str, int, list[int]]]:
    parts: list[tuple[str, int, list[int]]] = json.loads(bytes(raw.get(Column.EXTRAS, b"[]")))
    return parts
