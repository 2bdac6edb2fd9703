"""Proving a registry whole: every revision, document and file is read and compared with the digest that vouches for it.

Nothing is believed that can be computed, and nothing stops at the first damage: what can still be read is checked.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from scoreline_registry.documents.documents import (
    MODEL_SCHEMA,
    D,
    ModelDocument,
    VersionEntry,
    decode,
    document_key,
    encode,
    sha256_hex,
)
from scoreline_registry.documents.manifest import CLAIM_FILE, MANIFEST_FILE, MANIFEST_SCHEMA, Manifest
from scoreline_registry.errors import CorruptError, MissingKeyError, RegistryError, SchemaVersionError
from scoreline_registry.history.publication import CLAIM_SCHEMA, Claim, version_key
from scoreline_registry.history.revision import (
    REGISTRY_KEY,
    LogEntry,
    first_entry,
    read_entry,
    read_seal,
    revision_key,
    seal_key,
)
from scoreline_registry.routing.route import ROUTE_SCHEMA, RouteDocument
from scoreline_registry.storage import Storage

_NUMBERED = re.compile(r"(?:revisions|seals)/([0-9]{8})\.json")
_DOCUMENT = re.compile(r"documents/([0-9a-f]{64})\.json")
_VERSION_FILE = re.compile(r"models/([^/]+)/([1-9][0-9]{0,8})/[^/]+")
_PROBE = re.compile(r"probes/[0-9a-f]+")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the key of the file, and what is wrong with it."""

    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.key}: {self.problem}"


@dataclass(slots=True)
class Verification:
    """What was read, and everything that is wrong. ``notes`` are things to know that harm nothing."""

    revisions: int = 0
    documents: int = 0
    versions: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(storage: Storage) -> Verification:
    """Reads the whole of a registry. Raises MissingKeyError when there is none."""
    return _Inspection(storage).run()


class _Inspection:
    """One pass over a store; ``_checked`` are the keys that something vouched for."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._listed = {file.key: file.bytes for file in storage.list("")}
        self._checked: set[str] = {REGISTRY_KEY}
        self._report = Verification()

    def run(self) -> Verification:
        entries = self._log()
        models = self._documents(entries)
        for (model, number), entry in sorted(self._versions(models).items()):
            self._version(model, number, entry)
        self._rest(models)
        return self._report

    def _log(self) -> list[LogEntry]:
        """The revisions that can be read, oldest first."""
        parent, data = REGISTRY_KEY, self._read(REGISTRY_KEY)
        root = self._decoded(REGISTRY_KEY, data, first_entry)
        entries = []
        for number in range(root[1].number + 1 if root else 1, self._last_number() + 1):
            digest = None if data is None else sha256_hex(data)
            key = revision_key(number)
            data = self._read(key)
            entry = self._decoded(key, data, partial(read_entry, number))
            if entry is not None:
                self._link(entry, parent, digest)
                entries.append(entry)
            self._sealed(number, data)
            parent = key
        self._report.revisions = len(entries)
        return entries

    def _last_number(self) -> int:
        numbers = [match[1] for key in self._listed if (match := _NUMBERED.fullmatch(key))]
        return max(map(int, numbers), default=0)

    def _link(self, entry: LogEntry, parent: str, digest: str | None) -> None:
        key = revision_key(entry.number)
        if digest is not None and entry.revision.parent != digest:
            self._found(key, f"it does not follow from {parent}: one of the two was changed")
        if revision_key(entry.revision.revision) != key:
            self._found(key, f"it says that it is revision {entry.revision.revision}")

    def _sealed(self, number: int, revision: bytes | None) -> None:
        key = seal_key(number)
        if key not in self._listed and not self._is_there(key):
            self._report.notes.append(f"{key} is not there; it is only needed to prove the newest revision")
            return
        seal = self._decoded(key, self._read(key), partial(read_seal, number))
        if seal is not None and revision is not None and seal.sha256 != sha256_hex(revision):
            self._found(revision_key(number), f"it is not what {key} says was committed")

    def _is_there(self, key: str) -> bool:
        """Whether there is anything, if only a link, under a key that is not listed."""
        try:
            self._storage.read(key)
        except MissingKeyError:
            return False
        except RegistryError:
            return True
        return True

    def _documents(self, entries: list[LogEntry]) -> dict[str, ModelDocument]:
        """Every document that any revision names; returns the newest readable one of each model."""
        models: dict[str, ModelDocument] = {}
        for entry in entries:
            for name, digest in entry.revision.models.items():
                document = self._document(ModelDocument, digest, MODEL_SCHEMA, models.get(name))
                if document is not None:
                    models[name] = document
                    self._same_name(document_key(digest), name, document.name)
            for name, digest in entry.revision.routes.items():
                route = self._document(RouteDocument, digest, ROUTE_SCHEMA, None)
                if route is not None:
                    self._same_name(document_key(digest), name, route.route)
        return models

    def _document(self, kind: type[D], digest: str, supported: int, known: D | None) -> D | None:
        key = document_key(digest)
        if key in self._checked:
            return known
        data = self._read(key)
        if data is None:
            return None
        self._report.documents += 1
        self._same_digest(key, data, digest)
        return self._decoded(key, data, partial(decode, kind, key=key, supported=supported))

    def _same_name(self, key: str, name: str, found: str) -> None:
        if name != found:
            self._found(key, f"a revision names it {name!r}, it says {found!r}")

    @staticmethod
    def _versions(models: dict[str, ModelDocument]) -> dict[tuple[str, int], VersionEntry]:
        return {(name, number): model.entry(number) for name, model in models.items() for number in model.numbers}

    def _version(self, model: str, number: int, entry: VersionEntry) -> None:
        """Every file of a version; those of one whose files were given up may be there or not."""
        keys = {name: version_key(model, number, name) for name in entry.files}
        claim = version_key(model, number, CLAIM_FILE)
        if entry.collected:
            self._checked |= {claim, *keys.values()}
            return
        self._report.versions += 1
        for name, key in sorted(keys.items()):
            data = self._read(key)
            if data is None:
                continue
            self._same_digest(key, data, entry.files[name].sha256)
            if name == MANIFEST_FILE:
                self._manifest(key, data, entry)
        self._claim(claim, entry)

    def _manifest(self, key: str, data: bytes, entry: VersionEntry) -> None:
        manifest = self._decoded(key, data, partial(decode, Manifest, key=key, supported=MANIFEST_SCHEMA))
        others = {name: facts for name, facts in entry.files.items() if name != MANIFEST_FILE}
        if manifest is not None and dict(manifest.files) != others:
            self._found(key, "it lists other files than were committed")

    def _claim(self, key: str, entry: VersionEntry) -> None:
        """The claim is in no list of files, but all that it says stands in the version's entry."""
        data = self._read(key)
        if data is None or not entry.claim_id:
            return
        self._decoded(key, data, partial(decode, Claim, key=key, supported=CLAIM_SCHEMA))
        expected = Claim(claim_id=entry.claim_id, author=entry.author, created_at=entry.published_at)
        if data != encode(expected):
            self._found(key, "it is not what the publisher of this version wrote")

    def _rest(self, models: dict[str, ModelDocument]) -> None:
        """Files that nothing vouched for: harmless remains of interrupted work, or strangers."""
        unfinished, orphans = set[str](), 0
        for key in sorted(self._listed.keys() - self._checked):
            version, document = _VERSION_FILE.fullmatch(key), _DOCUMENT.fullmatch(key)
            if version and not self._committed(models, version[1], int(version[2])):
                unfinished.add(f"{version[1]}@{version[2]}")
            elif document:
                orphans += 1
                data = self._read(key)
                if data is not None:
                    self._same_digest(key, data, document[1])
            elif not _PROBE.fullmatch(key):
                self._found(key, "it does not belong to the registry")
        self._report.notes += [f"{name} was claimed and is not committed" for name in sorted(unfinished)]
        if orphans:
            self._report.notes.append(f"{orphans} documents of commits that lost a race or were interrupted")

    @staticmethod
    def _committed(models: dict[str, ModelDocument], model: str, number: int) -> bool:
        return model in models and str(number) in models[model].versions

    def _read(self, key: str) -> bytes | None:
        """The bytes of a file that must be there; None, with a finding, when they are not or it is no plain file."""
        self._checked.add(key)
        try:
            data = self._storage.read(key)
        except MissingKeyError:
            self._found(key, "it is missing")
            return None
        except RegistryError as error:
            self._found(key, str(error).removeprefix(f"storage failed on {key}: "))
            return None
        if key not in self._listed:
            self._found(key, "it is a link, not a file of the registry")
        self._report.files += 1
        self._report.bytes += len(data)
        return data

    def _same_digest(self, key: str, data: bytes, digest: str) -> None:
        found = sha256_hex(data)
        if found != digest:
            self._found(key, f"its sha256 is {found}, committed was {digest}")

    def _decoded(self, key: str, data: bytes | None, read: Callable[[bytes], T]) -> T | None:
        try:
            return None if data is None else read(data)
        except (CorruptError, SchemaVersionError) as error:
            self._found(key, str(error).removeprefix(f"{key} is damaged: ").removeprefix(f"{key} "))
            return None

    def _found(self, key: str, problem: str) -> None:
        self._report.findings.append(Finding(key, problem))
