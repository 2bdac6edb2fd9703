"""The journal's writer: serving threads queue what was scored, a thread of its own writes it.

A serving thread only puts a reference into a bounded queue; rows that do not fit, because the disk is slow, are dropped
and counted. The writer gathers for ten milliseconds, so that small batches share a block, and writes each block by one
system call: a killed process loses the answers of those milliseconds, a loss of power what followed the last sync. A
batch whose write fails is retried.
"""

from collections.abc import Sequence
from typing import Protocol

import structlog

from scoreline_server.background_queue import BackgroundQueue
from scoreline_server.journal.format.facts import FileFacts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.writing.encoding import Observed
from scoreline_server.journal.writing.file import Disk
from scoreline_server.journal.writing.series import JournalOptions, Series
from scoreline_server.scoring.results import ScoredBatch

_log = structlog.get_logger()

_GATHER_SECONDS = 0.01
_RETRY_SECONDS = 0.5
# The memory of a row beside its numbers: ids, results, and the objects around them.
_ROW_BYTES = 200


class Counting(Protocol):
    """The metrics that a journal records."""

    def journaled(self, rows: int, size: int) -> None:
        """Rows that were written, and their bytes."""

    def journal_dropped(self, rows: int) -> None:
        """Rows that will not be written."""

    def journal_failed(self) -> None:
        """A failed write, which may succeed later."""

    def journal_degraded(self, change: int) -> None:
        """1 when writes begin to fail, -1 when they succeed again."""


class Journal:
    """Writes what one process scores. As an observer of the pipeline it is called on any thread."""

    def __init__(self, options: JournalOptions, facts: FileFacts, *, counting: Counting, disk: Disk = Disk()) -> None:  # noqa: B008 - stateless
        """``facts`` stand at the head of each file, with the time when it was begun."""
        self._folder, self._counting = options.folder, counting
        self._files = Series(options, facts, disk)
        self._queue: BackgroundQueue[Observed | ShadowScores] = BackgroundQueue(
            "journal",
            lambda: self._work(self._queue.take()),
            capacity=options.queue_bytes,
            on_drop=lambda items: counting.journal_dropped(sum(map(len, items))),
            gather_seconds=_GATHER_SECONDS,
            idle_seconds=options.fsync_seconds,
            drains=True,
            finish=self._files.close,
        )
        self.problem = ""
        """Why the journal cannot be written at present; empty if it can."""

    def start(self) -> None:
        """Begins to write."""
        self._queue.start()

    def close(self, timeout_seconds: float | None = None) -> bool:
        """Writes what is queued, as far as the disk takes it, and ends; False when that takes longer.

        Rows that come later are dropped and counted.
        """
        return self._queue.close(timeout_seconds)

    def __call__(self, scored: ScoredBatch) -> None:
        """Queues scored rows."""
        rows = scored.rows
        self._queue.put(Observed(scored), rows.nbytes + _ROW_BYTES * len(rows))

    def shadows(self, scores: ShadowScores) -> None:
        """Queues the scores of a shadow."""
        self._queue.put(scores, _ROW_BYTES * len(scores))

    def end_file(self) -> None:
        """Has the file ended within ``fsync_seconds`` or so, for what rewrites closed files; later rows begin another.

        May be called by any thread, and returns at once.
        """
        self._files.is_to_end = True

    def _work(self, batch: Sequence[Observed | ShadowScores]) -> None:
        if batch and not self._store(batch):
            return
        try:
            self._files.keep_up()
        except OSError as error:
            self._failed(error)
        else:
            if self._files.is_synced:
                self._recovered()

    def _store(self, batch: Sequence[Observed | ShadowScores]) -> bool:
        """Writes a batch, retrying failed writes; False where the journal is closed before one succeeds.

        The batch is dropped then.
        """
        while True:
            try:
                size = self._files.append(batch)
            except OSError as error:
                self._failed(error)
                self._files.tidy()
                if self._queue.closing.wait(_RETRY_SECONDS):
                    rows = sum(map(len, batch))
                    self._counting.journal_dropped(rows)
                    _log.error("journal rows are lost at the stop", folder=str(self._folder), rows=rows)
                    return False
            except Exception:
                self._counting.journal_dropped(sum(map(len, batch)))
                raise
            else:
                self._counting.journaled(sum(map(len, batch)), size)
                return True

    def _failed(self, error: OSError) -> None:
        if not self.problem:
            _log.error("the journal cannot be written; scoring goes on", folder=str(self._folder), error=str(error))
            self._counting.journal_degraded(1)
        self.problem = f"the journal cannot be written to {self._folder}: {error.strerror or error}"
        self._counting.journal_failed()

    def _recovered(self) -> None:
        if self.problem:
            _log.info("the journal is written again", folder=str(self._folder))
            self._counting.journal_degraded(-1)
            self.problem = ""
