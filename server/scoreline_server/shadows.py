"""Scores a sample of answered rows by shadow models, whose scores are journaled and not returned to callers.

Shadows run after the answers, in batches, on a thread of their own that pauses while calls are queued. Serving threads
only put a reference into a bounded queue; rows that do not fit are dropped and counted.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import structlog

from scoreline_server.background_queue import BackgroundQueue
from scoreline_server.errors import ErrorReason
from scoreline_server.failure_log import log_failure
from scoreline_server.gil_switching import background_work
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.compiled_route import CompiledRoute, CompiledShadow
from scoreline_server.scoring.engine import units_of
from scoreline_server.scoring.results import ScoredBatch
from scoreline_server.scoring.rows import RowBlock, concatenate
from scoreline_server.scoring.wire import CALL_ID_BYTES

_log = structlog.get_logger()

_GATHER_SECONDS = 0.005
_YIELD_SECONDS = 0.001
_BATCH_ROWS = 64


class Counting(Protocol):
    """The metrics that shadows record."""

    def shadowed(
        self, route: str, shadow: CompiledShadow, *, rows: int, seconds: float, errors: Mapping[str, int]
    ) -> None:
        """A batch of one shadow: rows that it scored, and by reason the rows that it could not."""

    def shadow_dropped(self, route: str, shadow: CompiledShadow, rows: int) -> None:
        """Rows that were dropped, sampled or not."""


@dataclass(frozen=True, slots=True)
class ShadowBatch:
    """The answered rows of some calls to one route, at most about _BATCH_ROWS.

    ``call_ids`` and ``places`` are those of each row of ``rows``; ``answered`` are the rows that have a score.
    """

    route: CompiledRoute
    rows: RowBlock
    answered: Indices
    call_ids: npt.NDArray[np.void]
    places: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, scored: Sequence[ScoredBatch]) -> "ShadowBatch":
        """The scored calls of one route as one block."""
        route = scored[0].route
        encoded = [request.rows for one in scored for request in one.requests]
        counts = [len(piece) for piece in encoded]
        calls = np.frombuffer(b"".join([one.call_ids for one in scored]), f"V{CALL_ID_BYTES}")
        failed = np.concatenate([_failed(one) for one in scored])
        return cls(
            route,
            concatenate(encoded, route.layout),
            np.flatnonzero(~failed),
            np.repeat(calls, counts),
            np.concatenate([np.arange(count, dtype=np.uint16) for count in counts]),
        )

    def sampled(self, shadow: CompiledShadow) -> Indices:
        """The answered rows whose unit is in a shadow's sample; a row without a unit is sampled by its prediction."""
        if shadow.share >= 1:
            return self.answered
        units = units_of(self.rows, self.route)
        rows = self.answered.tolist()
        buckets = shadow.hasher.buckets(units[row] or self._prediction_id(row) for row in rows)
        return self.answered[np.array(buckets) < shadow.share]

    def _prediction_id(self, row: int) -> str:
        return f"{self.call_ids[row].tobytes().hex()}-{self.places[row]}"


class Shadows:
    """Scores the batches that it observes. ``keep`` gets the scores, on the thread of the shadows."""

    def __init__(
        self,
        *,
        queue_rows: int,
        is_busy: Callable[[], bool],
        counting: Counting,
        keep: Callable[[ShadowScores], None],
    ) -> None:
        """``queue_rows`` is the largest queue; while ``is_busy`` shadows pause."""
        self._is_busy, self._counting, self._keep = is_busy, counting, keep
        self._queue: BackgroundQueue[ScoredBatch] = BackgroundQueue(
            "shadows", self._work, capacity=queue_rows, on_drop=self._drop, gather_seconds=_GATHER_SECONDS
        )

    def start(self) -> None:
        """Begins to score."""
        self._queue.start()

    def close(self, timeout_seconds: float | None = None) -> bool:
        """Ends after the batch that is being scored; False when that takes longer. The rest is dropped and counted."""
        return self._queue.close(timeout_seconds)

    def __call__(self, scored: ScoredBatch) -> None:
        """Queues rows of a route that has shadows."""
        if scored.route.shadows:
            self._queue.put(scored, len(scored.rows))

    def _drop(self, batches: Sequence[ScoredBatch]) -> None:
        for scored in batches:
            for shadow in scored.route.shadows:
                self._counting.shadow_dropped(scored.route.name, shadow, len(scored.rows))

    def _work(self) -> None:
        closing = self._queue.closing
        while not closing.is_set() and (taken := self._queue.take(_fits)):
            while self._is_busy() and not closing.is_set():
                time.sleep(_YIELD_SECONDS)
            try:
                with background_work():
                    self._score(ShadowBatch.of(taken))
            except Exception as error:  # noqa: BLE001  one batch must not keep others from being scored
                log_failure("shadows failed on a batch", error, route=taken[0].route.name)

    def _score(self, batch: ShadowBatch) -> None:
        for shadow in batch.route.shadows:
            rows = batch.sampled(shadow)
            if len(rows):
                start = time.perf_counter()
                scores, errors = score_shadow(batch, shadow, rows)
                seconds = time.perf_counter() - start
                self._counting.shadowed(
                    batch.route.name,
                    shadow,
                    rows=len(rows) - len(errors),
                    seconds=seconds,
                    errors=Counter(errors.values()),
                )
                self._keep(_shadow_scores(batch, shadow, rows, scores, errors, seconds))


def _fits(taken: Sequence[ScoredBatch], scored: ScoredBatch) -> bool:
    """Whether rows can be scored with those taken: of one route as it is served, and no more than a batch."""
    return not taken or (sum(len(each.rows) for each in taken) < _BATCH_ROWS and scored.route is taken[0].route)


def score_shadow(
    batch: ShadowBatch, shadow: CompiledShadow, rows: Indices
) -> tuple[npt.NDArray[np.float32], Mapping[int, str]]:
    """Scores some rows of a batch by a shadow.

    Returns float32 [len(rows)], NaN where there is an error, and the reason of each error by its place in ``rows``.
    """
    bound = shadow.binding.bind(batch.rows, rows)
    scores = np.full(len(batch.rows), np.nan, np.float32)
    errors = {row: error.reason.value for row, error in bound.errors.items()}
    bound = bound.accepted()
    try:
        for scored, inputs in shadow.binding.inputs(batch.rows, bound) if len(bound.rows) else ():
            scores[scored] = shadow.model.run(inputs)[0]
    except Exception as error:  # noqa: BLE001  the next batch may succeed
        _log.error("shadow failed", route=batch.route.name, shadow=shadow.ref, error=str(error)[:500])
        errors |= dict.fromkeys(bound.rows.tolist(), ErrorReason.MODEL_FAILED.value)
        scores[bound.rows] = np.nan
    places = {row: place for place, row in enumerate(rows.tolist())}
    return scores[rows], {places[row]: reason for row, reason in errors.items()}


def _shadow_scores(
    batch: ShadowBatch,
    shadow: CompiledShadow,
    rows: Indices,
    scores: npt.NDArray[np.float32],
    errors: Mapping[int, str],
    seconds: float,
) -> ShadowScores:
    return ShadowScores(
        route=batch.route.name,
        revision=batch.route.revision,
        ref=shadow.ref,
        model=shadow.model.name,
        version=shadow.model.version,
        digest=shadow.model.digest,
        call_ids=batch.call_ids[rows].tobytes(),
        places=batch.places[rows],
        scores=scores,
        errors=errors,
        microseconds=round(seconds * 1e6),
    )


def _failed(scored: ScoredBatch) -> npt.NDArray[np.bool_]:
    """bool [rows]: which rows have no score."""
    failed = np.zeros(len(scored.rows), bool)
    failed[list(scored.results.errors)] = True
    return failed


def discard(_scores: ShadowScores) -> None:
    """Discards scores, where there is no journal."""
