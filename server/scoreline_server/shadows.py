"""Scores a sample of what was answered by models that nobody is answered with, for comparison.

That happens after the answers, in batches, on a thread of its own that waits while callers do. Serving threads only put
a reference into a bounded queue; when the thread does not keep up, rows are dropped and counted.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import structlog

from scoreline_server.errors import ErrorReason
from scoreline_server.failure_log import log_failure
from scoreline_server.gil_switching import background_work
from scoreline_server.journal.shadowed import ShadowScores
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
    """Counts what shadows do."""

    def shadowed(
        self, route: str, shadow: CompiledShadow, *, rows: int, seconds: float, errors: Mapping[str, int]
    ) -> None:
        """A batch of one shadow: rows that it scored, and by reason those that it could not."""

    def shadow_dropped(self, route: str, shadow: CompiledShadow, rows: int) -> None:
        """Rows that were left out, sampled or not."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The answered rows of some calls to one route, at most about _BATCH_ROWS.

    ``call_ids`` and ``places`` are those of each row of ``rows``; ``answered`` are the rows that have a score.
    """

    route: CompiledRoute
    rows: RowBlock
    answered: Indices
    call_ids: npt.NDArray[np.void]
    places: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, scored: Sequence[ScoredBatch]) -> "Batch":
        """What was scored of one route, in one piece."""
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
    """Scores what it observes. ``keep`` gets the scores, on the thread of the shadows."""

    def __init__(
        self,
        *,
        queue_rows: int,
        is_busy: Callable[[], bool],
        counting: Counting,
        keep: Callable[[ShadowScores], None],
    ) -> None:
        """``queue_rows`` is how many rows may wait; ``is_busy`` says that callers do, and shadows must."""
        self._queue_rows, self._is_busy, self._counting, self._keep = queue_rows, is_busy, counting, keep
        self._queue: deque[ScoredBatch] = deque()
        self._queued = 0
        self._is_closed = False
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)

    def start(self) -> None:
        """Begins to score."""
        self._thread.start()

    def close(self, timeout_seconds: float | None = None) -> bool:
        """Ends after the batch that is being scored; False when that takes longer. The rest is dropped and counted."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        with self._lock:
            self._is_closed = True
        while taken := self._taken():
            for scored in taken:
                self._drop(scored)
        return not self._thread.is_alive()

    def __call__(self, scored: ScoredBatch) -> None:
        """Takes rows of a route that has shadows."""
        if not scored.route.shadows:
            return
        rows = len(scored.rows)
        with self._lock:
            is_full = self._is_closed or self._queued + rows > self._queue_rows
            if not is_full:
                self._queue.append(scored)
                self._queued += rows
        if is_full:
            self._drop(scored)
        elif not self._wake.is_set():
            self._wake.set()

    def _drop(self, scored: ScoredBatch) -> None:
        for shadow in scored.route.shadows:
            self._counting.shadow_dropped(scored.route.name, shadow, len(scored.rows))

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            time.sleep(_GATHER_SECONDS)
            while not self._closing.is_set() and (taken := self._taken()):
                while self._is_busy() and not self._closing.is_set():
                    time.sleep(_YIELD_SECONDS)
                try:
                    with background_work():
                        self._score(Batch.of(taken))
                except Exception as error:  # noqa: BLE001  the thread must live on; whatever it was is logged
                    log_failure("a batch could not be shadowed", error, route=taken[0].route.name)

    def _taken(self) -> list[ScoredBatch]:
        """The oldest of the queue: of one route as it is served, and no more than a batch."""
        taken: list[ScoredBatch] = []
        rows = 0
        with self._lock:
            while self._queue and rows < _BATCH_ROWS and (not taken or self._queue[0].route is taken[0].route):
                taken.append(self._queue.popleft())
                rows += len(taken[-1].rows)
            self._queued -= rows
        return taken

    def _score(self, batch: Batch) -> None:
        for shadow in batch.route.shadows:
            rows = batch.sampled(shadow)
            if len(rows):
                start = time.perf_counter()
                scores, errors = score_shadow(batch, shadow, rows)
                self._counting.shadowed(
                    batch.route.name,
                    shadow,
                    rows=len(rows) - len(errors),
                    seconds=time.perf_counter() - start,
                    errors=Counter(errors.values()),
                )
                self._keep(_told(batch, shadow, rows, scores, errors))


def score_shadow(
    batch: Batch, shadow: CompiledShadow, rows: Indices
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
    except Exception as error:  # noqa: BLE001  whatever ONNX Runtime raises, the next batch may be better
        _log.error("shadow failed", route=batch.route.name, shadow=shadow.ref, error=str(error)[:500])
        errors |= dict.fromkeys(bound.rows.tolist(), ErrorReason.MODEL_FAILED.value)
        scores[bound.rows] = np.nan
    places = {row: place for place, row in enumerate(rows.tolist())}
    return scores[rows], {places[row]: reason for row, reason in errors.items()}


def _told(
    batch: Batch, shadow: CompiledShadow, rows: Indices, scores: npt.NDArray[np.float32], errors: Mapping[int, str]
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
    )


def _failed(scored: ScoredBatch) -> npt.NDArray[np.bool_]:
    """Which rows have no score."""
    failed = np.zeros(len(scored.rows), bool)
    failed[list(scored.results.errors)] = True
    return failed


def discard(_scores: ShadowScores) -> None:
    """Discards scores, where there is no journal."""
