"""Outcomes as columns: of one report in memory, and as the body of an OUTCOMES block.

The outcomes of predictions stand first, those of units after them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.outcomes import Outcome
from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.format.columns import packed, packed_json, packed_texts, unpacked, unpacked_texts
from scoreline_server.scoring.wire import CALL_ID_BYTES

Int64: TypeAlias = npt.NDArray[np.int64]
UInt16: TypeAlias = npt.NDArray[np.uint16]
Float64: TypeAlias = npt.NDArray[np.float64]
CallIds: TypeAlias = npt.NDArray[np.void]

CALL_ID = np.dtype(f"V{CALL_ID_BYTES}")
MAX_NAMES = 65535
"""The most distinct names in one block."""


class OutcomeColumn(IntEnum):
    """The columns of OUTCOMES blocks: N outcomes, the first P of predictions and the other U of units.

    Times are ns since 1970. A column is left out where it holds nothing but its default.
    """

    FACTS = 1
    """JSON object: route, reported_at, predictions (P), windows (U)."""
    NAMES = 2
    """JSON list of the distinct names."""
    NAME_INDEX = 3
    """uint16 [N]: indices into NAMES; left out where all are 0."""
    VALUES = 4
    """float64 [N]."""
    WEIGHTS = 5
    """float64 [N]; left out where all are 1."""
    OBSERVED_AT = 6
    """int64 [N]."""
    CALL_IDS = 7
    """12 bytes [P]: of the prediction id."""
    PLACES = 8
    """uint16 [P]: the row's index in its call; left out where all are 0."""
    UNITS = 9
    """texts [U]."""
    SINCE = 10
    """int64 [U]: the first moment of the window."""
    UNTIL = 11
    """int64 [U]: the first moment after the window."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeBlock:
    """Outcomes of one route that were reported together: N, the first P of predictions, the other U of units.

    Attributes:
        route: the name of the route.
        reported_at: when, in ns since 1970.
        names: the distinct names.
        name_index: [N] indices into ``names``.
        values: [N] what was observed.
        weights: [N] how much each counts; 0 withdraws an outcome.
        observed_at: [N] in ns since 1970.
        call_ids: [P] the call of the prediction, 12 bytes.
        places: [P] the row's index in its call.
        units: [U] units of the route's split.
        since, until: [U] the window [since, until) in which the unit's rows were scored, in ns since 1970.
    """

    route: str
    reported_at: int
    names: tuple[str, ...]
    name_index: UInt16
    values: Float64
    weights: Float64
    observed_at: Int64
    call_ids: CallIds
    places: UInt16
    units: Sequence[str]
    since: Int64
    until: Int64

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, route: str, reported_at: int, outcomes: Sequence[Outcome]) -> Self:
        """The columns of some outcomes, those of predictions first; of at most MAX_NAMES names."""
        predictions = [one for one in outcomes if one.prediction_id]
        windows = [one for one in outcomes if not one.prediction_id]
        ordered = [*predictions, *windows]
        names: dict[str, int] = {}
        name_index = [names.setdefault(one.name, len(names)) for one in ordered]
        return cls(
            route=route,
            reported_at=reported_at,
            names=tuple(names),
            name_index=np.array(name_index, np.uint16),
            values=np.array([one.value for one in ordered], np.float64),
            weights=np.array([one.weight for one in ordered], np.float64),
            observed_at=np.array([one.observed_at for one in ordered], np.int64),
            call_ids=np.frombuffer(bytes.fromhex("".join([one.prediction_id[:24] for one in predictions])), CALL_ID),
            places=np.array([int(one.prediction_id[25:]) for one in predictions], np.uint16),
            units=[one.unit for one in windows],
            since=np.array([one.since for one in windows], np.int64),
            until=np.array([one.until for one in windows], np.int64),
        )

    def selected(self, kept: npt.NDArray[np.bool_]) -> Self:
        """The outcomes that are kept, bool [N], and the names of all."""
        of_predictions, of_units = kept[: len(self.call_ids)], kept[len(self.call_ids) :]
        return replace(
            self,
            name_index=self.name_index[kept],
            values=self.values[kept],
            weights=self.weights[kept],
            observed_at=self.observed_at[kept],
            call_ids=self.call_ids[of_predictions],
            places=self.places[of_predictions],
            units=[self.units[row] for row in np.flatnonzero(of_units).tolist()],
            since=self.since[of_units],
            until=self.until[of_units],
        )

    def block(self) -> bytes:
        """The block, as it stands in a file."""
        facts = {
            "route": self.route,
            "reported_at": self.reported_at,
            "predictions": len(self.call_ids),
            "windows": len(self.units),
        }
        columns = {
            OutcomeColumn.FACTS: packed_json(facts),
            OutcomeColumn.NAMES: packed_json(self.names),
            OutcomeColumn.VALUES: self.values.astype("<f8").tobytes(),
            OutcomeColumn.OBSERVED_AT: self.observed_at.astype("<i8").tobytes(),
        }
        if self.name_index.any():
            columns[OutcomeColumn.NAME_INDEX] = self.name_index.astype("<u2").tobytes()
        if (self.weights != 1).any():
            columns[OutcomeColumn.WEIGHTS] = self.weights.astype("<f8").tobytes()
        if len(self.call_ids):
            columns[OutcomeColumn.CALL_IDS] = self.call_ids.tobytes()
        if self.places.any():
            columns[OutcomeColumn.PLACES] = self.places.astype("<u2").tobytes()
        if len(self.units):
            columns[OutcomeColumn.UNITS] = packed_texts(self.units)
            columns[OutcomeColumn.SINCE] = self.since.astype("<i8").tobytes()
            columns[OutcomeColumn.UNTIL] = self.until.astype("<i8").tobytes()
        return framed(Kind.OUTCOMES, packed(columns))

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Parses a block's body. Raises ValueError, TypeError or KeyError where it is invalid."""
        columns = unpacked(body)
        facts = json.loads(bytes(columns[OutcomeColumn.FACTS]))
        predictions, windows = int(facts["predictions"]), int(facts["windows"])
        count = predictions + windows
        names = tuple(json.loads(bytes(columns[OutcomeColumn.NAMES])))
        name_index = _column(columns, OutcomeColumn.NAME_INDEX, "<u2", count, default=0)
        if count and (name_index.max() >= len(names) or not all(isinstance(name, str) for name in names)):
            raise ValueError("an outcome's name is not among the names")
        return cls(
            route=str(facts["route"]),
            reported_at=int(facts["reported_at"]),
            names=names,
            name_index=name_index,
            values=_column(columns, OutcomeColumn.VALUES, "<f8", count),
            weights=_column(columns, OutcomeColumn.WEIGHTS, "<f8", count, default=1),
            observed_at=_column(columns, OutcomeColumn.OBSERVED_AT, "<i8", count),
            call_ids=_column(columns, OutcomeColumn.CALL_IDS, CALL_ID, predictions),
            places=_column(columns, OutcomeColumn.PLACES, "<u2", predictions, default=0),
            units=unpacked_texts(columns[OutcomeColumn.UNITS], windows) if windows else [],
            since=_column(columns, OutcomeColumn.SINCE, "<i8", windows),
            until=_column(columns, OutcomeColumn.UNTIL, "<i8", windows),
        )


def _column(
    columns: dict[int, memoryview], column: OutcomeColumn, dtype: Any, count: int, *, default: float | None = None
) -> npt.NDArray[Any]:
    """A column of ``count`` numbers. Raises ValueError for another length, KeyError where it must not be left out."""
    if column not in columns and (default is not None or not count):
        return np.full(count, default, dtype) if count else np.zeros(0, dtype)
    found = np.frombuffer(columns[column], dtype)
    if len(found) != count:
        raise ValueError(f"column {column.name} has {len(found)} entries, not {count}")
    return found
