"""Scores journaled rows again with the server's engine.

A graph may sum in another order when it gets more rows at once, which changes the last bits of some families' scores.
Rows that are expected to be equal are therefore scored in large pieces first, which is fast, then those batches again
that differ, as the server batched them, and what still differs call by call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scoreline_registry.routing.assignment import Reason
from scoreline_server.analysis.replay_routes import ReplayRoute
from scoreline_server.analysis.replay_rows import JournaledRows, Mask, part
from scoreline_server.errors import ErrorReason
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.engine import score_groups, units_of
from scoreline_server.scoring.results import RowResults

_PIECE_ROWS = 1024

SLIM = "their inputs were removed by retention"
INVALID = "their requests were invalid, and what the callers sent is not journaled"


@dataclass(frozen=True)
class ReplayedRows:
    """The rows of one block, scored again.

    Attributes:
        journaled: the rows as they were answered.
        route: the route that scored them again.
        assigned, served: intp [N], indices into ``route.arms``, -1 where there is none.
        skipped: by the reason, bool [N]: rows that were not scored again.
        scores: float32 [N], NaN where there is an error or the row is skipped.
        errors: the reason of each row without a score.
    """

    journaled: JournaledRows
    route: ReplayRoute
    assigned: Indices
    served: Indices
    skipped: Mapping[str, Mask]
    scores: npt.NDArray[np.float32]
    errors: dict[int, str] = field(default_factory=dict)

    @property
    def compared(self) -> Mask:
        """bool [N]: the selected rows that were scored again."""
        return self.journaled.kept & ~_any(self.skipped, len(self.journaled))

    @property
    def equal(self) -> Mask:
        """bool [N]: rows whose score has the same bits, or whose error the same reason; True for skipped rows too."""
        before = self.journaled
        equal = before.scores.view(np.int32) == self.scores.view(np.int32)
        for row in {*before.errors, *self.errors}:
            equal[row] = before.errors.get(row) == self.errors.get(row)
        return np.asarray(equal | _any(self.skipped, len(before)), bool)


def score_again(rows: JournaledRows, route: ReplayRoute) -> ReplayedRows:
    """Scores all rows of a block, also those that are not selected, because they were scored together."""
    drawn, unassigned = _drawn(rows, route)
    served = rows.served if route.as_decided else drawn
    skipped = _skipped(rows, route, served)
    replayed = ReplayedRows(
        journaled=rows,
        route=route,
        assigned=drawn,
        served=np.where(_any(skipped, len(rows)), -1, served),
        skipped=skipped,
        scores=np.full(len(rows), np.nan, np.float32),
        errors=dict.fromkeys(np.flatnonzero(unassigned).tolist(), str(ErrorReason.MISSING_UNIT)),
    )
    pieces = np.arange(0, len(rows), _PIECE_ROWS)
    for start, stop in _spans(pieces, len(rows)):
        _score(replayed, start, stop)
    if route.as_decided:
        _score_differing(replayed, rows.batches)
        _score_differing(replayed, rows.calls)
    return replayed


def _drawn(rows: JournaledRows, route: ReplayRoute) -> tuple[Indices, Mask]:
    """The arm that each row is assigned, and which rows lack the unit that it takes."""
    units, assigner = units_of(rows.inputs, route.compiled), route.compiled.assigner
    arms, _, _ = assigner.assign_many(units, rows.inputs.contexts or None)
    lack = np.array([not unit for unit in units], bool)
    return route.drawn[np.array(arms, np.intp)], lack & assigner.needs_unit


def _skipped(rows: JournaledRows, route: ReplayRoute, served: Indices) -> Mapping[str, Mask]:
    """The rows that cannot be scored again, each under one reason."""
    if not rows.has_inputs:
        return {SLIM: np.ones(len(rows), bool)}
    found = {INVALID: rows.invalid}
    for arm, problem in enumerate(route.problems):
        if problem:
            found[problem] = found.get(problem, np.zeros(len(rows), bool)) | (served == arm) & ~found[INVALID]
    return {reason: mask for reason, mask in found.items() if mask.any()}


def _score_differing(replayed: ReplayedRows, starts: Indices) -> None:
    """Scores the rows between two starts again, by themselves, where one of them differs."""
    differs = np.concatenate([[0], np.cumsum(~replayed.equal)])
    for start, stop in _spans(starts, len(replayed.journaled)):
        if differs[stop] > differs[start]:
            _score(replayed, start, stop)


def _score(replayed: ReplayedRows, start: int, stop: int) -> None:
    """Scores the rows ``start`` to ``stop`` together."""
    route, rows = replayed.route, replayed.journaled
    places = route.places[replayed.served[start:stop]]
    errors = {row: reason for row, reason in replayed.errors.items() if start <= row < stop}
    unassigned = {row for row, reason in errors.items() if reason == ErrorReason.MISSING_UNIT}
    usable = (replayed.served[start:stop] >= 0) & ~np.isin(np.arange(start, stop), list(unassigned))
    reasons: list[Reason] = ["STATIC"] * (stop - start)
    results = RowResults.unscored((np.where(usable, places, 0).tolist(), reasons, None), errors={})
    score_groups(part(rows.inputs, start, stop), route.compiled, list(_groups(replayed, start, stop, usable)), results)
    for row in errors.keys() - unassigned:
        del replayed.errors[row]
    replayed.errors.update({start + row: str(error.reason) for row, error in results.errors.items()})
    replayed.scores[start:stop] = results.scores
    if results.has_failed_run and route.fallback is not None:
        moved = results.served != np.where(usable, places, 0)
        replayed.served[start:stop][moved] = route.fallback


def _groups(replayed: ReplayedRows, start: int, stop: int, usable: Mask) -> Iterator[tuple[int, Indices]]:
    """The rows that were run together: of one version, and apart those that fell back to it from another."""
    route, rows = replayed.route, replayed.journaled
    served = replayed.served[start:stop]
    first = route.first_arms
    origin = np.zeros(stop - start, np.intp)
    if route.as_decided:
        assigned = rows.assigned[start:stop]
        origin = np.where(rows.served[start:stop] != assigned, 1 + first[assigned], 0)
    keys = np.where(usable, origin * len(first) + first[served], -1)
    for key in np.unique(keys[usable]).tolist():
        group = np.flatnonzero(keys == key)
        yield int(route.places[first[served[group[0]]]]), group


def _spans(starts: Indices, stop: int) -> Iterator[tuple[int, int]]:
    return pairwise([*starts.tolist(), stop])


def _any(masks: Mapping[str, Mask], count: int) -> Mask:
    found = np.zeros(count, bool)
    for mask in masks.values():
        found |= mask
    return found
