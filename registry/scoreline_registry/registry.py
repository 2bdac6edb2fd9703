"""The registry: reading any revision of it, publishing versions, and changing what points to them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from scoreline_registry.documents.documents import Retirement, Source, VersionEntry, encode
from scoreline_registry.documents.manifest import MANIFEST_FILE, Manifest
from scoreline_registry.errors import CorruptError, MissingKeyError, NoRegistryError
from scoreline_registry.history.changes import (
    Change,
    add_version,
    apply_route,
    set_alias,
    set_labels,
    set_owner,
    stop_arm,
)
from scoreline_registry.history.commits import Commits, Outcome, check_signature, random_id, system_clock
from scoreline_registry.history.differences import HistoryEntry, events_between
from scoreline_registry.history.publication import (
    check_claim,
    check_files,
    claim_version,
    complete_manifest,
    version_key,
    write_version,
)
from scoreline_registry.history.retirement import retire, unretire
from scoreline_registry.history.revision import REGISTRY_KEY, RegistryRoot, first_entry
from scoreline_registry.history.rollback import Past, rollback_all, rollback_model, rollback_route
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.history.state import State
from scoreline_registry.names import check_name
from scoreline_registry.routing.planning import RoutePlan, route_plan
from scoreline_registry.routing.route import RouteSpec
from scoreline_registry.storage import FrozenStorage, Storage, open_storage

__all__ = ["Outcome", "Registry", "Snapshot", "random_id", "system_clock"]


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
        self._root, empty = first_entry(_registry_file(storage))
        self._storage = FrozenStorage(storage) if self._root.frozen_at else storage
        self._clock, self._new_id = clock, new_id
        self._commits = Commits(self._storage, empty, clock=clock, new_id=new_id)

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

    @property
    def storage(self) -> Storage:
        """Where its files are."""
        return self._storage

    def new_id(self) -> str:
        """A random name."""
        return self._new_id()

    def now(self) -> datetime:
        """The time by this process's clock, in UTC."""
        return self._clock()

    def latest(self) -> Snapshot:
        """The newest revision: two reads from the store when nothing is new."""
        return self._commits.latest()

    def at(self, revision: int) -> Snapshot:
        """The state after commit ``revision``; 0 is the empty registry. Raises NotFoundError."""
        return self._commits.at(revision)

    def history(self, limit: int | None = None, *, before: int | None = None) -> Iterator[HistoryEntry]:
        """The revisions with what each changed, newest first, read as they are asked for.

        ``before`` leaves out that revision and all newer ones. Raises NotFoundError for one that is yet to come.
        """
        return self._commits.history(limit, before=before)

    def manifest(self, model: str, version: int) -> Manifest:
        """The manifest of a committed version. Raises NotFoundError, CorruptError, SchemaVersionError."""
        return self._holding(model, version).state.manifest(model, version)

    def read_file(self, model: str, version: int, name: str) -> bytes:
        """The bytes of a committed file, checked against the committed digest. Raises NotFoundError, CorruptError."""
        facts = self._holding(model, version).models[model].file(version, name)
        return self._commits.content.read(version_key(model, version, name), facts.sha256)

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
        """Reads every file of a committed version and says which are not what was committed; empty when all are.

        A version whose files were removed on purpose has none that could be damaged.
        """
        entry = self._holding(model, version).models[model].entry(version)
        problems = []
        for name in () if entry.collected else sorted(entry.files):
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
        check_files(model, files)
        complete = {**files, MANIFEST_FILE: complete_manifest(files, manifest)}
        return self._publish(
            model, complete, author=author, message=message, aliases=aliases, owner=owner, labels=labels
        )

    def publish_copy(
        self,
        model: str,
        *,
        files: Mapping[str, bytes],
        source: Source,
        author: str,
        message: str,
        aliases: Sequence[str] = (),
    ) -> int:
        """Stores and commits a version as another registry has it; ``files`` hold its manifest, byte by byte.

        Every file is read back before the commit. Raises what ``publish`` raises, and CorruptError when what the
        store gives back differs.
        """
        check_files(model, {name: data for name, data in files.items() if name != MANIFEST_FILE})
        return self._publish(model, files, author=author, message=message, aliases=aliases, source=source)

    def _publish(
        self,
        model: str,
        files: Mapping[str, bytes],
        *,
        author: str,
        message: str,
        aliases: Sequence[str],
        owner: str | None = None,
        labels: Mapping[str, str] | None = None,
        source: Source | None = None,
    ) -> int:
        check_name("model", model)
        check_signature(author, message)
        claim_id, now = self._new_id(), self._clock()
        models = self.latest().models
        first = models[model].next_version if model in models else 1
        version = claim_version(self._storage, model, first=first, claim_id=claim_id, author=author, now=now)
        entry = VersionEntry(
            files=write_version(self._storage, model, version, files),
            published_at=now,
            author=author,
            message=message,
            claim_id=claim_id,
            source=source,
        )
        for name, facts in entry.files.items() if source else ():
            self._commits.content.read(version_key(model, version, name), facts.sha256)
        check_claim(self._storage, model, version, claim_id=claim_id)
        change = add_version(model, version, entry, aliases=aliases, owner=owner, labels=labels)
        self.commit(change, author=author, message=message)
        return version

    def set_alias(
        self, model: str, alias: str, version: int, *, author: str, message: str, expect: str | None = None
    ) -> Snapshot:
        """Points an alias to a version. ``expect`` is the digest of the model's document as its author read it.

        Raises NotFoundError, ConflictError, and RefusedError when the version is retired or a route that uses the
        alias could not serve.
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
        before, after = self._commits.commit(apply_route(spec, expect=expect), author=author, message=message)
        return _plan(spec.route, before.state, after.state, revision=after.revision)

    def stop_arm(
        self, route: str, ref: str, *, author: str, message: str, expect: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Takes an arm out of a route: its share goes to the first other arm of each rule, and so does the fallback.

        Raises NotFoundError, ConflictError, and RefusedError where it is the only arm of a rule.
        """
        return self.perform(stop_arm(route, ref, expect=expect), author=author, message=message, dry_run=dry_run)

    def rollback(
        self,
        *,
        to: int,
        model: str | None = None,
        route: str | None = None,
        author: str,
        message: str,
        expect: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Moves the pointers of a model, of a route, or with neither all of them, to where revision ``to`` had them.

        Raises NotFoundError, ConflictError, and RefusedError with everything that is in the way.
        """
        past = Past(to, self.at(to).state)
        change = rollback_all(past)
        if model is not None:
            change = rollback_model(model, past, expect=expect)
        elif route is not None:
            change = rollback_route(route, past, expect=expect)
        return self.perform(change, author=author, message=message, dry_run=dry_run)

    def retire(
        self, model: str, version: int, *, author: str, message: str, expect: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Takes a version out of use. Raises NotFoundError, ConflictError, RefusedError naming what reaches it."""
        retirement = Retirement(at=self._clock(), author=author, message=message, seen=self.latest().revision)
        change = retire(model, version, retirement, expect=expect)
        return self.perform(change, author=author, message=message, dry_run=dry_run)

    def unretire(
        self, model: str, version: int, *, author: str, message: str, expect: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Brings a retired version back. Raises NotFoundError, ConflictError, RefusedError when its files went."""
        change = unretire(model, version, expect=expect)
        return self.perform(change, author=author, message=message, dry_run=dry_run)

    def set_owner(
        self,
        model: str,
        owner: str | None,
        *,
        author: str,
        message: str,
        expect: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Says who answers for a model; None for nobody. Raises InvalidError, NotFoundError, ConflictError."""
        return self.perform(set_owner(model, owner, expect=expect), author=author, message=message, dry_run=dry_run)

    def set_labels(
        self,
        model: str,
        labels: Mapping[str, str | None],
        *,
        author: str,
        message: str,
        expect: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Sets labels of a model and removes those that are None. Raises InvalidError, NotFoundError, ConflictError."""
        return self.perform(set_labels(model, labels, expect=expect), author=author, message=message, dry_run=dry_run)

    def perform(self, change: Change, *, author: str, message: str, dry_run: bool = False) -> Outcome:
        """Commits a change, or with ``dry_run`` only checks it, and says what it did or would do."""
        if dry_run:
            check_signature(author, message)
            return self._commits.preview(change)
        before, after = self._commits.commit(change, author=author, message=message)
        events = events_between(before.state, after.state)
        return Outcome(after.revision, written=after.revision != before.revision, events=events)

    def commit(self, change: Change, *, author: str, message: str) -> Snapshot:
        """Applies a change to the newest state and writes the next revision; returns the state that then holds.

        A change that changes nothing writes nothing. Raises what the change raises, and ConflictError when others
        commit faster than this one can.
        """
        return self._commits.commit(change, author=author, message=message)[1]

    def _holding(self, model: str, version: int) -> Snapshot:
        """A revision that has this version: the newest one known, where it does, saves asking the store."""
        known = self._commits.known()
        if model in known.models and version in known.models[model].versions:
            return known
        newest = self.latest()
        newest.state.models.require(model).entry(version)
        return newest


def _storage(storage: Storage | str | Path) -> Storage:
    return open_storage(storage) if isinstance(storage, str | Path) else storage


def _registry_file(storage: Storage) -> bytes:
    try:
        return storage.read(REGISTRY_KEY)
    except MissingKeyError as error:
        raise NoRegistryError(str(storage)) from error


def _plan(route: str, before: State, after: State, *, revision: int | None = None) -> RoutePlan:
    return route_plan(
        route,
        before=before.routes.get(route),
        after=after.routes[route],
        expect=before.routes.digests.get(route, ""),
        revision=revision,
    )
