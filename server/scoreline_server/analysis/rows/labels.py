"""Outcomes joined to exposures: the last word of each, within its time, added up per unit."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntFlag
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_server.analysis.report.parts import OutcomeCounts
from scoreline_server.analysis.rows.exposures import NOT_EXPOSED, Exposures, Int32
from scoreline_server.analysis.rows.predictions import CHUNK, Predictions, UInt64, prediction_keys
from scoreline_server.journal.format.fingerprints import text_keys
from scoreline_server.outcomes.block import OutcomeBlock
from scoreline_server.outcomes.reader import read_outcomes
from scoreline_server.outcomes.table import OutcomeTable, last_words

Ints = npt.NDArray[np.integer[Any]]
Bool = npt.NDArray[np.bool_]

NOWHERE = -1
NO_OUTCOMES = OutcomeCounts("", 0, 0, 0, 0, 0)


class RowIndex:
    """Finds rows by their keys."""

    def __init__(self, keys: UInt64) -> None:
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._keys = np.sort(keys)

    def rows_of(self, keys: UInt64) -> Int32:
        """The first row of each key; NOWHERE for a key that no row has."""
        rows = np.full(len(keys), NOWHERE, np.int32)
        if len(self._keys):
            for part in range(0, len(keys), CHUNK):
                self._find(keys[part : part + CHUNK], rows[part : part + CHUNK])
        return rows

    def _find(self, keys: UInt64, rows: Int32) -> None:
        """Writes the rows of some keys."""
        # Sorted queries walk through the index instead of jumping about in it.
        sorting = np.argsort(keys)
        places = np.searchsorted(self._keys, keys[sorting])
        places[places == len(self._keys)] = 0
        rows[sorting] = np.where(self._keys[places] == keys[sorting], self._order[places], NOWHERE)


class UnitIndex:
    """Finds a unit's rows in a window of time."""

    def __init__(self, units: UInt64, times: npt.NDArray[np.int64]) -> None:
        """``units`` and ``times`` [N] are of rows in the order of time."""
        self._times = times
        # A stable sort by unit orders each unit's rows by time.
        self._order = np.argsort(units, kind="stable")
        self._units = units[self._order]
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


class _State(IntFlag):
    """What the last report of a row says."""

    LABELLED = 1
    POSITIVE = 2
    LATE = 4


@dataclass(slots=True, eq=False)
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
    counts: OutcomeCounts = NO_OUTCOMES

    @classmethod
    def empty(cls, units: int) -> "Labels":
        """No outcome for any of so many units."""
        return cls(np.zeros(units), np.zeros(units, np.bool_), np.zeros(units, np.bool_))

    def add(self, exposed: Int32, totals: npt.NDArray[np.float64], states: npt.NDArray[np.uint8]) -> None:
        """Adds outcomes of some exposures."""
        np.add.at(self.totals, exposed, totals)
        self.labelled[exposed] = True
        self.positive[exposed[states & _State.POSITIVE != 0]] = True

    @property
    def is_binary(self) -> bool:
        """Whether every labelled total is 0 or 1."""
        known = self.totals[self.labelled]
        return bool(len(known)) and bool(((known == 0) | (known == 1)).all())


@dataclass(frozen=True, slots=True)
class Reports:
    """What is reported of a route: how many outcomes by name, whether any is of a unit, and when each block was."""

    names: Counter[str]
    has_units: bool
    times: tuple[int, ...]

    @classmethod
    def of(cls, folders: Iterable[Path], route: str) -> "Reports":
        """The reports of a route in some folders."""
        names: Counter[str] = Counter()
        has_units, times = False, []
        for block in read_outcomes(folders, route):
            counts = np.bincount(block.name_index, minlength=len(block.names)).tolist()
            names.update(dict(zip(block.names, counts, strict=True)))
            has_units = has_units or bool(len(block.units))
            times.append(block.reported_at)
        return cls(names, has_units, tuple(times))

    @property
    def ranks(self) -> npt.NDArray[np.uint32]:
        """The place of each block in the order of reporting, from 1; of equal times the later block is later."""
        ranks = np.empty(len(self.times), np.uint32)
        ranks[np.argsort(self.times, kind="stable")] = np.arange(1, len(self.times) + 1)
        return ranks


@dataclass(frozen=True, slots=True, eq=False)
class LabelSource:
    """Where labels come from. ``maturity`` is in ns, 0 for none; ``units`` is None where no outcome is of a unit."""

    folders: tuple[Path, ...]
    route: str
    reports: Reports
    times: npt.NDArray[np.int64]
    exposures: Exposures
    index: RowIndex
    units: UnitIndex | None
    maturity: int

    def labels(self, name: str) -> Labels:
        """The outcomes of one name, joined by prediction id, or by unit and window."""
        last = _LastOfRows(len(self.times))
        read = unmatched = 0
        windows: list[OutcomeBlock] = []
        # A block that is written meanwhile has no rank yet: the next report will have it.
        for block, rank in zip(read_outcomes(self.folders, self.route), self.reports.ranks.tolist(), strict=False):
            if name in block.names:
                ids, of_units = _parted(block, block.names.index(name))
                read += len(ids)
                unmatched += len(ids) - self._take(last, ids, rank)
                windows += [of_units] if len(of_units) else []
        labels, matched, late = self._added(last)
        table = last_words(windows)
        by_unit = self._with_units(labels, table)
        labels.counts = OutcomeCounts(
            name=name,
            read=read + len(table) + table.replaced,
            superseded=read - unmatched - matched + table.replaced,
            matched=matched + by_unit[0],
            unmatched=unmatched + len(table) - by_unit[0],
            late=late + by_unit[1],
        )
        return labels

    def _take(self, last: "_LastOfRows", block: OutcomeBlock, rank: int) -> int:
        """Takes the outcomes of a block whose rows count, and returns how many they are."""
        rows = self.index.rows_of(prediction_keys(block.call_ids, block.places))
        known = np.flatnonzero(rows != NOWHERE)
        known = known[self.exposures.of_rows[rows[known]] != NOT_EXPOSED]
        rows = rows[known]
        states = self._states(block, known, self.exposures.of_rows[rows])
        last.take(rows, block.values[known] * block.weights[known], states, rank)
        return len(known)

    def _added(self, last: "_LastOfRows") -> tuple[Labels, int, int]:
        """The labels of rows' last outcomes, how many of them there are, and how many came late."""
        labels = Labels.empty(len(self.exposures))
        matched = late = 0
        for part in range(0, len(self.times), CHUNK):
            rows = part + np.flatnonzero(last.ranks[part : part + CHUNK])
            states = last.states[rows]
            matched, late = matched + len(rows), late + int(np.count_nonzero(states & _State.LATE))
            counted = states & (_State.LABELLED | _State.LATE) == _State.LABELLED
            rows = rows[counted]
            labels.add(self.exposures.of_rows[rows], last.totals[rows], states[counted])
        return labels, matched, late

    def _with_units(self, labels: Labels, table: OutcomeTable) -> tuple[int, int]:
        """Adds the outcomes of units at the first row of each window; how many have one, and how many came late."""
        if self.units is None or not len(table) or not len(self.times):
            return 0, 0
        rows = self.units.first_rows(text_keys(table.units), table.since, table.until)
        exposed = np.where(rows == NOWHERE, np.int32(NOT_EXPOSED), self.exposures.of_rows[rows])
        known = np.flatnonzero(exposed != NOT_EXPOSED)
        states = self._states(table, known, exposed[known])
        counted = states & (_State.LABELLED | _State.LATE) == _State.LABELLED
        chosen = known[counted]
        labels.add(exposed[chosen], table.values[chosen] * table.weights[chosen], states[counted])
        return len(known), int(np.count_nonzero(states & _State.LATE))

    def _states(self, outcomes: OutcomeBlock | OutcomeTable, chosen: Ints, exposed: Int32) -> npt.NDArray[np.uint8]:
        # A weight of 0 withdraws an outcome.
        states = np.where(outcomes.weights[chosen] > 0, np.uint8(_State.LABELLED), np.uint8(0))
        states[outcomes.values[chosen] != 0] |= np.uint8(_State.POSITIVE)
        if self.maturity:
            since = self.times[self.exposures.rows[exposed]]
            states[outcomes.observed_at[chosen] > since + self.maturity] |= np.uint8(_State.LATE)
        return states


class _LastOfRows:
    """The last report of each of N rows. ``ranks`` are 0 where there is none."""

    def __init__(self, rows: int) -> None:
        self.totals = np.zeros(rows)
        self.ranks = np.zeros(rows, np.uint32)
        self.states = np.zeros(rows, np.uint8)

    def take(self, rows: Int32, totals: npt.NDArray[np.float64], states: npt.NDArray[np.uint8], rank: int) -> None:
        """Takes the outcomes of one block, the later of one row last, unless a later block's are here."""
        newer = self.ranks[rows] <= rank
        rows = rows[newer]
        self.totals[rows], self.states[rows], self.ranks[rows] = totals[newer], states[newer], rank


def mature(predictions: Predictions, exposures: Exposures, maturity: int, now: int) -> Bool:
    """Which exposures are old enough for their outcomes to have come: bool [U]. Times in ns."""
    if not maturity:
        return np.ones(len(exposures), np.bool_)
    # Exposures and rows are in the order of time.
    old = np.searchsorted(predictions.times, now - maturity, side="right")
    return np.asarray(exposures.rows < old)


def _parted(block: OutcomeBlock, name: int) -> tuple[OutcomeBlock, OutcomeBlock]:
    """The outcomes of a block with one name: those of predictions, and those of units."""
    predictions = len(block.call_ids)
    kept = block.name_index == name
    rows = np.flatnonzero(kept[:predictions]), np.flatnonzero(kept[predictions:])
    return (
        replace(_chosen(block, name, rows[0]), call_ids=block.call_ids[rows[0]], places=block.places[rows[0]]),
        replace(
            _chosen(block, name, predictions + rows[1]),
            units=[block.units[row] for row in rows[1].tolist()],
            since=block.since[rows[1]],
            until=block.until[rows[1]],
        ),
    )


def _chosen(block: OutcomeBlock, name: int, rows: Ints) -> OutcomeBlock:
    """Some outcomes of a block with one name, without what they are of."""
    return replace(
        block,
        names=(block.names[name],),
        name_index=np.zeros(len(rows), np.uint16),
        values=block.values[rows],
        weights=block.weights[rows],
        observed_at=block.observed_at[rows],
        call_ids=block.call_ids[:0],
        places=block.places[:0],
        units=(),
        since=block.since[:0],
        until=block.until[:0],
    )
