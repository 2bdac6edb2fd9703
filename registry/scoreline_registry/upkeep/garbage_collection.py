"""Removes files that cannot be used any more: of versions retired long ago, and of claims that were never committed.

What is removed is released by a commit first: either a slow publisher commits before, or the removal does, and then
the publisher gets an error. Ages are by the clock of the store, not of any machine.
"""

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from scoreline_registry.errors import MissingKeyError
from scoreline_registry.history.commits import Commit
from scoreline_registry.history.retirement import Reclaim
from scoreline_registry.history.revision import revision_key
from scoreline_registry.history.state import State
from scoreline_registry.registry import Registry
from scoreline_registry.storage import Storage, StoredFile, Tidied

DEFAULT_RETENTION = timedelta(days=30)
CLAIM_AGE = timedelta(hours=24)
PROBES_PREFIX = "probes/"

_VERSION_FILE = re.compile(r"models/([^/]+)/([1-9][0-9]{0,8})/[^/]+")
_Folders = Mapping[tuple[str, int], list[StoredFile]]


@dataclass(frozen=True, slots=True)
class CollectedGarbage:
    """The removed items, or with a dry run those to remove: versions as "model@7", keys of files, temporary files."""

    retired: tuple[str, ...]
    abandoned: tuple[str, ...]
    files: tuple[str, ...]
    bytes: int
    leftovers: tuple[str, ...]
    commit: Commit


def collect(
    registry: Registry,
    *,
    retention: timedelta = DEFAULT_RETENTION,
    author: str,
    message: str = "",
    dry_run: bool = False,
) -> CollectedGarbage:
    """Removes versions retired for at least ``retention`` and claims older than 24 hours that were never committed.

    With ``dry_run`` nothing is written and this machine's clock stands for the store's. May be ended at any moment
    and run again. Raises ConflictError and StorageError.
    """
    storage = registry.storage
    now = registry.now() if dry_run else _store_time(storage, registry.new_id())
    folders = _folders(storage)
    state = registry.latest().state
    retired = [key for key, since in _retired(storage, state) if now - since >= retention]
    abandoned = [key for key, files in folders.items() if not _named(state, key) and _age(files, now) >= CLAIM_AGE]
    change = Reclaim(retired=retired, abandoned=abandoned, at=registry.now())
    commit = registry.commit(change, author=author, message=message or "gc", dry_run=dry_run)
    reclaimed = commit.state
    files = [file for key, found in folders.items() if _reclaimed(reclaimed, key) for file in found]
    files += [file for file in storage.list(PROBES_PREFIX) if now - file.modified_at >= CLAIM_AGE]
    for file in () if dry_run else files:
        storage.delete(file.key)
    return CollectedGarbage(
        retired=tuple(_name(key) for key in retired if _reclaimed(reclaimed, key)),
        abandoned=tuple(_name(key) for key in abandoned if _reclaimed(reclaimed, key)),
        files=tuple(file.key for file in files),
        bytes=sum(file.bytes for file in files),
        leftovers=tuple(storage.tidy(before=now - CLAIM_AGE, dry_run=dry_run)) if isinstance(storage, Tidied) else (),
        commit=commit,
    )


def _store_time(storage: Storage, probe: str) -> datetime:
    """The time of the store's clock, as it stamps a new file."""
    key = f"{PROBES_PREFIX}{probe}"
    storage.put_if_absent(key, b"")
    try:
        return next(file.modified_at for file in storage.list(key))
    finally:
        storage.delete(key)


def _folders(storage: Storage) -> _Folders:
    folders = defaultdict(list)
    for file in storage.list("models/"):
        match = _VERSION_FILE.fullmatch(file.key)
        if match:
            folders[match[1], int(match[2])].append(file)
    return folders


def _retired(storage: Storage, state: State) -> Iterator[tuple[tuple[str, int], datetime]]:
    """The retired versions whose files are there, with the store's time of their retirement."""
    for model, document in state.models.items():
        for number in document.retired:
            retired = document.entry(number).retired
            if retired is not None and retired.collected_at is None:
                yield (model, number), _written_at(storage, revision_key(retired.seen + 1))


def _written_at(storage: Storage, key: str) -> datetime:
    with contextlib.suppress(StopIteration):
        return next(file.modified_at for file in storage.list(key))
    raise MissingKeyError(key)


def _named(state: State, key: tuple[str, int]) -> bool:
    """Whether the state has a version as committed or as given up."""
    document = state.models.get(key[0])
    return document is not None and document.versions.ref(key[1]) is not None


def _reclaimed(state: State, key: tuple[str, int]) -> bool:
    document = state.models.get(key[0])
    if document is None:
        return False
    entry = document.versions.get(key[1])
    return document.versions.is_abandoned(key[1]) if entry is None else entry.collected


def _age(files: list[StoredFile], now: datetime) -> timedelta:
    """The time since the newest file of a folder was written."""
    return now - max(file.modified_at for file in files)


def _name(key: tuple[str, int]) -> str:
    return f"{key[0]}@{key[1]}"
