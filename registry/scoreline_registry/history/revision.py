"""A revision: small, immutable, the root of the whole state after one commit.

Each names the sha256 of the file before it, so a change of an earlier revision breaks the chain after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.documents.documents import Name, decode, encode, sha256_hex
from scoreline_registry.documents.manifest import Digest, Moment
from scoreline_registry.errors import CorruptError

REGISTRY_SCHEMA = 2
FIRST_REGISTRY_SCHEMA = 1
REVISION_SCHEMA = 1
REGISTRY_KEY = "registry.json"
SEAL_SCHEMA = 1
REVISIONS_PREFIX = "revisions/"
SEALS_PREFIX = "seals/"

_NO_PARENT = "0" * 64


class RegistryRoot(OmitDefaults):
    """``registry.json``: the file that makes a store a registry.

    ``frozen_at`` makes it the copy of part of one revision, under that revision's number: its log begins and ends
    there, and nothing can be committed to it. Such a root is of schema 2, because a reader that does not know would see
    an empty registry.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"frozen_at"})

    schema_number: int = Field(default=FIRST_REGISTRY_SCHEMA, ge=1)
    registry_id: str = Field(min_length=1, max_length=64)
    created_at: Moment
    frozen_at: int | None = Field(default=None, ge=1)


class Revision(OmitDefaults):
    """The root of the state after commit ``revision``: digests of the documents of every model, route,
    profile and policy.

    ``parent`` is the sha256 of the previous revision's file, for revision 1 that of ``registry.json``. ``commit_id``
    is random: it tells a writer whether a revision is its own. ``created_at`` is for people and never falls; only
    numbers order events. An unknown field counts as state and goes on into the next revision.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"profiles", "policies"})

    schema_number: int = Field(default=REVISION_SCHEMA, ge=1)
    revision: int = Field(ge=0, le=99_999_999)
    parent: Digest
    commit_id: str = Field(min_length=1, max_length=64)
    created_at: Moment
    author: str
    message: str
    models: dict[Name, Digest] = Field(default_factory=dict)
    routes: dict[Name, Digest] = Field(default_factory=dict)
    profiles: dict[Name, Digest] = Field(default_factory=dict)
    policies: dict[Name, Digest] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A revision with the sha256 of its file."""

    revision: Revision
    digest: str

    @property
    def number(self) -> int:
        """The revision's number."""
        return self.revision.revision


def revision_key(number: int) -> str:
    """The storage key of a revision; keys ascend with the numbers."""
    return f"{REVISIONS_PREFIX}{number:08d}.json"


class Seal(FrozenModel):
    """``seals/<number>.json``: the sha256 of a revision's file, written beside it once it is committed.

    The chain proves every revision but the newest, the seal that one too. A seal is derived and may be absent.
    ``check`` is the sha256 of "number:sha256", so that a damaged seal is not taken for a damaged revision.
    """

    schema_number: int = Field(default=SEAL_SCHEMA, ge=1)
    revision: int = Field(ge=1)
    sha256: Digest
    check: Digest


def seal_key(number: int) -> str:
    """The storage key of a revision's seal."""
    return f"{SEALS_PREFIX}{number:08d}.json"


def seal_bytes(entry: LogEntry) -> bytes:
    """The seal of a revision."""
    return _sealed(entry.number, entry.digest)


def read_seal(number: int, data: bytes) -> Seal:
    """Reads a seal. Raises CorruptError and SchemaVersionError."""
    key = seal_key(number)
    seal = decode(Seal, data, key=key, supported=SEAL_SCHEMA)
    if seal.revision != number or data != _sealed(number, seal.sha256):
        raise CorruptError(key, "it is not what was written")
    return seal


def _sealed(number: int, digest: str) -> bytes:
    return encode(Seal(revision=number, sha256=digest, check=sha256_hex(f"{number}:{digest}".encode())))


def first_entry(data: bytes) -> tuple[RegistryRoot, LogEntry]:
    """Reads ``registry.json``: the registry's facts, and the empty state before its first revision, never stored.

    That state is revision 0, in a frozen copy the one before the copied revision.
    """
    root = decode(RegistryRoot, data, key=REGISTRY_KEY, supported=REGISTRY_SCHEMA)
    empty = Revision(
        revision=root.frozen_at - 1 if root.frozen_at else 0,
        parent=_NO_PARENT,
        commit_id=root.registry_id,
        created_at=root.created_at,
        author="",
        message="",
    )
    return root, LogEntry(empty, sha256_hex(data))


def read_entry(number: int, data: bytes) -> LogEntry:
    """Reads a revision's file. Raises CorruptError and SchemaVersionError."""
    key = revision_key(number)
    return LogEntry(decode(Revision, data, key=key, supported=REVISION_SCHEMA), sha256_hex(data))


def next_entry(
    parent: LogEntry,
    *,
    commit_id: str,
    now: datetime,
    author: str,
    message: str,
    models: Mapping[str, str],
    routes: Mapping[str, str],
    profiles: Mapping[str, str],
    policies: Mapping[str, str],
) -> tuple[LogEntry, bytes]:
    """The revision that follows ``parent``, and the bytes of its file."""
    kept = parent.revision.model_extra or {}
    revision = Revision(
        **kept,
        revision=parent.number + 1,
        parent=parent.digest,
        commit_id=commit_id,
        created_at=max(now, parent.revision.created_at),
        author=author,
        message=message,
        models=dict(models),
        routes=dict(routes),
        profiles=dict(profiles),
        policies=dict(policies),
    )
    data = encode(revision)
    return LogEntry(revision, sha256_hex(data)), data
