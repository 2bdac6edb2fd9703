"""Reads journals while they grow: at each call the blocks that were written since the last one."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from scoreline_server.journal.format.blocks import Fault
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.format.times import DAY
from scoreline_server.journal.reading.reader import FileReader, journal_files
from scoreline_server.journal.reading.records import Records

_log = structlog.get_logger()

# Hosts whose clocks differ by more than this are not reckoned with.
_SKEW_NANOSECONDS = DAY


class JournalFeed:
    """The blocks of some folders, each once. For one thread."""

    def __init__(self, folders: Iterable[Path], since: int) -> None:
        """``since`` in ns since 1970: files that were last written more than a day before it are not read."""
        self._folders, self._least_time = tuple(folders), since - _SKEW_NANOSECONDS
        self._readers: dict[Path, FileReader] = {}

    def news(self) -> Iterator[Records | ShadowScores]:
        """The blocks that were written since the last call. Damage is logged, and passed over as readers do."""
        for path in journal_files(self._folders):
            try:
                if path in self._readers or path.stat().st_mtime_ns >= self._least_time:
                    yield from self._read(self._readers.setdefault(path, FileReader(path)))
            except FileNotFoundError:  # retention removed it meanwhile
                continue

    def _read(self, reader: FileReader) -> Iterator[Records | ShadowScores]:
        for found in reader.read():
            if not isinstance(found, Fault):
                yield found
            elif not found.is_torn:
                _log.warning("damaged journal block passed over", path=str(reader.path), problem=found.problem)
