"""Selects from a journal's blocks the rows that count for a ramp's step.

Rows count that were scored under the step's revision or a later one, by a rule that gives units to the growing arm:
which revision scored a row does not depend on the clocks of several hosts. Rows of testers and of the holdout were not
assigned by chance, and a retried call counts once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.routing.assignment import NO_RULE
from scoreline_server.controllers.step_rows import Bools, Pairs, StepRows, texts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.reading.records import Records
from scoreline_server.journal.reading.row_arrays import NO_ARM, RowArrays
from scoreline_server.scoring.compiled_route import NO_BAND

MOST_UNITS = 1_000_000
"""Units beyond so many in one step add nothing to the guards of scores, which have long decided by then."""
_MOST_PENDING = 200_000
_MOST_REQUESTS = 1_000_000
_NOT_BY_CHANCE = (pb.REASON_HOLDOUT, pb.REASON_OVERRIDE)

_Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one route's ramp.

    Attributes:
        route: the route's name.
        arm: the growing arm, as the route names it.
        since: when the step began, in ns since 1970.
        revision: the first revision of the step, 0 where it is not known; rows are then chosen by their time.
        segments: facts of a row by which guards look at parts, "context.<key>" or "feature.<name>".
        paired: whether the growing arm also is a shadow of the route.
    """

    route: str
    arm: str
    since: int
    revision: int = 0
    segments: tuple[str, ...] = ()
    paired: bool = False


@dataclass(frozen=True, slots=True)
class _Pending:
    """A row that a shadow may still score."""

    score: float
    band: str
    segments: tuple[str, ...]


class Selection:
    """The rows of one step, block by block. For one thread."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._batches = 0
        self._strata: dict[Any, int] = {}
        self._units: set[int] = set()
        self._calls_of_requests: dict[int, int] = {}
        self._pending: dict[bytes, _Pending] = {}
        self._bands: tuple[tuple[float, ...], tuple[str, ...]] = ((), ())

    def rows(self, records: Records) -> StepRows | None:
        """The rows of a block that count; None where there are none."""
        route, arrays = records.route, records.arrays
        arms = [arm.ref for arm in route.arms]
        if route.route != self.step.route or self.step.arm not in arms or route.revision < self.step.revision:
            return None
        chosen = np.flatnonzero(self._counted(arrays))
        if not len(chosen):
            return None
        place = arms.index(self.step.arm)
        self._bands = next(((s.cuts, s.bands) for s in route.shadows if s.ref == self.step.arm), self._bands)
        rows = self._step_rows(arrays, chosen, place)
        if self.step.paired:
            self._expect(arrays, chosen, rows)
        return rows

    def pairs(self, scores: ShadowScores) -> Pairs | None:
        """The rows of a shadow's block that count; None where there are none."""
        if scores.route != self.step.route or scores.ref != self.step.arm:
            return None
        found, shadowed = [], []
        for key, score in zip(_keys(scores.call_ids, scores.places), scores.scores.tolist(), strict=True):
            row = self._pending.pop(key, None)
            if row is not None and score == score:  # noqa: PLR0124  NaN differs from itself
                found.append(row)
                shadowed.append(score)
        if not found:
            return None
        values = np.array(shadowed)
        return Pairs(
            np.array([row.score for row in found]),
            values,
            texts([row.band for row in found]),
            _band_names(values, *self._bands),
            {name: texts([row.segments[at] for row in found]) for at, name in enumerate(self.step.segments)},
        )

    def _counted(self, arrays: RowArrays) -> Bools:
        """Which rows of a block count."""
        counted = (arrays.assigned != NO_ARM) & ~np.isin(arrays.reasons, _NOT_BY_CHANCE)
        if not self.step.revision:
            counted &= arrays.times >= self.step.since
        if arrays.route.rules:
            takes = [self.step.arm in rule.shares and rule.shares[self.step.arm] > 0 for rule in arrays.route.rules]
            by_rule = np.zeros(NO_RULE + 1, np.bool_)
            by_rule[: len(takes)] = takes
            counted &= by_rule[arrays.rules]
        keys = arrays.request_keys
        if keys.any():
            counted &= ~self._retried(keys, _call_numbers(arrays))
        return np.asarray(counted, np.bool_)

    def _retried(self, keys: npt.NDArray[np.uint64], calls: npt.NDArray[np.int64]) -> Bools:
        """Which rows belong to a call that repeats an earlier one."""
        retried = np.zeros(len(keys), np.bool_)
        seen = self._calls_of_requests
        for row, (key, call) in enumerate(zip(keys.tolist(), calls.tolist(), strict=True)):
            retried[row] = bool(key) and seen.setdefault(key, call) != call
        _forget(seen, _MOST_REQUESTS)
        return retried

    def _step_rows(self, arrays: RowArrays, chosen: npt.NDArray[np.intp], place: int) -> StepRows:
        moments, batches = np.unique(arrays.times[chosen], return_inverse=True)
        first_batch, self._batches = self._batches, self._batches + len(moments)
        assigned, served = arrays.assigned[chosen], arrays.served[chosen]
        return StepRows(
            in_arm=assigned == place,
            batches=batches + first_batch,
            calls=_call_numbers(arrays)[chosen],
            strata=self._strata_of(arrays)[chosen],
            is_first=self._firsts(arrays.unit_keys[chosen]),
            failed=arrays.failed[chosen] | (assigned != served),
            scores=arrays.scores[chosen].astype(np.float64),
            bands=_names((*arrays.route.bands, ""), arrays.bands[chosen], NO_BAND),
            missing=arrays.missing[chosen] > 0,
            latencies_ms=arrays.latencies_ms[chosen].astype(np.float64),
            segments={name: segment_of(arrays, name)[chosen] for name in self.step.segments},
        )

    def _strata_of(self, arrays: RowArrays) -> npt.NDArray[np.int64]:
        """The stratum of each row: equal for rows of one rule under equal shares."""
        rules = [(rule, *sorted(each.shares.items())) for rule, each in enumerate(arrays.route.rules)]
        numbers = [self._strata.setdefault(rule, len(self._strata)) for rule in rules]
        table = np.full(NO_RULE + 1, self._strata.setdefault(None, len(self._strata)), np.int64)
        table[: len(numbers)] = numbers
        return np.asarray(table[arrays.rules])

    def _firsts(self, keys: npt.NDArray[np.uint64]) -> Bools:
        """Which rows are the first of their unit in this step; rows without a unit are each their own."""
        first = keys == 0
        seen = self._units
        for row, key in enumerate(keys.tolist()):
            if key and key not in seen and len(seen) < MOST_UNITS:
                seen.add(key)
                first[row] = True
        return np.asarray(first, np.bool_)

    def _expect(self, arrays: RowArrays, chosen: npt.NDArray[np.intp], rows: StepRows) -> None:
        """Remembers the rows that the growing arm is to score as a shadow."""
        keys = _keys(arrays.call_ids[chosen].tobytes(), arrays.places[chosen])
        for row in np.flatnonzero(rows.is_first & ~rows.in_arm & ~np.isnan(rows.scores)).tolist():
            segments = tuple(rows.segments[name][row] for name in self.step.segments)
            self._pending[keys[row]] = _Pending(float(rows.scores[row]), rows.bands[row], segments)
        _forget(self._pending, _MOST_PENDING)


def segment_of(arrays: RowArrays, name: str) -> _Objects:
    """The value of a fact in each row, as text; "none" where it is missing and "unknown" where it is not journaled."""
    kind, _, key = name.partition(".")
    if kind == "context":
        values = texts([_text(context.get(key)) for context in arrays.contexts])
        return np.asarray(values[arrays.context_index])
    if key in arrays.route.categories:
        codes = arrays.categories[:, arrays.route.categories.index(key)]
        return _names((*arrays.dictionary, "none"), codes, -1)
    if key in arrays.route.numbers:
        return texts([_text(value) for value in arrays.numbers[:, arrays.route.numbers.index(key)].tolist()])
    return texts(["unknown"] * len(arrays))


def _names(names: Sequence[str], codes: npt.NDArray[Any], none: int) -> _Objects:
    """The name of each code; the last name for ``none``."""
    return np.asarray(texts(names)[np.where(codes == none, len(names) - 1, codes)])


def _band_names(scores: npt.NDArray[np.float64], cuts: Sequence[float], bands: Sequence[str]) -> _Objects:
    """The band of each score, empty below the first."""
    return np.asarray(texts(["", *bands])[np.searchsorted(np.array(cuts), scores, side="right")])


def _call_numbers(arrays: RowArrays) -> npt.NDArray[np.int64]:
    """The random part of each row's call id."""
    ids = np.frombuffer(arrays.call_ids.tobytes(), np.uint8).reshape(len(arrays), -1)
    return np.ascontiguousarray(ids[:, -8:]).view(np.int64)[:, 0]


def _keys(call_ids: bytes, places: npt.NDArray[np.uint16]) -> list[bytes]:
    """The call id and the place of each row, which are its prediction id."""
    count = len(places)
    ids = np.frombuffer(call_ids, np.uint8).reshape(count, -1)
    keys = np.concatenate([ids, places.astype("<u2").view(np.uint8).reshape(count, 2)], axis=1)
    return [key.tobytes() for key in keys]


def _text(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124  NaN differs from itself
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _forget(seen: dict[Any, Any], most: int) -> None:
    """Removes the oldest entries above a number."""
    for key in _oldest(seen, len(seen) - most):
        del seen[key]


def _oldest(seen: Iterable[Any], count: int) -> list[Any]:
    return [key for key, _ in zip(seen, range(max(count, 0)), strict=False)]
