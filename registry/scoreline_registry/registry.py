"""The registry: reads any revision, publishes versions, and commits changes of models and other documents."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

from scoreline_registry.decisions.specs.policy_plan import PolicyPlan
from scoreline_registry.decisions.specs.policy_spec import PolicySpec
from scoreline_registry.documents.documents import Source, VersionEntry, encode
from scoreline_registry.documents.manifest import MANIFEST_FILE, Manifest
from scoreline_registry.errors import CorruptError, MissingKeyError, NoRegistryError
from scoreline_registry.history.changes import AddVersion, ApplyRoute, Change
from scoreline_registry.history.commits import Commit, Commits, check_signature, random_id, system_clock
from scoreline_registry.history.differences import HistoryEntry
from scoreline_registry.history.policy_changes import ApplyPolicy
from scoreline_registry.history.profile_changes import ApplyProfile
from scoreline_registry.history.publication import (
    check_claim,
    check_files,
    claim_version,
    complete_manifest,
    version_key,
    write_version,
)
from scoreline_registry.history.revision import REGISTRY_KEY, RegistryRoot, first_entry
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.names import check_name
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_plan import ProfilePlan
from scoreline_registry.routing.route_plan import RoutePlan
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_registry.storage import FrozenStorage, Storage, open_storage

__all__ = ["Commit", "Registry", "Snapshot", "random_id", "system_clock"]


class Registry:
    """One registry in one store. All methods may be called from several threads at once."""

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
        """Makes an empty registry in a store and opens it; an existing one is only opened."""
        opened = _storage(storage)
        opened.put_if_absent(REGISTRY_KEY, encode(RegistryRoot(registry_id=new_id(), created_at=clock())))
        return cls(opened, clock=clock, new_id=new_id)

    @property
    def registry_id(self) -> str:
        """The registry's id, drawn at random by ``create``."""
        return self._root.registry_id

    @property
    def storage(self) -> Storage:
        """The store that holds the registry's files."""
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
        return self._commits.documents.read(version_key(model, version, name), facts.sha256)

    def damage(self, model: str, version: int) -> list[str]:
        """Reads every file of a committed version; returns an error for each that differs from what was committed.

        A version whose files were removed by ``gc`` has no errors.
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
        the same commit. Raises InvalidNameError, InvalidError, and RefusedError when a route could not use what an
        alias would point to; the number is then not used again.
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
            self._commits.documents.read(version_key(model, version, name), facts.sha256)
        check_claim(self._storage, model, version, claim_id=claim_id)
        change = AddVersion(model, version, entry, aliases=tuple(aliases), owner=owner, labels=labels or {})
        self.commit(change, author=author, message=message)
        return version

    def commit(
        self, change: Change, *, author: str, message: str, if_match: str | None = None, dry_run: bool = False
    ) -> Commit:
        """Commits a change as the next revision, or with ``dry_run`` only checks it, and says what it changes.

        ``if_match`` is the digest of the changed document as its author read it, "" for "there is none yet"; None
        changes whatever is there. A change that changes nothing writes nothing. Raises what the change raises, and
        ConflictError for another document than ``if_match`` or when others commit faster than this one can.
        """
        check_signature(author, message)
        write = self._commits.preview if dry_run else self._commits.commit
        return write(change, author=author, message=message, if_match=if_match)

    def plan_route(self, spec: RouteSpec, *, if_match: str | None = None) -> RoutePlan:
        """What ``apply_route`` would do now; raises what it would raise."""
        return self._commits.preview(ApplyRoute(spec), if_match=if_match).route_plan(spec.route)

    def apply_route(self, spec: RouteSpec, *, author: str, message: str, if_match: str | None = None) -> RoutePlan:
        """Commits ``ApplyRoute`` and returns what that did to the route."""
        done = self.commit(ApplyRoute(spec), author=author, message=message, if_match=if_match)
        return done.route_plan(spec.route, revision=done.revision)

    def plan_profile(self, definition: Profile, *, if_match: str | None = None) -> ProfilePlan:
        """What ``apply_profile`` would do now; raises what it would raise."""
        return self._commits.preview(ApplyProfile(definition), if_match=if_match).profile_plan(definition.profile)

    def apply_profile(
        self, definition: Profile, *, author: str, message: str, if_match: str | None = None
    ) -> ProfilePlan:
        """Commits ``ApplyProfile`` and returns what that did to the profile."""
        done = self.commit(ApplyProfile(definition), author=author, message=message, if_match=if_match)
        return done.profile_plan(definition.profile, revision=done.revision)

    def plan_policy(self, spec: PolicySpec, *, if_match: str | None = None) -> PolicyPlan:
        """What ``apply_policy`` would do now; raises what it would raise."""
        return self._commits.preview(ApplyPolicy(spec), if_match=if_match).policy_plan(spec.policy)

    def apply_policy(self, spec: PolicySpec, *, author: str, message: str, if_match: str | None = None) -> PolicyPlan:
        """Commits ``ApplyPolicy`` and returns what that did to the policy."""
        done = self.commit(ApplyPolicy(spec), author=author, message=message, if_match=if_match)
        return done.policy_plan(spec.policy, revision=done.revision)

    def _holding(self, model: str, version: int) -> Snapshot:
        """A revision that has this version: the newest known one where possible, without a read from the store."""
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
