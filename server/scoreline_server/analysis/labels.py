"""Outcomes joined to exposures: the last word of each, within its time, added up per unit."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoreline_server.analysis.exposures import NOT_EXPOSED, Exposures
from scoreline_server.analysis.predictions import Predictions, UInt64, prediction_keys
from scoreline_server.analysis.report_parts import OutcomeCounts
from scoreline_server.journal.fingerprints import text_keys
from scoreline_server.outcomes.block import OutcomeBlock
from scoreline_server.outcomes.reader import read_outcomes
from scoreline_server.outcomes.table import OutcomeTable, last_words

Ints = npt.NDArray[np.intp]
Bool = npt.NDArray[np.bool_]

NOWHERE = -1


class RowIndex:
    """Finds rows by their keys."""

    def __init__(self, keys: UInt64) -> None:
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._keys = keys[self._order]

    def rows_of(self, keys: UInt64) -> Ints:
        """The first row of each key; NOWHERE for a key that no row has."""
        if not len(self._keys):
            return np.full(len(keys), NOWHERE, np.intp)
        # Sorted queries walk through the index instead of jumping about in it.
        sorting = np.argsort(keys)
        places = np.searchsorted(self._keys, keys[sorting])
        places[places == len(self._keys)] = 0
        found = np.where(self._keys[places] == keys[sorting], self._order[places], NOWHERE)
        rows = np.empty(len(keys), np.intp)
        rows[sorting] = found
        return rows


class UnitIndex:
    """Finds a unit's rows in a window of time."""

    def __init__(self, predictions: Predictions) -> None:
        self._times = predictions.times
        # Rows are in the order of time, so that a stable sort by unit orders each unit's rows by time.
        self._order = np.argsort(predictions.units, kind="stable")
        self._units = predictions.units[self._order]
        self._width = len(self._units) + 1
        numbers = np.zeros(len(self._units), np.int64)
        np.cumsum(self._units[1:] != self._units[:-1], out=numbers[1:])
        self._positions = numbers * self._width + self._order

    def first_rows(self, units: UInt64, since: npt.NDArray[np.int64], until: npt.NDArray[np.int64]) -> Ints:
        """The first row of each unit in its window [since, until); NOWHERE for none."""
        rows = np.full(len(units), NOWHERE, np.intp)
        if not len(self._units):
            return rows
        places = np.minimum(np.searchsorted(self._units, units), len(self._units) - 1)
        known = np.flatnonzero(self._units[places] == units)
        base = self._positions[places[known]] // self._width * self._width
        wanted = base + np.searchsorted(self._times, since[known])
        found = np.minimum(np.searchsorted(self._positions, wanted), len(self._units) - 1)
        inside = (self._positions[found] >= wanted) & (
            self._positions[found] < base + np.searchsorted(self._times, until[known])
        )
        rows[known[inside]] = self._order[found[inside]]
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The outcomes of one name, per exposure.

    Attributes:
        totals: float64 [U], the sum of weight times value over the unit's rows.
        positive: bool [U], whether any value is not 0.
        labelled: bool [U], whether there is an outcome at all.
        counts: of the outcomes.
    """

    totals: npt.NDArray[np.float64]
    positive: Bool
    labelled: Bool
    counts: OutcomeCounts

    @property
    def is_binary(self) -> bool:
        """Whether every labelled total is 0 or 1."""
        known = self.totals[self.labelled]
        return bool(len(known)) and bool(((known == 0) | (known == 1)).all())


def outcome_names(folders: Iterable[Path], route: str) -> Counter[str]:
    """The names of a route's outcomes and how many reports of each there are."""
    found: Counter[str] = Counter()
    for block in read_outcomes(folders, route):
        counts = np.bincount(block.name_index, minlength=len(block.names)).tolist()
        found.update(dict(zip(block.names, counts, strict=True)))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class LabelSource:
    """Where labels come from. ``maturity`` is in ns, 0 for no limit."""

    folders: tuple[Path, ...]
    route: str
    predictions: Predictions
    exposures: Exposures
    index: RowIndex
    maturity: int

    def labels(self, name: str) -> Labels:
        """The outcomes of one name, joined by prediction id, or by unit and window."""
        table = last_words(self._blocks(name))
        rows = np.concatenate([self._by_id(table), self._by_unit(table)])
        exposed = np.where(rows == NOWHERE, NOT_EXPOSED, self.exposures.of_rows[rows])
        is_late = np.zeros(len(table), np.bool_)
        if self.maturity:
            known = exposed != NOT_EXPOSED
            since = self.predictions.times[self.exposures.rows[exposed[known]]]
            is_late[known] = table.observed_at[known] > since + self.maturity
        counts = OutcomeCounts(
            name=name,
            read=len(table) + table.replaced,
            superseded=table.replaced,
            matched=int(np.count_nonzero(exposed != NOT_EXPOSED)),
            unmatched=int(np.count_nonzero(exposed == NOT_EXPOSED)),
            late=int(np.count_nonzero(is_late)),
        )
        # A weight of 0 withdraws an outcome.
        counted = (exposed != NOT_EXPOSED) & ~is_late & (table.weights > 0)
        return self._added(exposed[counted], table.values[counted], table.weights[counted], counts)

    def _added(self, exposed: Ints, values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64],
               counts: OutcomeCounts) -> Labels:  # fmt: skip
        units = len(self.exposures)
        positive, labelled = np.zeros(units, np.bool_), np.zeros(units, np.bool_)
        labelled[exposed] = True
        positive[exposed[values != 0]] = True
        totals = np.bincount(exposed, values * weights, units).astype(np.float64)
        return Labels(totals, positive, labelled, counts)

    def _blocks(self, name: str) -> Iterator[OutcomeBlock]:
        for block in read_outcomes(self.folders, self.route):
            if block.names == (name,):
                yield block
            elif name in block.names:
                yield _only(block, block.names.index(name))

    def _by_id(self, table: OutcomeTable) -> Ints:
        return self.index.rows_of(prediction_keys(table.call_ids, table.places))

    def _by_unit(self, table: OutcomeTable) -> Ints:
        if not len(table.units):
            return np.zeros(0, np.intp)
        return UnitIndex(self.predictions).first_rows(text_keys(table.units), table.since, table.until)


def mature(predictions: Predictions, exposures: Exposures, maturity: int, now: int) -> Bool:
    """Which exposures are old enough for their outcomes to have come: bool [U]. Times in ns."""
    if not maturity:
        return np.ones(len(exposures), np.bool_)
    return predictions.times[exposures.rows] + maturity <= now


def _only(block: OutcomeBlock, name: int) -> OutcomeBlock:
    """The outcomes of a block with one name."""
    kept = block.name_index == name
    predictions = len(block.call_ids)
    of_ids, of_units = kept[:predictions], kept[predictions:]
    return replace(
        block,
        names=(block.names[name],),
        name_index=np.zeros(int(kept.sum()), np.uint16),
        values=block.values[kept],
        weights=block.weights[kept],
        observed_at=block.observed_at[kept],
        call_ids=block.call_ids[of_ids],
        places=block.places[of_ids],
        units=[block.units[row] for row in np.flatnonzero(of_units).tolist()],
        since=block.since[of_units],
        until=block.until[of_units],
    )
