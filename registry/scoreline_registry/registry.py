"""The registry: reading any revision of it, publishing versions, and committing changes."""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from scoreline_registry.changes import Change, add_version, apply_route, set_alias
from scoreline_registry.content import Content
from scoreline_registry.documents import VersionEntry, document_key, encode
from scoreline_registry.errors import ConflictError, CorruptError, InvalidError, MissingKeyError, NoRegistryError
from scoreline_registry.history import HistoryEntry, events_between
from scoreline_registry.log import RevisionLog
from scoreline_registry.manifest import Manifest
from scoreline_registry.names import check_name
from scoreline_registry.planning import RoutePlan, route_plan
from scoreline_registry.publication import check_claim, check_files, claim_version, version_key, write_version
from scoreline_registry.revision import REGISTRY_KEY, LogEntry, RegistryRoot, first_entry, next_entry
from scoreline_registry.route import RouteSpec
from scoreline_registry.snapshot import Snapshot
from scoreline_registry.state import State
from scoreline_registry.storage import Storage, open_storage, put_same

__all__ = ["MAX_ATTEMPTS", "Registry", "Snapshot"]

# Whoever loses a race reapplies; every loss is someone else's success, so this many in a row means something else.
MAX_ATTEMPTS = 200
MAX_MESSAGE_LENGTH = 2000


def system_clock() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def random_id() -> str:
    """32 random hexadecimal digits."""
    return secrets.token_hex(16)


class Registry:
    """One registry in one store. Reads may come from many threads at once, and so may writes."""

    def __init__(
        self,
        storage: Storage,
        *,
        clock: Callable[[], datetime] = system_clock,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        """Opens the registry in ``storage``; most callers want ``open``, which also takes an address."""
        self._storage, self._clock, self._new_id = storage, clock, new_id
        self._root, empty = first_entry(_registry_file(storage))
        self._log = RevisionLog(storage, empty)
        self._lock = threading.Lock()
        self._known = empty
        self._content = Content(storage)
        self._log.check_whole(self._newest())

    @classmethod
    def open(
        cls,
        storage: Storage | str | Path,
        *,
        clock: Callable[[], datetime] = system_clock,
        new_id: Callable[[], str] = random_id,
    ) -> Self:
        """Opens a registry; nothing is written. Raises NoRegistryError when there is none."""
        return cls(_storage(storage), clock=clock, new_id=new_id)

    @classmethod
    def create(
        cls,
        storage: Storage | str | Path,
        *,
        clock: Callable[[], datetime] = system_clock,
        new_id: Callable[[], str] = random_id,
    ) -> Self:
        """Makes a store a registry and opens it; a registry that is there already is only opened."""
        opened = _storage(storage)
        opened.put_if_absent(REGISTRY_KEY, encode(RegistryRoot(registry_id=new_id(), created_at=clock())))
        return cls(opened, clock=clock, new_id=new_id)

    @property
    def registry_id(self) -> str:
        """Made at random by ``create``; tells registries apart."""
        return self._root.registry_id

    def latest(self) -> Snapshot:
        """The newest revision: one read from the store when nothing is new."""
        return self._snapshot(self._newest())

    def at(self, revision: int) -> Snapshot:
        """The state after commit ``revision``; 0 is the empty registry. Raises NotFoundError."""
        return self._snapshot(self._log.entry(revision))

    def history(self, limit: int | None = None) -> Iterator[HistoryEntry]:
        """The revisions with what each changed, newest first, read as they are asked for."""
        entry = self._newest()
        while entry.number and (limit is None or limit > 0):
            parent = self._log.parent(entry)
            yield self._history_entry(parent, entry)
            entry, limit = parent, None if limit is None else limit - 1

    def manifest(self, model: str, version: int) -> Manifest:
        """The manifest of a committed version. Raises NotFoundError, CorruptError, SchemaVersionError."""
        return self._holding(model, version).state.manifest(model, version)

    def read_file(self, model: str, version: int, name: str) -> bytes:
        """The bytes of a committed file, checked against the committed digest. Raises NotFoundError, CorruptError."""
        facts = self._holding(model, version).models[model].file(version, name)
        return self._content.read(version_key(model, version, name), facts.sha256)

    def file_path(self, model: str, version: int, name: str) -> Path:
        """A local path of a committed file, NOT checked: whoever trusts its bytes compares their digest first.

        Raises NotFoundError, CorruptError when the file is gone.
        """
        self._holding(model, version).models[model].file(version, name)
        key = version_key(model, version, name)
        try:
            return self._storage.local_path(key)
        except MissingKeyError as error:
            raise CorruptError(key, "it is missing") from error

    def damage(self, model: str, version: int) -> list[str]:
        """Reads every file of a committed version and says which are not what was committed; empty when all are."""
        problems = []
        for name in sorted(self._holding(model, version).models[model].entry(version).files):
            try:
                self.read_file(model, version, name)
            except CorruptError as error:
                problems.append(str(error))
        return problems

    def publish(
        self,
        model: str,
        *,
        files: Mapping[str, bytes],
        manifest: Manifest,
        author: str,
        message: str,
        aliases: Sequence[str] = (),
        owner: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> int:
        """Stores and commits a new version and returns its number.

        ``files`` are all but the manifest, whose ``files`` are filled in here. ``aliases`` move to the new version in
        the same commit. Raises InvalidNameError, InvalidError, and RefusedError when a route forbids an alias' move;
        then the number is not given again.
        """
        check_name("model", model)
        check_files(model, files)
        _check_signature(author, message)
        claim_id, now = self._new_id(), self._clock()
        models = self.latest().models
        first = models[model].next_version if model in models else 1
        version = claim_version(self._storage, model, first=first, claim_id=claim_id, author=author, now=now)
        entry = VersionEntry(
            files=write_version(self._storage, model, version, files, manifest),
            published_at=now,
            author=author,
            message=message,
            claim_id=claim_id,
        )
        check_claim(self._storage, model, version, claim_id=claim_id)
        change = add_version(model, version, entry, aliases=aliases, owner=owner, labels=labels)
        self.commit(change, author=author, message=message)
        return version

    def set_alias(
        self, model: str, alias: str, version: int, *, author: str, message: str, expect: str | None = None
    ) -> Snapshot:
        """Points an alias to a version. ``expect`` is the digest of the model's document as its author read it.

        Raises NotFoundError, ConflictError, and RefusedError when a route that uses the alias could not serve.
        """
        return self.commit(set_alias(model, alias, version, expect=expect), author=author, message=message)

    def plan_route(self, spec: RouteSpec, *, expect: str | None = None) -> RoutePlan:
        """What ``apply_route`` would do now; raises what it would raise."""
        before = self.latest()
        return _plan(spec.route, before.state, apply_route(spec, expect=expect)(before.state))

    def apply_route(self, spec: RouteSpec, *, author: str, message: str, expect: str | None = None) -> RoutePlan:
        """Creates or changes a route and returns what that did.

        ``expect`` is the digest of the route's document as its author read it, "" for none. Raises NotFoundError,
        ConflictError, and RefusedError with every problem.
        """
        before, after = self._commit(apply_route(spec, expect=expect), author=author, message=message)
        return _plan(spec.route, before.state, after.state, revision=after.revision)

    def commit(self, change: Change, *, author: str, message: str) -> Snapshot:
        """Applies a change to the newest state and writes the next revision; returns the state that then holds.

        A change that changes nothing writes nothing. Raises what the change raises, and ConflictError when others
        commit faster for MAX_ATTEMPTS attempts.
        """
        return self._commit(change, author=author, message=message)[1]

    def _commit(self, change: Change, *, author: str, message: str) -> tuple[Snapshot, Snapshot]:
        _check_signature(author, message)
        commit_id = self._new_id()
        for _ in range(MAX_ATTEMPTS):
            before = self.latest()
            state = change(before.state)
            if state.same_as(before.state):
                return before, before
            if self._append(before.entry, state, commit_id=commit_id, author=author, message=message):
                return before, self.at(before.revision + 1)
        raise ConflictError("registry", self.registry_id)

    def _append(self, parent: LogEntry, state: State, *, commit_id: str, author: str, message: str) -> bool:
        for digest, data in {**state.models.unwritten, **state.routes.unwritten}.items():
            if not put_same(self._storage, document_key(digest), data):
                raise CorruptError(document_key(digest), "it does not hold what its name says")
        entry, data = next_entry(
            parent,
            commit_id=commit_id,
            now=self._clock(),
            author=author,
            message=message,
            models=state.models.digests,
            routes=state.routes.digests,
        )
        return self._log.append(entry.number, data, commit_id=commit_id)

    def _newest(self) -> LogEntry:
        newest = self._log.last(self._known)
        with self._lock:
            if newest.number > self._known.number:
                self._known = newest
        return newest

    def _snapshot(self, entry: LogEntry) -> Snapshot:
        return Snapshot(entry, self._content.state(entry.revision))

    def _holding(self, model: str, version: int) -> Snapshot:
        """A revision that has this version: the newest one known, where it does, saves asking the store."""
        known = self._snapshot(self._known)
        if model in known.models and str(version) in known.models[model].versions:
            return known
        newest = self.latest()
        newest.state.models.require(model).entry(version)
        return newest

    def _history_entry(self, parent: LogEntry, entry: LogEntry) -> HistoryEntry:
        revision = entry.revision
        events = events_between(self._content.state(parent.revision), self._content.state(revision))
        return HistoryEntry(entry.number, revision.created_at, revision.author, revision.message, events)


def _storage(storage: Storage | str | Path) -> Storage:
    return open_storage(storage) if isinstance(storage, str | Path) else storage


def _registry_file(storage: Storage) -> bytes:
    try:
        return storage.read(REGISTRY_KEY)
    except MissingKeyError as error:
        raise NoRegistryError(str(storage)) from error


def _check_signature(author: str, message: str) -> None:
    """Raises InvalidError unless a commit is signed, and short enough to be read in a list."""
    problems = []
    if not author.strip() or not author.isprintable() or len(author) > 200:
        problems.append("the author is 1 to 200 printable characters")
    if len(message) > MAX_MESSAGE_LENGTH or not message.replace("\n", "").replace("\t", "").isprintable():
        problems.append(f"the message is at most {MAX_MESSAGE_LENGTH} printable characters and line ends")
    if problems:
        raise InvalidError("commit", problems)


def _plan(route: str, before: State, after: State, *, revision: int | None = None) -> RoutePlan:
    return route_plan(
        route,
        before=before.routes.get(route),
        after=after.routes[route],
        expect=before.routes.digests.get(route, ""),
        revision=revision,
    )
