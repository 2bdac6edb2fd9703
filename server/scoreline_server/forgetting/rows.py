"""Blocks of rows without the rows of entities that are forgotten.

A call all of whose rows are forgotten is removed. Of another call a forgotten row stays as an empty one, because the
prediction ids of the rows after it count from the call's first: without ids, inputs and results, marked in FORGOTTEN.
Other rows keep every bit.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_server.errors import ErrorReason
from scoreline_server.journal.format.columns import (
    RAGGED_COLUMNS,
    Column,
    packed,
    packed_json,
    packed_texts,
    unpacked_texts,
)
from scoreline_server.journal.format.decisions import NO_POLICY
from scoreline_server.journal.reading.row_arrays import RowArrays
from scoreline_server.scoring.compiled_route import NO_BAND

Bool = npt.NDArray[np.bool_]

_OF_CALLS = (Column.CALL_IDS, Column.CALL_TIMES, Column.CALL_LATENCIES, Column.CALL_ROWS)
_NAN = np.float32("nan").tobytes()
_BLANKS: Mapping[Column, bytes] = {
    Column.NUMBERS: _NAN,
    Column.CATEGORIES: b"\xff" * 4,
    Column.LENGTHS: bytes(4),
    Column.NEIGHBOR_COUNTS: bytes(4),
    Column.HASHES: bytes(16),
    Column.SCORES: _NAN,
    Column.BANDS: np.uint16(NO_BAND).tobytes(),
    Column.QUALITY: bytes(8),
    Column.PROFILE_STATES: bytes(1),
    Column.DECISION_POLICY: np.uint16(NO_POLICY).tobytes(),
    Column.DECISION_NAMES: bytes(2),
    Column.DECISION_NUMBERS: bytes(8),
    Column.DECISION_CONTROL: bytes(1),
    Column.SHADOW_ACTIONS: bytes(2),
    Column.REASON_COUNTS: bytes(1),
}
"""What an empty row has in columns of personal values; a column may have several of it per row."""
_ASSIGNMENTS = (Column.ASSIGNED, Column.SERVED, Column.REASONS, Column.RULES)
_NAMES = (Column.DECISION_TEXTS, Column.DECISION_POLICIES, Column.SHADOW_STRATEGIES, Column.REASON_INPUTS)
"""Names of policies and inputs; nothing of an entity is in them."""
_OF_REASONS = (Column.REASON_CODES, Column.REASON_VALUES)


def without_rows(block: RowArrays, gone: Bool) -> bytes | None:
    """The body of a block of R rows without those that are gone, bool [R]; None where no row is left.

    Columns that are not known here, of a newer writer, are left out: they may be anything. Raises ValueError or
    KeyError for a block that is invalid.
    """
    return _Rest(block, gone).body()


class _Rest:
    """What is left of a block.

    ``calls`` bool [calls] and ``rows`` bool [R] are what stays, and ``empty`` bool [R] which of these rows are empty.
    """

    def __init__(self, block: RowArrays, gone: Bool) -> None:
        self.raw = block.raw
        if Column.FORGOTTEN in self.raw:
            gone = gone | (np.frombuffer(self.raw[Column.FORGOTTEN], "u1") != 0)
        sizes = block.call_rows.astype(np.intp)
        call_of = np.repeat(np.arange(len(sizes)), sizes)
        self.calls = np.bincount(call_of, weights=~gone, minlength=len(sizes)) > 0
        self.rows: Bool = self.calls[call_of]
        self.empty: Bool = gone & self.rows
        self.shown: Bool = ~gone
        self.places = np.cumsum(self.rows) - 1
        self.facts = {**block.facts, "rows": int(self.rows.sum()), "calls": int(self.calls.sum())}
        self.entities = block.entity_ids
        self.gone_ids = {*_taken(self.entities, gone), *_taken(block.units, gone)} - {""}

    def body(self) -> bytes | None:
        """The columns in their order."""
        if not self.rows.any():
            return None
        columns: dict[Column, bytes] = {Column.FACTS: packed_json(self.facts)}
        for column in sorted(Column):
            if column in self.raw and (data := self._column(column)) is not None:
                columns[column] = data
        if self.empty.any():
            columns[Column.ERRORS] = self._errors()
            columns[Column.FORGOTTEN] = self.empty[self.rows].astype("u1").tobytes()
        return packed(columns)

    def _column(self, column: Column) -> bytes | None:
        """What is left of a column; None for one that is made anew or belongs to another."""
        if column in _OF_CALLS:
            return _cut(self.raw[column], self.calls)
        if column in _ASSIGNMENTS:
            return _cut(self.raw[column], self.rows)
        if column in _BLANKS:
            return self._blanked(column)
        for counts, values in RAGGED_COLUMNS.values():
            if column == values:
                items = np.repeat(self.shown, np.frombuffer(self.raw[counts], "<i4"))
                return _cut(self.raw[column], items)
        made = self._made.get(column)
        return made() if made else None

    @property
    def _made(self) -> Mapping[Column, Callable[[], bytes]]:
        """The columns that are not of one width."""
        return {
            Column.REQUEST_IDS: self._request_ids,
            Column.ENTITY_IDS: self._entity_ids,
            Column.DICTIONARY: self._dictionary,
            Column.CONTEXTS: self._contexts,
            Column.CONTEXT_INDEX: self._context_index,
            Column.ERRORS: self._errors,
            Column.EXTRAS: self._extras,
            Column.EXTRA_ROWS: self._extra_rows,
            Column.EXTRA_VALUES: self._extra_values,
            Column.SUPPRESSED: lambda: self._by_row(Column.SUPPRESSED),
            Column.DECISION_FLAGS: lambda: self._by_row(Column.DECISION_FLAGS),
            **{column: partial(self._copied, column) for column in _NAMES},
            **{column: partial(self._of_reasons, column) for column in _OF_REASONS},
        }

    def _blanked(self, column: Column) -> bytes:
        data = _table(self.raw[column], len(self.rows))
        blank = np.frombuffer(_BLANKS[column], np.uint8)
        data[self.empty] = np.tile(blank, data.shape[1] // len(blank))
        return data[self.rows].tobytes()

    def _request_ids(self) -> bytes:
        """The calls' request ids; those that have the id of an entity in them are left out."""
        kept = _taken(unpacked_texts(self.raw[Column.REQUEST_IDS], len(self.calls)), self.calls)
        return packed_texts(["" if any(id_ in each for id_ in self.gone_ids) else each for each in kept])

    def _entity_ids(self) -> bytes:
        ids = ["" if empty else id_ for id_, empty in zip(self.entities, self.empty.tolist(), strict=True)]
        return packed_texts(_taken(ids, self.rows))

    def _dictionary(self) -> bytes:
        """The names of categories, those that no row has any more as empty texts."""
        codes = _table(self.raw[Column.CATEGORIES], len(self.rows))[self.shown]
        used = set(np.frombuffer(codes.tobytes(), "<i4").tolist())
        names = json.loads(bytes(self.raw[Column.DICTIONARY]))
        return packed_json([name if code in used else "" for code, name in enumerate(names)])

    def _contexts(self) -> bytes:
        """The distinct contexts, those of no row any more without their keys, and an empty one for empty rows."""
        used = set(np.frombuffer(self.raw[Column.CONTEXT_INDEX], "<u4")[self.shown].tolist())
        contexts = json.loads(bytes(self.raw[Column.CONTEXTS]))
        return packed_json([*(each if index in used else {} for index, each in enumerate(contexts)), {}])

    def _context_index(self) -> bytes:
        index = np.frombuffer(self.raw[Column.CONTEXT_INDEX], "<u4").copy()
        index[self.empty] = len(json.loads(bytes(self.raw[Column.CONTEXTS])))
        return index[self.rows].tobytes()

    def _errors(self) -> bytes:
        """The reasons of rows without a score; an empty row is one without unit."""
        errors = json.loads(bytes(self.raw[Column.ERRORS])) if Column.ERRORS in self.raw else {}
        kept = {int(self.places[int(row)]): reason for row, reason in errors.items() if self.shown[int(row)]}
        empty = self.places[self.empty].tolist()
        return packed_json(dict(sorted((kept | dict.fromkeys(empty, ErrorReason.MISSING_UNIT.value)).items())))

    def _copied(self, column: Column) -> bytes:
        return bytes(self.raw[column])

    def _of_reasons(self, column: Column) -> bytes:
        return _cut(self.raw[column], np.repeat(self.shown, np.frombuffer(self.raw[Column.REASON_COUNTS], "u1")))

    def _by_row(self, column: Column) -> bytes:
        """An object with what some rows have."""
        found = json.loads(bytes(self.raw[column]))
        return packed_json({int(self.places[int(row)]): own for row, own in found.items() if self.shown[int(row)]})

    def _extra_parts(self) -> list[tuple[list[Any], Bool]]:
        """Each part of the extra outputs, and which of its rows stay."""
        rows = np.frombuffer(self.raw[Column.EXTRA_ROWS], "<u4")
        parts, start = [], 0
        for name, size, shape in json.loads(bytes(self.raw[Column.EXTRAS])):
            parts.append(([name, size, shape], self.shown[rows[start : start + size]]))
            start += size
        return parts

    def _extras(self) -> bytes:
        return packed_json([[name, int(kept.sum()), shape] for (name, _, shape), kept in self._extra_parts()])

    def _extra_rows(self) -> bytes:
        rows = np.frombuffer(self.raw[Column.EXTRA_ROWS], "<u4")
        places: npt.NDArray[np.uint32] = self.places[rows[self.shown[rows]]].astype("<u4")
        return places.tobytes()

    def _extra_values(self) -> bytes:
        values = np.frombuffer(self.raw[Column.EXTRA_VALUES], "<f4")
        left, start = [], 0
        for (_, size, shape), kept in self._extra_parts():
            width = int(np.prod(shape, dtype=np.intp))
            left.append(values[start : start + size * width].reshape(size, width)[kept].tobytes())
            start += size * width
        return b"".join(left)


def _table(data: memoryview, height: int) -> npt.NDArray[np.uint8]:
    """A column as a copy of its bytes per row: uint8 [height, width]. Raises ValueError for another height."""
    return np.frombuffer(data, np.uint8).reshape(height, len(data) // height if height else 0).copy()


def _cut(data: memoryview, kept: Bool) -> bytes:
    """The entries of a column that are kept."""
    return _table(data, len(kept))[kept].tobytes()


def _taken(values: Sequence[str], kept: Bool) -> list[str]:
    return [value for value, is_kept in zip(values, kept.tolist(), strict=True) if is_kept]
