"""The rows of a block as NumPy arrays, decoded when they are asked for and without Python objects per row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.ragged import RaggedKind
from scoreline_registry.routing.assignment import NO_RULE, unit_of
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.route import UNIT_ENTITY
from scoreline_server.errors import ErrorReason
from scoreline_server.journal.format.columns import RAGGED_COLUMNS, Column, unpacked_texts
from scoreline_server.journal.format.decisions import DecisionArrays
from scoreline_server.journal.format.facts import RouteFacts
from scoreline_server.journal.format.fingerprints import UInt64, packed_keys, text_keys
from scoreline_server.scoring.compiled_route import NO_BAND
from scoreline_server.scoring.wire import CALL_ID_BYTES

NO_ARM = 65535

UInt8 = npt.NDArray[np.uint8]
UInt16 = npt.NDArray[np.uint16]
UInt32 = npt.NDArray[np.uint32]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RowArrays:
    """The N selected rows of one block. Every array has one entry per row.

    ``kept`` marks the selected rows of the block, None for all. The arrays may be views of the block's bytes: what is
    to outlive it should be copied, as concatenating does.
    """

    route: RouteFacts
    raw: Mapping[int, memoryview]
    kept: Bool | None = None

    def __len__(self) -> int:
        return self.height if self.kept is None else int(np.count_nonzero(self.kept))

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """The block's FACTS."""
        facts: Mapping[str, Any] = json.loads(bytes(self.raw[Column.FACTS]))
        return facts

    @property
    def height(self) -> int:
        """How many rows the block has, selected or not."""
        return int(self.facts["rows"])

    @cached_property
    def call_rows(self) -> UInt16:
        """How many rows each call of the block has: uint16 [calls of the block]."""
        if Column.CALL_ROWS in self.raw:
            return np.frombuffer(self.raw[Column.CALL_ROWS], "<u2")
        return np.ones(self.facts["calls"], np.uint16)

    @cached_property
    def call_ids(self) -> npt.NDArray[np.void]:
        """The call of each row, 12 bytes: V12 [N]."""
        return self._of_calls(np.frombuffer(self.raw[Column.CALL_IDS], f"V{CALL_ID_BYTES}"))

    @cached_property
    def places(self) -> UInt16:
        """The index of each row in its call: uint16 [N]. Call id and place together are the prediction id."""
        if Column.CALL_ROWS not in self.raw:
            return np.zeros(len(self), np.uint16)
        ends = np.cumsum(self.call_rows, dtype=np.int64)
        first = np.repeat(ends - self.call_rows, self.call_rows)
        return self._selected((np.arange(self.height) - first).astype(np.uint16))

    @cached_property
    def times(self) -> Int64:
        """When each row was scored, in ns since 1970: int64 [N]."""
        offsets = self._column(Column.CALL_TIMES, "<i4", self.facts["calls"]).astype(np.int64) * 1000
        return self._of_calls(offsets + self.facts["time"])

    @cached_property
    def microseconds(self) -> UInt32:
        """From the call's arrival until the row was scored, in microseconds: uint32 [N]."""
        return self._of_calls(self._column(Column.CALL_LATENCIES, "<u4", self.facts["calls"]))

    @property
    def latencies_ms(self) -> Float32:
        """``microseconds`` in ms: float32 [N]."""
        return (self.microseconds / 1000).astype(np.float32)

    @cached_property
    def request_ids(self) -> list[str]:
        """The request id of each row's call, equal on a client's retries; empty where it sent none."""
        if Column.REQUEST_IDS not in self.raw:
            return [""] * len(self)
        texts = unpacked_texts(self.raw[Column.REQUEST_IDS], self.facts["calls"])
        return [texts[call] for call in self._of_calls(np.arange(len(texts))).tolist()]

    @cached_property
    def request_keys(self) -> UInt64:
        """The fingerprints of ``request_ids``, see ``fingerprints.packed_keys``: uint64 [N], 0 for none."""
        if Column.REQUEST_IDS not in self.raw:
            return np.zeros(len(self), np.uint64)
        return self._of_calls(packed_keys(self.raw[Column.REQUEST_IDS], self.facts["calls"]))

    @cached_property
    def entity_ids(self) -> list[str]:
        """The id of each row's entity."""
        texts = unpacked_texts(self.raw[Column.ENTITY_IDS], self.height)
        return texts if self.kept is None else [texts[row] for row in np.flatnonzero(self.kept).tolist()]

    @cached_property
    def units(self) -> list[str]:
        """What the route's splits hash, of each row; empty where the caller did not send it."""
        if self.route.unit == UNIT_ENTITY:
            return self.entity_ids
        distinct = self._context_units
        return [distinct[index] for index in self.context_index.tolist()]

    @cached_property
    def unit_keys(self) -> UInt64:
        """The fingerprints of ``units``: uint64 [N], 0 for none."""
        if self.route.unit == UNIT_ENTITY:
            return self._selected(packed_keys(self.raw[Column.ENTITY_IDS], self.height))
        return text_keys(self._context_units)[self.context_index]

    @cached_property
    def contexts(self) -> Sequence[Mapping[str, Any]]:
        """The distinct contexts of the block."""
        contexts: Sequence[Mapping[str, Any]] = self._json(Column.CONTEXTS, [{}])
        return contexts

    @cached_property
    def context_index(self) -> UInt32:
        """The context of each row, an index into ``contexts``: uint32 [N]."""
        return self._selected(self._column(Column.CONTEXT_INDEX, "<u4", self.height))

    @cached_property
    def assigned(self) -> UInt16:
        """The assigned arm of each row, an index into the route's arms; NO_ARM for one without unit: uint16 [N]."""
        column = Column.ASSIGNED if Column.ASSIGNED in self.raw else Column.SERVED
        assigned = self._column(column, "<u2", self.height)
        without = [row for row, reason in self._all_errors.items() if reason == ErrorReason.MISSING_UNIT]
        if without:
            assigned = assigned.copy()
            assigned[without] = NO_ARM
        return self._selected(assigned)

    @cached_property
    def served(self) -> UInt16:
        """The arm that scored each row or failed to, an index into the route's arms: uint16 [N]."""
        return self._selected(self._column(Column.SERVED, "<u2", self.height))

    @cached_property
    def rules(self) -> UInt8:
        """The rule that decided each row's arm, an index into the route's rules: uint8 [N].

        NO_RULE for a unit of the holdout or with an override, and for all rows of older writers.
        """
        if Column.RULES in self.raw:
            return self._selected(np.frombuffer(self.raw[Column.RULES], "u1"))
        return np.full(len(self), len(self.route.rules) - 1 if self.route.rules else NO_RULE, np.uint8)

    @cached_property
    def shares(self) -> Float64:
        """The share of the deciding rule's units that the assigned arm had, 0 to 1: float64 [N].

        NaN where no rule or no arm is known.
        """
        arms = {arm.ref: index for index, arm in enumerate(self.route.arms)}
        shares = np.full(len(self), np.nan)
        for position, rule in enumerate(self.route.rules):
            for ref, millionths in rule.shares.items():
                shares[(self.rules == position) & (self.assigned == arms[ref])] = millionths / WHOLE
        return shares

    @cached_property
    def reasons(self) -> UInt8:
        """Why each row was scored by its arm, scoreline.v1.Reason: uint8 [N]."""
        return self._selected(self._column(Column.REASONS, "u1", self.height))

    @cached_property
    def scores(self) -> Float32:
        """The score of each row, NaN where it failed: float32 [N]."""
        return self._selected(self._column(Column.SCORES, "<f4", self.height))

    @cached_property
    def bands(self) -> UInt16:
        """The band of each score, an index into the route's bands, 65535 for none: uint16 [N]."""
        if Column.BANDS not in self.raw:
            return np.full(len(self), NO_BAND, np.uint16)
        return self._selected(np.frombuffer(self.raw[Column.BANDS], "<u2"))

    @cached_property
    def quality(self) -> UInt16:
        """How many inputs were missing, defaulted, unseen and clipped in each row: uint16 [N, 4]."""
        return self._selected(self._column(Column.QUALITY, "<u2", self.height * 4).reshape(-1, 4))

    @cached_property
    def profile_states(self) -> UInt8:
        """Whether each row's profiles were read, scoreline.v1.ProfileState: uint8 [N]."""
        return self._selected(self._column(Column.PROFILE_STATES, "u1", self.height))

    @property
    def missing(self) -> UInt16:
        """How many inputs were missing in each row: uint16 [N]."""
        return self.quality[:, 0]

    @cached_property
    def errors(self) -> Mapping[int, str]:
        """Why rows have no score, by their index among the selected rows."""
        if self.kept is None or not self._all_errors:
            return self._all_errors
        places = np.cumsum(self.kept) - 1
        return {int(places[row]): reason for row, reason in self._all_errors.items() if self.kept[row]}

    @cached_property
    def failed(self) -> Bool:
        """Which rows have no score: bool [N]."""
        failed = np.zeros(len(self), np.bool_)
        failed[list(self.errors)] = True
        return failed

    @property
    def has_inputs(self) -> bool:
        """Whether the block has its rows' inputs: retention may have kept the results alone."""
        return self.route.has_inputs

    @cached_property
    def numbers(self) -> Float32:
        """The route's number features of each row, NaN for missing: float32 [N, F]."""
        return self._wide(Column.NUMBERS, "<f4", len(self.route.numbers))

    @cached_property
    def categories(self) -> Int32:
        """The route's category features of each row, indices into ``dictionary``, -1 for missing: int32 [N, F]."""
        return self._wide(Column.CATEGORIES, "<i4", len(self.route.categories))

    @cached_property
    def dictionary(self) -> Sequence[str]:
        """The names of the block's categories."""
        names: Sequence[str] = self._json(Column.DICTIONARY, [])
        return names

    def items(self, kind: RaggedKind) -> tuple[Int32, Float32]:
        """A ragged input: how many items each row has, int32 [N], and the items, float32 [sum of them, columns].

        No row has items without inputs.
        """
        counts_column, values_column = RAGGED_COLUMNS[kind.name]
        counts = self._column(counts_column, "<i4", self.height)
        values = self._column(values_column, "<f4", 0).reshape(-1, len(self.route.ragged[kind]))
        if self.kept is None:
            return counts, values
        return counts[self.kept], values[np.repeat(self.kept, counts)]

    @cached_property
    def decisions(self) -> DecisionArrays | None:
        """What policies decided for the rows; None where no policy decided for any row of the block."""
        return DecisionArrays(self.raw, self.height, self.kept) if Column.DECISION_POLICY in self.raw else None

    @cached_property
    def _all_errors(self) -> Mapping[int, str]:
        return {int(row): reason for row, reason in self._json(Column.ERRORS, {}).items()}

    @cached_property
    def _context_units(self) -> list[str]:
        """The unit of each distinct context, where a route splits by one."""
        return [unit_of(self.route.unit, "", context) for context in self.contexts]

    def _wide(self, column: Column, dtype: str, width: int) -> npt.NDArray[Any]:
        return self._selected(self._column(column, dtype, self.height * width).reshape(self.height, width))

    def _column(self, column: Column, dtype: str, count: int) -> npt.NDArray[Any]:
        """A column; zeros where it was left out."""
        return np.frombuffer(self.raw[column], dtype) if column in self.raw else np.zeros(count, dtype)

    def _of_calls(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values of the block's calls, per selected row."""
        return self._selected(np.repeat(values, self.call_rows) if Column.CALL_ROWS in self.raw else values)

    def _selected(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values of the block's rows, of the selected ones."""
        return values if self.kept is None else values[self.kept]

    def _json(self, column: Column, otherwise: Any) -> Any:
        return json.loads(bytes(self.raw[column])) if column in self.raw else otherwise
