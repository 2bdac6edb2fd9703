"""The log of revisions in a store: finds its newest entry in few reads, reads entries, appends."""

import contextlib

from scoreline_registry.documents.documents import sha256_hex
from scoreline_registry.errors import CorruptError, MissingKeyError, NotFoundError, SchemaVersionError, StorageError
from scoreline_registry.history.cache import Cache
from scoreline_registry.history.revision import (
    REGISTRY_KEY,
    REVISIONS_PREFIX,
    SEALS_PREFIX,
    LogEntry,
    read_entry,
    read_seal,
    revision_key,
    seal_bytes,
    seal_key,
)
from scoreline_registry.storage import Storage

_KEPT_BYTES = 1 << 20


class RevisionLog:
    """The revisions of one registry. ``empty`` is the state before the first, which stands for ``registry.json``."""

    def __init__(self, storage: Storage, empty: LogEntry) -> None:
        self._storage = storage
        self._empty = empty
        self._entries: Cache[int, LogEntry] = Cache(_KEPT_BYTES)
        self._sealed = 0

    def entry(self, number: int) -> LogEntry:
        """The revision with this number. Raises NotFoundError."""
        first = self._empty.number
        if number == first:
            return self._empty
        if number < first:
            raise NotFoundError("revision", str(number), f"revisions count from {first}")
        try:
            return self._entries.get(number, lambda: self._read(number))
        except MissingKeyError as error:
            raise NotFoundError("revision", str(number)) from error

    def parent(self, entry: LogEntry) -> LogEntry:
        """The revision before a stored one. Raises CorruptError when the chain of digests is broken."""
        try:
            parent = self.entry(entry.number - 1)
        except NotFoundError as error:
            raise CorruptError(revision_key(entry.number - 1), "it is missing") from error
        _check_chain(parent, entry)
        return parent

    def last(self, known: LogEntry) -> LogEntry:
        """The newest revision, searched from a known one on: two reads when there is nothing newer.

        Steps double until a number is free, then halve: a log of n revisions takes about 2 log2(n) reads. Raises
        CorruptError when the newest revision itself is gone or changed: an unmounted volume has nothing newer either.
        """
        low, step = known, 1
        while (found := self._find(low.number + step)) is not None:
            low, step = self._after(low, found), step * 2
        high = low.number + step
        while high - low.number > 1:
            middle = (low.number + high) // 2
            found = self._find(middle)
            if found is None:
                high = middle
            else:
                low = self._after(low, found)
        self._check_still_there(low)
        return low

    def _check_still_there(self, entry: LogEntry) -> None:
        key = REGISTRY_KEY if entry is self._empty else revision_key(entry.number)
        try:
            data = self._storage.read(key)
        except MissingKeyError as error:
            raise CorruptError(key, "it was there and is missing: is the store still mounted?") from error
        if sha256_hex(data) != entry.digest:
            raise CorruptError(key, "it is not what it was: the past was changed")

    def check_whole(self, last: LogEntry) -> None:
        """Raises CorruptError when revisions exist behind a gap, as after a restore of half a backup."""
        later = next(self._storage.list(REVISIONS_PREFIX, after=revision_key(last.number)), None)
        if later is not None and self._find(last.number + 1) is None:
            raise CorruptError(revision_key(last.number + 1), f"it is missing, while {later.key} exists")
        sealed = next(self._storage.list(SEALS_PREFIX, after=seal_key(last.number)), None)
        if sealed is not None and self._find(last.number + 1) is None:
            raise CorruptError(revision_key(last.number + 1), f"it is missing, while its seal {sealed.key} exists")

    def append(self, entry: LogEntry, data: bytes) -> bool:
        """Writes a revision, whose file is ``data``, unless someone else wrote one of its number; True when it is ours.

        A store may write and still report a failure or a taken key (a lost response, a retried request), so the
        revision is read back.
        """
        self._seal(entry.number - 1)
        if self._put(entry, data):
            self._entries.get(entry.number, lambda: (entry, len(data)))
        ours = self.entry(entry.number).revision.commit_id == entry.revision.commit_id
        if ours:
            self._seal(entry.number)
        return ours

    def _put(self, entry: LogEntry, data: bytes) -> bool:
        try:
            return self._storage.put_if_absent(revision_key(entry.number), data)
        except StorageError:
            if self._find(entry.number) is None:
                raise
            return False

    def _read(self, number: int) -> tuple[LogEntry, int]:
        data = self._storage.read(revision_key(number))
        entry = read_entry(number, data)
        if self._sealed_digest(number) not in (None, entry.digest):
            raise CorruptError(revision_key(number), "it is not what was sealed when it was committed")
        return entry, len(data)

    def _sealed_digest(self, number: int) -> str | None:
        """The digest in the seal of a revision; None for a seal that cannot be read, which ``verify`` reports."""
        try:
            return read_seal(number, self._storage.read(seal_key(number))).sha256
        except (StorageError, CorruptError, SchemaVersionError):
            return None

    def _seal(self, number: int) -> None:
        """Seals a committed revision; the caller seals the one before too, whose writer may have been interrupted."""
        if number <= self._sealed:
            return
        # The commit is done; a failure of the store now must not be reported as a failed commit.
        with contextlib.suppress(StorageError):
            self._storage.put_if_absent(seal_key(number), seal_bytes(self.entry(number)))
            self._sealed = number

    def _find(self, number: int) -> LogEntry | None:
        try:
            return self.entry(number)
        except NotFoundError:
            return None

    @staticmethod
    def _after(low: LogEntry, found: LogEntry) -> LogEntry:
        if found.number == low.number + 1:
            _check_chain(low, found)
        return found


def _check_chain(parent: LogEntry, entry: LogEntry) -> None:
    if entry.number != parent.number + 1 or entry.revision.parent != parent.digest:
        raise CorruptError(
            revision_key(entry.number), "it does not follow from the revision before it: the past was changed"
        )
