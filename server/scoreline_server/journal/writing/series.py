"""The series of journal files of one worker: rotation, file heads, route descriptions and retention."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from scoreline_server.gil_switching import background_work
from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.format.facts import FileFacts
from scoreline_server.journal.format.privacy import Hasher
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.writing.encoding import Observed, RouteEncoder
from scoreline_server.journal.writing.file import Disk, JournalFile, begin
from scoreline_server.journal.writing.retention import Retention, enforce
from scoreline_server.scoring.compiled_route import CompiledRoute

_log = structlog.get_logger()

_TIDY_SECONDS = 60.0
_TIDY_MORE_SECONDS = 1.0
_BLOCK_ROWS = 16384
# A block has the microseconds since its first call as int32. What waited for a full disk may be of hours.
_BLOCK_NANOSECONDS = 1800 * 10**9


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Where and how a journal is written.

    Attributes:
        folder: the folder of the files.
        fsync_seconds: the longest time between a write and its sync to disk.
        rotate_bytes, rotate_seconds: size and age at which a new file is begun.
        retention: how long files are kept.
        queue_bytes: the largest queue, in bytes of memory.
        hasher: for sensitive features; None leaves them out.
    """

    folder: Path
    fsync_seconds: float
    rotate_bytes: int
    rotate_seconds: float
    retention: Retention
    queue_bytes: int
    hasher: Hasher | None = None


class Series:
    """The present file and its predecessors' retention. For one thread; every method raises OSError."""

    def __init__(self, options: JournalOptions, facts: FileFacts, disk: Disk) -> None:
        self._options, self._facts, self._disk = options, facts, disk
        self._file: JournalFile | None = None
        self._encoders: dict[str, RouteEncoder] = {}
        self._keys = 0
        self._synced = self._tidied = 0.0
        self.is_to_end = False
        """Whether the file is to be ended when ``keep_up`` is called next; may be set by any thread."""

    def append(self, batch: Sequence[Observed | ShadowScores]) -> int:
        """Writes a batch as blocks; how many bytes."""
        file = self._current()
        with background_work():
            data, keys = self._blocks(batch, file)
        file.append(data)
        file.described |= keys
        return len(data)

    def keep_up(self) -> None:
        """Syncs the file, or ends it, and applies retention to old ones when that is due."""
        now = time.monotonic()
        if self.is_to_end:
            self.is_to_end = False
            self.close()
        if self._file is not None and not self._file.is_synced and now - self._synced >= self._options.fsync_seconds:
            self._synced = now
            self._file.sync()
            if self._file.is_gone:
                self.close()
        self.tidy()

    def tidy(self) -> None:
        """Slims and removes old files when that is due, which can make room on a full disk."""
        now = time.monotonic()
        if now - self._tidied >= _TIDY_SECONDS:
            self._tidied = now
            try:
                with background_work():
                    done = enforce(self._options.retention, self._options.folder, time.time(), most_slimmed=1)
            except OSError as error:
                _log.warning("retention could not be applied to the journal", error=str(error))
            else:
                self._tidied -= _TIDY_SECONDS - _TIDY_MORE_SECONDS if done else 0

    @property
    def is_synced(self) -> bool:
        """Whether everything written is synced to disk."""
        return self._file is None or self._file.is_synced

    def close(self) -> None:
        """Ends the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _current(self) -> JournalFile:
        file, options = self._file, self._options
        if file is not None:
            age = time.monotonic() - file.begun
            if file.size < options.rotate_bytes and age < options.rotate_seconds:
                return file
            self.close()
        facts = self._facts.begun(time.time_ns())
        file = begin(options.folder, facts, disk=self._disk)
        try:
            file.append(framed(Kind.FILE, facts.body()))
        except OSError:
            file.discard()
            raise
        self._file = file
        self._tidied = 0.0
        return file

    def _blocks(self, batch: Sequence[Observed | ShadowScores], file: JournalFile) -> tuple[bytes, set[int]]:
        """A batch as blocks, each route described before its rows, and the keys of those that were not before."""
        blocks, keys = [], set[int]()
        shadows = [item for item in batch if isinstance(item, ShadowScores)]
        for group in _groups(item for item in batch if isinstance(item, Observed)):
            encoder = self._encoder(group[0].scored.route)
            key = encoder.facts.key
            if key not in file.described and key not in keys:
                blocks.append(encoder.described())
                keys.add(key)
            blocks.append(encoder.encoded(group))
        blocks += [scores.block() for scores in shadows]
        return b"".join(blocks), keys

    def _encoder(self, route: CompiledRoute) -> RouteEncoder:
        encoder = self._encoders.get(route.name)
        if encoder is None or encoder.route is not route:
            self._keys += 1
            encoder = self._encoders[route.name] = RouteEncoder(route, self._keys, self._options.hasher)
        return encoder


def _groups(batches: Iterable[Observed]) -> list[list[Observed]]:
    """Groups batches into blocks: of one route and revision each, with limited rows and time."""
    groups: dict[int, list[list[Observed]]] = {}
    rows: dict[int, int] = {}
    for one in batches:
        route = id(one.scored.route)
        if route not in groups or rows[route] + len(one) > _BLOCK_ROWS or _is_far(one, groups[route][-1][0]):
            groups.setdefault(route, []).append([])
            rows[route] = 0
        groups[route][-1].append(one)
        rows[route] += len(one)
    return [group for of_route in groups.values() for group in of_route]


def _is_far(one: Observed, first: Observed) -> bool:
    return abs(one.nanoseconds - first.nanoseconds) > _BLOCK_NANOSECONDS
