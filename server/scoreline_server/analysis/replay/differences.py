"""Adds up the differences of replayed rows, block by block, in memory that does not grow with their number."""

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from scoreline_server.analysis.replay.report import (
    OTHER_BUILD,
    ArmReplay,
    Change,
    Flips,
    ReplayReport,
    RowDifference,
    Runtime,
    ScoreDifferences,
)
from scoreline_server.analysis.replay.routes import Versions
from scoreline_server.analysis.replay.rows import Mask
from scoreline_server.analysis.replay.scoring import ReplayedRows
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.compiled_route import NO_BAND

_LEVELS = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
_SAMPLE_ROWS = 200_000
_MOST_SHOWN = 10

Floats = npt.NDArray[np.float64]
Pairs = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Environment:
    """What scores are computed by: a build of ONNX Runtime on a host."""

    onnxruntime: str
    host: str

    @classmethod
    def here(cls) -> "Environment":
        """That of this process."""
        return cls(version("onnxruntime"), socket.gethostname())


class Sample:
    """A uniform sample of differences: all of them until there are many."""

    def __init__(self, size: int = _SAMPLE_ROWS) -> None:
        self._size = size
        self._random = np.random.default_rng(0)
        self._values = np.empty(0, np.float64)
        self._keys = np.empty(0, np.float64)
        self._waiting: list[Floats] = []
        self._rows = 0

    def add(self, values: Floats) -> None:
        """Adds differences."""
        self._waiting.append(values)
        self._rows += len(values)
        if self._rows >= self._size:
            self._merge()

    def __len__(self) -> int:
        self._merge()
        return len(self._values)

    def quantiles(self) -> Mapping[float, float]:
        """The quantiles by level; none of no rows."""
        if not len(self):
            return {}
        return dict(zip(_LEVELS, np.quantile(self._values, _LEVELS).tolist(), strict=True))

    def _merge(self) -> None:
        """Draws a random key for each of the waiting differences; those with the smallest keys are kept."""
        self._values = np.concatenate([self._values, *self._waiting])
        self._keys = np.concatenate([self._keys, self._random.random(len(self._values) - len(self._keys))])
        self._waiting, self._rows = [], 0
        if len(self._values) > self._size:
            kept = np.argpartition(self._keys, self._size)[: self._size]
            self._values, self._keys = self._values[kept], self._keys[kept]


@dataclass
class _Count:
    """The sums of some rows."""

    rows: int = 0
    equal: int = 0
    largest: float = 0.0
    beyond: int = 0
    left_out: int = 0


@dataclass
class Differences:
    """The sums over all blocks of a replay. ``allowed`` replaces the largest difference that is allowed."""

    mode: str
    versions: Versions
    allowed: float | None = None
    here: Environment = field(default_factory=Environment.here)
    _rows: int = 0
    _beyond: int | None = None
    _not_replayed: Counter[str] = field(default_factory=Counter)
    _scored: _Count = field(default_factory=_Count)
    _sum: float = 0.0
    _absolute: float = 0.0
    _sample: Sample = field(default_factory=Sample)
    _errors: Pairs = field(default_factory=Counter)
    _assigned: Pairs = field(default_factory=Counter)
    _bands: Pairs = field(default_factory=Counter)
    _flips: dict[tuple[str, int, str, float], npt.NDArray[np.int64]] = field(default_factory=dict)
    _arms: dict[tuple[str, int, str, str, int], _Count] = field(default_factory=dict)
    _runtimes: dict[tuple[Environment, float], _Count] = field(default_factory=dict)
    _most: list[tuple[float, RowDifference]] = field(default_factory=list)

    def add(self, block: ReplayedRows) -> None:
        """Adds the selected rows of a block."""
        rows, compared, equal = block.journaled, block.compared, block.equal
        differences = block.scores.astype(np.float64) - rows.scores
        both = compared & np.isfinite(differences)
        moved = compared & _assigned_otherwise(block)
        allowed = self._allowed(block)
        beyond = compared & ~equal & ~(both & (np.abs(differences) <= allowed))
        if block.route.as_decided:
            beyond |= moved
            self._beyond = (self._beyond or 0) + int(beyond.sum())
        self._rows += int(rows.kept.sum())
        for reason, mask in block.skipped.items():
            self._not_replayed[reason] += int((mask & rows.kept).sum())
        self._add_scores(differences[both], int((equal & both).sum()))
        self._add_arms(block, equal, differences)
        self._add_runtime(block, compared, beyond, allowed)
        self._add_changes(block, compared, moved)
        self._add_flips(block, both)
        self._add_most(block, both, differences)

    def report(self) -> ReplayReport:
        """The report of what was added."""
        scored = self._scored
        return ReplayReport(
            mode=self.mode,
            onnxruntime=self.here.onnxruntime,
            host=self.here.host,
            rows=self._rows,
            not_replayed=dict(self._not_replayed.most_common()),
            scores=ScoreDifferences(
                rows=scored.rows,
                equal=scored.equal,
                largest=scored.largest,
                mean=self._sum / max(scored.rows, 1),
                mean_absolute=self._absolute / max(scored.rows, 1),
                quantiles=self._sample.quantiles(),
                sampled=len(self._sample),
            ),
            errors=_changes(self._errors),
            assigned=_changes(self._assigned),
            bands=_changes(self._bands),
            flips=tuple(Flips(*cut, *counts.tolist()) for cut, counts in self._flips.items()),
            arms=tuple(
                ArmReplay(*arm, count.rows, count.equal, count.largest, count.left_out)
                for arm, count in sorted(self._arms.items())
            ),
            runtimes=tuple(
                Runtime(by.onnxruntime, by.host, by == self.here, count.rows, allowed, count.beyond)
                for (by, allowed), count in self._runtimes.items()
            ),
            most=tuple(row for _, row in self._most),
            beyond=self._beyond,
        )

    def _allowed(self, block: ReplayedRows) -> float:
        if self.allowed is not None:
            return self.allowed
        return 0.0 if _scored_by(block) == self.here else OTHER_BUILD

    def _add_scores(self, differences: Floats, equal: int) -> None:
        absolute = np.abs(differences)
        self._scored.rows += len(differences)
        self._scored.equal += equal
        self._scored.largest = max(self._scored.largest, float(absolute.max(initial=0.0)))
        self._sum += float(differences.sum())
        self._absolute += float(absolute.sum())
        self._sample.add(differences)

    def _add_arms(self, block: ReplayedRows, equal: Mask, differences: Floats) -> None:
        rows, facts, compared = block.journaled, block.journaled.route, block.compared
        for index in np.unique(rows.served[rows.kept]).tolist():
            arm = facts.arms[index]
            count = self._arms.setdefault((facts.route, facts.revision, arm.ref, arm.model, arm.version), _Count())
            own = rows.kept & (rows.served == index)
            count.rows += int((own & compared).sum())
            count.equal += int((own & compared & equal).sum())
            count.left_out += int((own & ~compared).sum())
            largest = np.nanmax(np.abs(differences[own & compared]), initial=0.0)
            count.largest = max(count.largest, float(largest))

    def _add_runtime(self, block: ReplayedRows, compared: Mask, beyond: Mask, allowed: float) -> None:
        count = self._runtimes.setdefault((_scored_by(block), allowed), _Count())
        count.rows += int(compared.sum())
        count.beyond += int(beyond.sum()) if block.route.as_decided else 0

    def _add_changes(self, block: ReplayedRows, compared: Mask, moved: Mask) -> None:
        before, after, rows = block.journaled.errors, block.errors, block.journaled
        for row in {*before, *after}:
            if compared[row] and before.get(row) != after.get(row):
                self._errors[before.get(row, ""), after.get(row, "")] += 1
        arms, drawn = rows.route.arms, block.route.arms
        self._assigned += _pairs(
            rows.assigned[moved], [arm.ref for arm in arms], block.assigned[moved], [arm.ref for arm in drawn]
        )
        codes, names = replayed_bands(block)
        here = compared & (codes != NO_BAND) & (rows.bands != NO_BAND)
        pairs = _pairs(rows.bands[here], rows.route.bands, codes[here], names)
        self._bands += Counter({pair: count for pair, count in pairs.items() if pair[0] != pair[1]})

    def _add_flips(self, block: ReplayedRows, both: Mask) -> None:
        rows = block.journaled
        for index in np.unique(rows.served[both]).tolist():
            arm = rows.route.arms[index]
            own = both & (rows.served == index)
            for band, cut in self.versions.cuts(arm):
                before, after = rows.scores[own] >= cut, block.scores[own] >= cut
                counts = np.array([own.sum(), (~before & after).sum(), (before & ~after).sum()], np.int64)
                key = arm.model, arm.version, band, float(cut)
                self._flips[key] = self._flips.get(key, np.zeros(3, np.int64)) + counts

    def _add_most(self, block: ReplayedRows, both: Mask, differences: Floats) -> None:
        absolute = np.where(both, np.abs(differences), 0.0)
        for row in np.argsort(-absolute, kind="stable")[:_MOST_SHOWN].tolist():
            if absolute[row] > 0:
                self._most.append((float(absolute[row]), _row(block, row)))
        self._most = sorted(self._most, key=lambda pair: -pair[0])[:_MOST_SHOWN]


def replayed_bands(block: ReplayedRows) -> tuple[npt.NDArray[np.intp], Sequence[str]]:
    """The band of each replayed score as an index into the names returned with it, NO_BAND for none."""
    codes, names = np.full(len(block.journaled), NO_BAND, np.intp), list[str]()
    for index, place in enumerate(block.route.places.tolist()):
        own = (block.served == index) & np.isfinite(block.scores)
        if place < 0 or not own.any() or not block.route.compiled.arms[place].band_names:
            continue
        arm = block.route.compiled.arms[place]
        bands = np.searchsorted(arm.band_edges, block.scores[own], side="right") - 1
        codes[own] = np.where(bands >= 0, bands + len(names), NO_BAND)
        names += arm.band_names
    return codes, names


def _assigned_otherwise(block: ReplayedRows) -> Mask:
    """bool [N]: rows that are assigned to another arm, by its reference; of rows without an error on both sides."""
    rows = block.journaled
    if not block.route.assigns:
        return np.zeros(len(rows), bool)
    before = np.array([arm.ref for arm in rows.route.arms], object)[rows.assigned]
    moved = before != np.array([arm.ref for arm in block.route.arms], object)[block.assigned]
    failed = np.zeros(len(rows), bool)
    failed[[*rows.errors, *block.errors]] = True
    return np.asarray(moved & ~failed, bool)


def _scored_by(block: ReplayedRows) -> Environment:
    return Environment(block.journaled.file.onnxruntime, block.journaled.file.host)


def _pairs(
    before: npt.NDArray[np.integer[npt.NBitBase]] | Indices, names: Sequence[str], after: Indices, others: Sequence[str]
) -> Pairs:
    """How often two codes meet, by their names."""
    pairs: Pairs = Counter()
    found, counts = np.unique(np.stack([before.astype(np.intp), after]), axis=1, return_counts=True)
    for first, second, count in zip(*found.tolist(), counts.tolist(), strict=True):
        pairs[names[first], others[second]] += count
    return pairs


def _changes(pairs: Pairs) -> tuple[Change, ...]:
    return tuple(Change(before, after, rows) for (before, after), rows in pairs.most_common())


def _row(block: ReplayedRows, row: int) -> RowDifference:
    rows = block.journaled
    return RowDifference(
        prediction_id=rows.prediction_ids[row],
        entity_id=rows.inputs.ids[row],
        revision=rows.route.revision,
        arm=rows.route.arms[rows.served[row]].ref,
        replayed_arm=block.route.arms[block.served[row]].ref,
        score=float(rows.scores[row]),
        replayed_score=float(block.scores[row]),
    )
