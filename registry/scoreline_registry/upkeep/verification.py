"""Verifies a registry: every revision, document and file is read and compared with its committed digest.

It goes on after a damaged file with what can still be read. It judges one revision, the newest when it began; what
others commit or collect meanwhile is left out, so no finding is about work in progress.
"""

import re
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TypeVar

from scoreline_registry.decisions.policy import POLICY_SCHEMA, Policy
from scoreline_registry.documents.documents import VersionEntry, decode, document_key, encode, sha256_hex
from scoreline_registry.documents.manifest import CLAIM_FILE, MANIFEST_FILE, MANIFEST_SCHEMA, Manifest
from scoreline_registry.errors import RegistryError
from scoreline_registry.history.document_store import DocumentStore
from scoreline_registry.history.publication import CLAIM_SCHEMA, Claim, version_key
from scoreline_registry.history.revision import (
    REGISTRY_KEY,
    REVISIONS_PREFIX,
    SEALS_PREFIX,
    LogEntry,
    first_entry,
    read_entry,
    read_seal,
    revision_key,
    seal_key,
)
from scoreline_registry.profiles.profile import PROFILE_SCHEMA, Profile
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route import ROUTE_SCHEMA, RouteDocument
from scoreline_registry.storage import Storage
from scoreline_registry.upkeep.inspection import Defect, Inspector, Verification
from scoreline_registry.upkeep.model_inspection import ModelInspection, VersionId

D = TypeVar("D", RouteDocument, Profile, Policy)

__all__ = ["Defect", "Verification", "verify"]

_NUMBERED = re.compile(r"(?:revisions|seals)/([0-9]{8})\.json")
_DOCUMENT = re.compile(r"documents/([0-9a-f]{64})\.json")
_VERSION_FILE = re.compile(r"models/([^/]+)/([1-9][0-9]{0,8})/[^/]+")
_PROBE = re.compile(r"probes/[0-9a-f]+")


def verify(storage: Storage) -> Verification:
    """Reads the whole of a registry as of its newest revision. Raises MissingKeyError when there is none."""
    return _Inspection(storage).run()


def _newest_number(storage: Storage) -> int:
    """The highest number of a revision or a seal: a revision is written before its seal and after what it names."""
    keys = (file.key for prefix in (REVISIONS_PREFIX, SEALS_PREFIX) for file in storage.list(prefix))
    return max((_number(key) for key in keys), default=0)


def _number(key: str) -> int:
    """The number in the key of a revision or a seal, 0 for other keys."""
    match = _NUMBERED.fullmatch(key)
    return int(match[1]) if match else 0


class _Inspection:
    """One pass over a store, which is listed after the revision that is judged was determined."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._newest = _newest_number(storage)
        self._files = Inspector(storage)
        self._models = ModelInspection(self._files, DocumentStore(storage))

    def run(self) -> Verification:
        for entry in self._log():
            self._documents(entry)
        versions = self._models.versions()
        for version, version_entry in sorted(versions.items(), key=lambda item: item[0]):
            self._version(version, version_entry)
        self._rest(versions)
        return self._files.report

    def _log(self) -> Iterator[LogEntry]:
        """The revisions that can be read, oldest first."""
        parent, data = REGISTRY_KEY, self._files.read(REGISTRY_KEY)
        root = self._files.decoded(REGISTRY_KEY, data, first_entry)
        for number in range(root[1].number + 1 if root else 1, self._newest + 1):
            digest = None if data is None else sha256_hex(data)
            key = revision_key(number)
            data = self._files.read(key)
            entry = self._files.decoded(key, data, partial(read_entry, number))
            self._sealed(number, data)
            if entry is not None:
                self._link(number, entry, parent, digest)
                self._files.report.revisions += 1
                yield entry
            parent = key

    def _link(self, number: int, entry: LogEntry, parent: str, digest: str | None) -> None:
        key = revision_key(number)
        if digest is not None and entry.revision.parent != digest:
            self._files.found(key, f"it does not follow from {parent}: one of the two was changed")
        if entry.number != number:
            self._files.found(key, f"it says that it is revision {entry.number}")

    def _sealed(self, number: int, revision: bytes | None) -> None:
        key = seal_key(number)
        if not self._files.is_there(key):
            self._files.report.notes.append(f"{key} is not there; it is only needed to prove the newest revision")
            return
        seal = self._files.decoded(key, self._files.read(key), partial(read_seal, number))
        if seal is not None and revision is not None and seal.sha256 != sha256_hex(revision):
            self._files.found(revision_key(number), f"it is not what {key} says was committed")

    def _documents(self, entry: LogEntry) -> None:
        """Checks every document that a revision names and no earlier one did."""
        for name, digest in entry.revision.models.items():
            self._models.check(name, digest)
        for name, digest in entry.revision.routes.items():
            self._document(name, digest, RouteDocument, supported=ROUTE_SCHEMA, name_of=lambda route: route.route)
        for name, digest in entry.revision.profiles.items():
            self._document(name, digest, Profile, supported=PROFILE_SCHEMA, name_of=lambda profile: profile.profile)
        for name, digest in entry.revision.policies.items():
            self._document(name, digest, Policy, supported=POLICY_SCHEMA, name_of=lambda policy: policy.policy)

    def _document(self, name: str, digest: str, kind: type[D], *, supported: int, name_of: Callable[[D], str]) -> None:
        key = document_key(digest)
        if key in self._files.checked:
            return
        document = self._files.stored(kind, digest, supported=supported)
        if document is not None and name_of(document) != name:
            self._files.found(key, f"a revision names it {name!r}, it says {name_of(document)!r}")

    def _version(self, version: VersionId, entry: VersionEntry | None) -> None:
        """Every file of a version; those of one whose files were given up may be there or not."""
        if entry is None:
            return
        keys = {name: version_key(*version, name) for name in entry.files}
        claim = version_key(*version, CLAIM_FILE)
        if entry.collected:
            self._files.checked |= {claim, *keys.values()}
            return
        findings = self._files.report.findings
        before = len(findings)
        for name, key in sorted(keys.items()):
            self._version_file(name, key, entry)
        self._claim(claim, entry)
        if len(findings) > before and self._collected_meanwhile(version):
            del findings[before:]
        else:
            self._files.report.versions += 1

    def _version_file(self, name: str, key: str, entry: VersionEntry) -> None:
        data = self._files.read(key)
        if data is None:
            return
        self._files.same_digest(key, data, entry.files[name].sha256)
        if name == MANIFEST_FILE:
            self._manifest(key, data, entry)

    def _manifest(self, key: str, data: bytes, entry: VersionEntry) -> None:
        manifest = self._files.decoded(key, data, partial(decode, Manifest, key=key, supported=MANIFEST_SCHEMA))
        others = {name: facts for name, facts in entry.files.items() if name != MANIFEST_FILE}
        if manifest is not None and dict(manifest.files) != others:
            self._files.found(key, "it lists other files than were committed")

    def _claim(self, key: str, entry: VersionEntry) -> None:
        """The claim is in no list of files, but all that it says stands in the version's entry."""
        data = self._files.read(key)
        if data is None or not entry.claim_id:
            return
        self._files.decoded(key, data, partial(decode, Claim, key=key, supported=CLAIM_SCHEMA))
        expected = Claim(claim_id=entry.claim_id, author=entry.author, created_at=entry.published_at)
        if data != encode(expected):
            self._files.found(key, "it is not what the publisher of this version wrote")

    def _collected_meanwhile(self, version: VersionId) -> bool:
        """Whether the newest revision of this moment gives up the files of a version."""
        name, number = version
        try:
            models = self._registry.latest().models
            return name in models and models[name].entry(number).collected
        except RegistryError:
            return False

    @cached_property
    def _registry(self) -> Registry:
        return Registry.open(self._storage)

    def _rest(self, versions: dict[VersionId, VersionEntry | None]) -> None:
        """Files without a committed digest: remains of interrupted work, work in progress, or unknown files."""
        unfinished, orphans = set[str](), 0
        for key in sorted(self._files.listed - self._files.checked):
            version, document = _VERSION_FILE.fullmatch(key), _DOCUMENT.fullmatch(key)
            if version and version[1] in self._models.unreadable:
                continue
            if version and (version[1], int(version[2])) not in versions:
                unfinished.add(f"{version[1]}@{version[2]}")
            elif document:
                orphans += 1
                data = self._files.read(key)
                if data is not None:
                    self._files.same_digest(key, data, document[1])
            elif not _PROBE.fullmatch(key) and _number(key) <= self._newest:
                self._files.found(key, "it does not belong to the registry")
        notes = self._files.report.notes
        notes += [f"{name} was claimed and is not committed" for name in sorted(unfinished)]
        if orphans:
            notes.append(f"{orphans} documents of commits that lost a race, were interrupted or are being made")
