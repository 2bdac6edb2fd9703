"""The journal's writer: takes what was scored on the serving threads, writes it on a thread of its own.

A serving thread only puts a reference into a bounded queue; when the queue is full because the disk is slow, the rows
are dropped and counted. The writer gathers for ten milliseconds, so that small batches share a block, and hands each
block to the system at once: a killed process loses what it answered in those milliseconds, a loss of power what came
after the last sync. A disk that refuses keeps its batch waiting until it takes it.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

import structlog

from scoreline_server.failure_log import log_failure
from scoreline_server.journal.encoding import Observed
from scoreline_server.journal.facts import FileFacts
from scoreline_server.journal.file import Disk
from scoreline_server.journal.series import JournalOptions, Series
from scoreline_server.journal.shadowed import ShadowScores
from scoreline_server.scoring.results import ScoredBatch

_log = structlog.get_logger()

_GATHER_SECONDS = 0.01
_RETRY_SECONDS = 0.5
# What a row takes beside its numbers: ids, results, and the objects around them.
_ROW_BYTES = 200


class Counting(Protocol):
    """Counts what a journal does."""

    def journaled(self, rows: int, size: int) -> None:
        """Rows that were written, and how many bytes with them."""

    def journal_dropped(self, rows: int) -> None:
        """Rows that will never be written."""

    def journal_failed(self) -> None:
        """A write that failed, and may succeed later."""

    def journal_degraded(self, change: int) -> None:
        """Whether the journal cannot be written: 1 as that begins, -1 as it ends."""


class Journal:
    """Writes what one process scores. As an observer of the pipeline it is called on any thread."""

    def __init__(self, options: JournalOptions, facts: FileFacts, *, counting: Counting, disk: Disk = Disk()) -> None:  # noqa: B008 - stateless
        """``facts`` stand at the head of each file, with the time when it was begun."""
        self._options, self._counting = options, counting
        self._folder = options.folder
        self._queue: deque[tuple[Observed | ShadowScores, int]] = deque()
        self._queued_bytes = 0
        self._lock = threading.Lock()
        self._is_waiting = self._is_closed = False
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._files = Series(options, facts, disk)
        self.problem = ""
        """Why nothing can be written just now; empty when all is well."""
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def close(self, timeout_seconds: float | None = None) -> bool:
        """Writes what is queued, as far as the disk takes it, and ends; False when that takes longer.

        Rows that come later are dropped and counted.
        """
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        with self._lock:
            self._is_closed = True
        left = sum(map(len, self._taken()))
        if left:
            self._counting.journal_dropped(left)
        return not self._thread.is_alive()

    def __call__(self, scored: ScoredBatch) -> None:
        """Takes scored rows."""
        rows = scored.rows
        self._put(Observed(scored), rows.nbytes + _ROW_BYTES * len(rows))

    def shadows(self, scores: ShadowScores) -> None:
        """Takes the scores of a shadow."""
        self._put(scores, _ROW_BYTES * len(scores))

    def _put(self, item: Observed | ShadowScores, size: int) -> None:
        with self._lock:
            is_full = self._is_closed or self._queued_bytes + size > self._options.queue_bytes
            if not is_full:
                self._queue.append((item, size))
                self._queued_bytes += size
            was_waiting, self._is_waiting = self._is_waiting, False
        if is_full:
            self._counting.journal_dropped(len(item))
        if was_waiting:
            self._wake.set()

    def _run(self) -> None:
        while not self._closing.is_set() or self._queue:
            self._wait()
            try:
                self._work(self._taken())
            except Exception as error:  # noqa: BLE001  the thread must live on; whatever it was is logged
                log_failure("the journal's writer failed", error)
        self._files.close()

    def _work(self, batch: Sequence[Observed | ShadowScores]) -> None:
        if batch:
            self._store(batch)
        try:
            self._files.keep_up()
        except OSError as error:
            self._trouble(error)
        else:
            if self._files.is_synced:
                self._well()

    def _wait(self) -> None:
        """Sleeps until there is something, then a moment more, so that there is more of it."""
        with self._lock:
            self._is_waiting = not self._queue
        if self._is_waiting:
            self._wake.wait(self._options.fsync_seconds)
            self._wake.clear()
        time.sleep(_GATHER_SECONDS)

    def _taken(self) -> list[Observed | ShadowScores]:
        with self._lock:
            taken = list(self._queue)
            self._queue.clear()
            self._queued_bytes = 0
        return [item for item, _ in taken]

    def _store(self, batch: Sequence[Observed | ShadowScores]) -> None:
        """Writes a batch; when the disk refuses, tries on until it does not, or until the end."""
        while True:
            try:
                size = self._files.append(batch)
            except OSError as error:
                self._trouble(error)
                self._files.tidy()
                if self._closing.wait(_RETRY_SECONDS):
                    self._counting.journal_dropped(sum(map(len, batch)))
                    return
            except Exception:
                self._counting.journal_dropped(sum(map(len, batch)))
                raise
            else:
                self._counting.journaled(sum(map(len, batch)), size)
                return

    def _trouble(self, error: OSError) -> None:
        if not self.problem:
            _log.error("the journal cannot be written; scoring goes on", folder=str(self._folder), error=str(error))
            self._counting.journal_degraded(1)
        self.problem = f"the journal cannot be written to {self._folder}: {error.strerror or error}"
        self._counting.journal_failed()

    def _well(self) -> None:
        if self.problem:
            _log.info("the journal is written again", folder=str(self._folder))
            self._counting.journal_degraded(-1)
            self.problem = ""
