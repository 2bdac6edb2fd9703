"""Scores journaled rows again with the server's engine.

A graph may sum in another order when it gets more rows at once, which changes the last bits of some families' scores,
and a model that fails on one row fails all that are scored with it. Rows are therefore scored in large pieces first,
which is fast, and those that differ or failed are scored again in the server's batches; what then still differs is
scored call by call, and row by row where the route has a cache of answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from scoreline_registry.routing.assignment import Reason
from scoreline_server.analysis.replay.routes import ReplayRoute
from scoreline_server.analysis.replay.rows import JournaledRows, Mask, part
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
        assigned: intp [N], the arm that each row is assigned now, an index into ``route.arms``.
        chosen: intp [N], the arm that is to score each row, -1 for skipped rows.
        served: intp [N], the same after fallbacks.
        skipped: by the reason, bool [N]: rows that were not scored again.
        scores: float32 [N], NaN where there is an error or the row is skipped.
        errors: the reason of each row without a score.
    """

    journaled: JournaledRows
    route: ReplayRoute
    assigned: Indices
    chosen: Indices
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
    skipped = _skipped(rows, route, rows.served if route.as_decided else drawn)
    chosen = np.where(_any(skipped, len(rows)), -1, rows.served if route.as_decided else drawn)
    replayed = ReplayedRows(
        journaled=rows,
        route=route,
        assigned=drawn,
        chosen=chosen,
        served=chosen.copy(),
        skipped=skipped,
        scores=np.full(len(rows), np.nan, np.float32),
        errors=dict.fromkeys(np.flatnonzero(unassigned).tolist(), str(ErrorReason.MISSING_UNIT)),
    )
    _score_where(replayed, _pieces(rows.batches), np.ones(len(rows), bool))
    if route.as_decided:
        _score_where(replayed, rows.batches, ~replayed.equal)
        _score_where(replayed, rows.calls, ~replayed.equal)
        if route.compiled.document.cache is not None:
            _score_where(replayed, np.arange(len(rows)), ~replayed.equal)
    else:
        _score_where(replayed, rows.batches, _failed(replayed))
    return replayed


def _pieces(batches: Indices) -> Indices:
    """The first rows of pieces of whole batches, of about _PIECE_ROWS rows each."""
    return batches[np.unique(batches // _PIECE_ROWS, return_index=True)[1]]


def _failed(replayed: ReplayedRows) -> Mask:
    """bool [N]: rows that the chosen arm failed to score."""
    failed: Mask = replayed.served != replayed.chosen
    failed[[row for row, reason in replayed.errors.items() if reason == ErrorReason.MODEL_FAILED]] = True
    return failed


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


def _score_where(replayed: ReplayedRows, starts: Indices, wanted: Mask) -> None:
    """Scores the rows from one start to the next, by themselves, where one of them is wanted."""
    counts = np.concatenate([[0], np.cumsum(wanted)])
    for start, stop in pairwise([*starts.tolist(), len(wanted)]):
        if counts[stop] > counts[start]:
            _score(replayed, start, stop)


def _score(replayed: ReplayedRows, start: int, stop: int) -> None:
    """Scores the rows ``start`` to ``stop`` together."""
    route, chosen = replayed.route, replayed.chosen[start:stop]
    known = {row - start: reason for row, reason in replayed.errors.items() if start <= row < stop}
    unassigned = [row for row, reason in known.items() if reason == ErrorReason.MISSING_UNIT]
    usable = chosen >= 0
    usable[unassigned] = False
    places = np.where(usable, route.places[chosen], 0)
    reasons: list[Reason] = ["STATIC"] * (stop - start)
    results = RowResults.unscored((places.tolist(), reasons, None), errors={})
    groups = list(_groups(replayed, start, stop, usable))
    score_groups(part(replayed.journaled.inputs, start, stop), route.compiled, groups, results)
    for row in known.keys() - set(unassigned):
        del replayed.errors[start + row]
    replayed.errors.update({start + row: str(error.reason) for row, error in results.errors.items()})
    replayed.scores[start:stop] = results.scores
    replayed.served[start:stop] = chosen
    if results.has_failed_run and route.fallback is not None:
        replayed.served[start:stop][results.served != places] = route.fallback


def _groups(replayed: ReplayedRows, start: int, stop: int, usable: Mask) -> Iterator[tuple[int, Indices]]:
    """The rows that were run together: of one version, and apart those that fell back to it from another."""
    route, rows = replayed.route, replayed.journaled
    first, chosen = route.first_arms, replayed.chosen[start:stop]
    origin = np.zeros(stop - start, np.intp)
    if route.as_decided:
        assigned = rows.assigned[start:stop]
        origin = np.where(chosen != assigned, 1 + first[assigned], 0)
    keys = np.where(usable, origin * len(first) + first[chosen], -1)
    for key in np.unique(keys[usable]).tolist():
        group = np.flatnonzero(keys == key)
        yield int(route.places[first[chosen[group[0]]]]), group


def _any(masks: Mapping[str, Mask], count: int) -> Mask:
    found = np.zeros(count, bool)
    for mask in masks.values():
        found |= mask
    return found
