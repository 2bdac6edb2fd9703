"""Exposures: the first row of each unit in the period, on the arm that it was assigned to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_server.analysis.report.parts import RowCounts
from scoreline_server.analysis.rows.predictions import LEFT_OUT, Flag, Predictions

Int32 = npt.NDArray[np.int32]

NOT_EXPOSED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Exposures:
    """U exposed units of N rows, in the order of their first rows.

    Attributes:
        rows: int32 [U], the first row of each unit.
        of_rows: int32 [N], the exposure that each row belongs to; NOT_EXPOSED for units that do not count.
        counts: what was read and what of it does not count.
    """

    rows: Int32
    of_rows: Int32
    counts: RowCounts

    def __len__(self) -> int:
        return len(self.rows)


def expose(predictions: Predictions) -> Exposures:
    """The exposures of some rows. A unit with a row under an override, a tester, counts for no arm at all."""
    flags = predictions.flags
    unit_of_row, units = _numbered(predictions.units)
    testers = np.zeros(units, np.bool_)
    testers[unit_of_row[flags & Flag.OVERRIDDEN != 0]] = True
    counted = np.flatnonzero((flags & LEFT_OUT == 0) & ~testers[unit_of_row]).astype(np.int32)
    first = np.full(units, len(predictions), np.int32)
    # Rows are in the order of time: written backwards, the first row of each unit is the one that stays.
    first[unit_of_row[counted[::-1]]] = counted[::-1]
    rows = np.sort(first[first < len(predictions)])
    exposure_of_unit = np.full(units, NOT_EXPOSED, np.int32)
    exposure_of_unit[unit_of_row[rows]] = np.arange(len(rows), dtype=np.int32)
    of_rows = exposure_of_unit[unit_of_row]
    of_rows[flags & (Flag.OVERRIDDEN | Flag.UNASSIGNED) != 0] = NOT_EXPOSED
    return Exposures(rows, of_rows, _counts(predictions, rows, of_rows, counted))


def _numbered(units: npt.NDArray[np.uint64]) -> tuple[Int32, int]:
    """The number of each row's unit, from 0, and how many units there are."""
    order = np.argsort(units).astype(np.int32)
    numbers = np.zeros(len(units), np.int32)
    ordered = units[order]
    np.cumsum(ordered[1:] != ordered[:-1], out=numbers[1:])
    del ordered
    unit_of_row = np.empty(len(units), np.int32)
    unit_of_row[order] = numbers
    return unit_of_row, int(numbers[-1]) + 1 if len(units) else 0


def _counts(predictions: Predictions, rows: Int32, of_rows: Int32, counted: Int32) -> RowCounts:
    flags = predictions.flags

    def having(flag: Flag, among: npt.NDArray[np.uint8] = flags) -> int:
        return int(np.count_nonzero(among & flag))

    exposed = flags[rows]
    later = counted[predictions.arms[counted] != predictions.arms[rows][of_rows[counted]]]
    unknown = np.array([not shares.millionths for shares in predictions.share_list], np.bool_)
    return RowCounts(
        read=len(predictions),
        retries=having(Flag.RETRY),
        duplicates=having(Flag.DUPLICATE),
        unassigned=having(Flag.UNASSIGNED),
        overridden=int(np.count_nonzero((of_rows == NOT_EXPOSED) & (flags & (LEFT_OUT & ~Flag.OVERRIDDEN) == 0))),
        repeats=len(counted) - len(rows),
        exposures=len(rows),
        failed=having(Flag.FAILED, exposed),
        fallback=having(Flag.FALLBACK, exposed),
        crossed=len(np.unique(of_rows[later])),
        without_shares=int(np.count_nonzero(unknown[predictions.shares[rows]])) if len(rows) else 0,
        torn_tails=predictions.torn_tails,
        damaged=predictions.damaged,
    )
