"""The log of reported outcomes: one file at a time in the journal's folder, synced to disk before a report is answered.

Reports that come together share one write and one sync: while one of them is written the others gather, and the next
writes them all. Where that fails none of them is in the file, and each caller gets the error.
"""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from scoreline.outcomes import Outcome
from scoreline_server.gil_switching import background_work
from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.format.facts import FileFacts
from scoreline_server.journal.writing.file import Disk, JournalFile, begin
from scoreline_server.journal.writing.retention import Retention, aged_files, removed_unwritten
from scoreline_server.outcomes.block import OutcomeBlock
from scoreline_server.outcomes.reader import SUFFIX

_log = structlog.get_logger()

_ROTATE_BYTES = 64 * 1024 * 1024
_ROTATE_SECONDS = 86400.0


@dataclass(slots=True)
class _Report:
    """A block that waits to be written, and how that ended."""

    data: bytes
    is_over: bool = False
    is_kept: bool = False
    error: OSError | None = None


class OutcomeLog:
    """Keeps the outcomes that one process takes. Safe for threads."""

    def __init__(
        self,
        folder: Path,
        facts: FileFacts,
        *,
        keep_seconds: float = 0.0,
        disk: Disk = Disk(),  # noqa: B008 - stateless
    ) -> None:
        """The first report begins a file, with ``facts`` at its head. 0 ``keep_seconds`` keep files for ever."""
        self._folder, self._facts, self._disk = folder, facts, disk
        self._keep_seconds = keep_seconds
        self._waiting: list[_Report] = []
        self._gate, self._writing = threading.Lock(), threading.Lock()
        self._file: JournalFile | None = None
        self._head = 0
        self._reported = 0
        self.problem = ""
        """Why the last report could not be written; empty if it was."""

    def append(self, route: str, outcomes: Sequence[Outcome]) -> OutcomeBlock:
        """Keeps outcomes of one route; once this returns, they are on disk.

        Raises OSError where they could not be written; then none of them is kept.
        """
        with background_work():
            block = OutcomeBlock.of(route, self._now(), outcomes)
            report = _Report(block.block())
        self._write(report)
        return block

    def _write(self, report: _Report) -> None:
        """Writes a report, together with those that wait. Raises OSError; then nothing of it is kept."""
        with self._gate:
            self._waiting.append(report)
        with self._writing:
            if not report.is_over:
                self._write_waiting()
        if not report.is_kept:
            raise OSError(*(report.error.args if report.error else ())) from report.error

    def close(self, timeout_seconds: float = -1) -> bool:
        """Ends the file, after the report that is being written; False when that takes longer.

        A later report begins another file.
        """
        if not self._writing.acquire(timeout=timeout_seconds):
            return False
        try:
            self._end()
        finally:
            self._writing.release()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _now(self) -> int:
        """The time in ns, later than that of every report before, also where the clock was set back."""
        with self._gate:
            self._reported = max(time.time_ns(), self._reported + 1)
            return self._reported

    def _write_waiting(self) -> None:
        with self._gate:
            reports, self._waiting = self._waiting, []
        try:
            self._store(b"".join(report.data for report in reports))
        except OSError as error:
            self._failed(error)
            for report in reports:
                report.error = error
        else:
            self.problem = ""
            for report in reports:
                report.is_kept = True
        finally:
            for report in reports:
                report.is_over = True

    def _failed(self, error: OSError) -> None:
        if not self.problem:
            _log.error("outcomes cannot be written; callers are told", folder=str(self._folder), error=str(error))
        self.problem = f"outcomes cannot be written to {self._folder}: {error.strerror or error}"

    def _store(self, data: bytes) -> None:
        """Writes and syncs blocks. Raises OSError; then the file ends before them."""
        file = self._current()
        size = file.size
        try:
            file.append(data)
            file.sync()
        except OSError:
            self._give_up(file, size)
            raise

    def _give_up(self, file: JournalFile, size: int) -> None:
        """Takes back a write that may not be on disk. After a failed sync the file is not to be trusted: it ends."""
        self._file = None
        try:
            file.truncate(size)
        except OSError as error:
            _log.warning("refused outcomes could not be taken back", path=str(file.path), error=str(error))
        if size == self._head:
            file.discard()
        else:
            file.close()

    def _current(self) -> JournalFile:
        file = self._file
        if file is not None:
            is_old = time.monotonic() - file.begun >= _ROTATE_SECONDS
            if file.size < _ROTATE_BYTES and not is_old and not file.is_gone:
                return file
            self._end()
        self._tidy()
        facts = self._facts.begun(time.time_ns())
        file = begin(self._folder, facts, disk=self._disk, suffix=SUFFIX)
        try:
            file.append(framed(Kind.FILE, facts.body()))
            self._sync_folder()
        except OSError:
            file.discard()
            raise
        self._file, self._head = file, file.size
        return file

    def _sync_folder(self) -> None:
        """Syncs the folder, without which a loss of power loses the name of a new file."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._disk.sync(descriptor)
        finally:
            os.close(descriptor)

    def _tidy(self) -> None:
        try:
            expire(self._keep_seconds, self._folder, time.time())
        except OSError as error:
            _log.warning("old outcome files could not be removed", error=str(error))

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def expire(keep_seconds: float, folder: Path, now: float) -> int:
    """Removes outcome files older than that which no process writes; how many. 0 keeps them. Raises OSError."""
    removed = 0
    for file in Retention(keep_seconds, 0).outdated(aged_files(folder, SUFFIX), now):
        if removed_unwritten(file.path):
            removed += 1
            _log.info("outcome file removed", path=str(file.path), bytes=file.size)
    return removed
