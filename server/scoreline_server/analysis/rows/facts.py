"""Facts of rows: a feature or a context key as one column, for segments and covariates."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_server.analysis.rows.growing import GrowingArray
from scoreline_server.journal.reading.row_arrays import RowArrays

FEATURE = "feature."
CONTEXT = "context."
UNKNOWN = "unknown"
QUARTERS = 4

MAX_NAMES = 2**15 - 1
"""The most levels of a fact; rows of further ones count as unknown."""

Codes = npt.NDArray[np.int16]
Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Levels:
    """A fact with few values: ``codes`` [N] point into ``names``; -1 is unknown."""

    names: tuple[str, ...]
    codes: Codes

    def of_rows(self, rows: npt.NDArray[np.integer[Any]]) -> "Levels":
        """The levels of some rows."""
        return Levels(self.names, self.codes[rows])

    def most_common(self, count: int) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
        """The ``count`` most common levels and their rows, the most common first; without the unknown ones."""
        sizes = np.bincount(self.codes[self.codes >= 0], minlength=len(self.names))
        order = [code for code in np.argsort(-sizes, kind="stable").tolist() if sizes[code]]
        return ((self.names[code], self.codes == code) for code in order[:count])


@dataclass(slots=True)
class FactColumn:
    """Reads one fact, "feature.<name>" or "context.<key>", block by block.

    A feature that is a number stays one and is cut into quarters at the end; everything else becomes codes of texts.
    """

    fact: str
    numeric: bool = False
    names: dict[str, int] = field(default_factory=dict)
    _column: GrowingArray | None = None

    def add(self, arrays: RowArrays) -> None:
        """Appends the rows of a block."""
        if self._column is None:
            self.numeric = self.numeric or self.fact.removeprefix(FEATURE) in arrays.route.numbers
            self._column = GrowingArray(np.float32 if self.numeric else np.int16)
        self._column.append(self._numbers(arrays) if self.numeric else self._codes(arrays))

    def numbers(self) -> Numbers:
        """The column as numbers: float32 [N], NaN where unknown. Lets go of what was read."""
        return np.zeros(0, np.float32) if self._column is None else self._column.taken()

    def levels(self) -> Levels:
        """The column as levels; of a number its quarters. Lets go of what was read."""
        if self.numeric:
            return quarters(self.numbers())
        codes = np.zeros(0, np.int16) if self._column is None else self._column.taken()
        return Levels(tuple(self.names), codes)

    def _numbers(self, arrays: RowArrays) -> Numbers:
        name = self.fact.removeprefix(FEATURE)
        if self.fact.startswith(CONTEXT):
            values = [_number(context.get(self.fact.removeprefix(CONTEXT))) for context in arrays.contexts]
            return np.array(values, np.float32)[arrays.context_index]
        if name not in arrays.route.numbers or not arrays.has_inputs:
            return np.full(len(arrays), np.nan, np.float32)
        return arrays.numbers[:, arrays.route.numbers.index(name)]

    def _codes(self, arrays: RowArrays) -> Codes:
        name = self.fact.removeprefix(FEATURE)
        if self.fact.startswith(CONTEXT):
            texts = [_text(context, self.fact.removeprefix(CONTEXT)) for context in arrays.contexts]
            return self._coded(texts)[arrays.context_index]
        if name not in arrays.route.categories or not arrays.has_inputs:
            return np.full(len(arrays), -1, np.int16)
        codes = arrays.categories[:, arrays.route.categories.index(name)]
        known = np.append(self._used(arrays.dictionary, codes), np.int16(-1))
        return known[codes]

    def _used(self, dictionary: Any, codes: npt.NDArray[Any]) -> Codes:
        """The code of each name of a block's dictionary that the column uses; the dictionary serves all columns."""
        used = set(np.unique(codes).tolist())
        return self._coded([name if code in used else None for code, name in enumerate(dictionary)])

    def _coded(self, texts: list[str | None]) -> Codes:
        return np.array([-1 if text is None else self._code(text) for text in texts], np.int16)

    def _code(self, text: str) -> int:
        """The code of a text; -1 for a new one after MAX_NAMES others."""
        if text not in self.names and len(self.names) == MAX_NAMES:
            return -1
        return self.names.setdefault(text, len(self.names))


def quarters(values: Numbers) -> Levels:
    """Numbers as four levels of about equal counts, named by their bounds; equal numbers are never parted."""
    codes = np.full(len(values), -1, np.int16)
    known = np.isfinite(values)
    if not known.any():
        return Levels((), codes)
    cuts = np.unique(np.quantile(values[known], np.arange(1, QUARTERS) / QUARTERS))
    codes[known] = np.searchsorted(cuts, values[known], side="right")
    bounds = [f"{cut:.6g}" for cut in cuts]
    middle = [f"{low} to below {high}" for low, high in pairwise(bounds)]
    return Levels((f"below {bounds[0]}", *middle, f"{bounds[-1]} and more"), codes)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _text(context: Mapping[str, Any], key: str) -> str | None:
    value = context.get(key)
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
