"""Reads the files of a store one by one and collects a defect for each that is missing, damaged or unknown."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.documents import decode, document_key, sha256_hex
from scoreline_registry.errors import CorruptError, MissingKeyError, RegistryError, SchemaVersionError
from scoreline_registry.storage import Storage

T = TypeVar("T")
V = TypeVar("V", bound=FrozenModel)


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect of a file: its key, and what is wrong."""

    key: str
    detail: str

    def __str__(self) -> str:
        return f"{self.key}: {self.detail}"


@dataclass(slots=True)
class Verification:
    """The result of a verification: counts, defects as ``findings``, and harmless ``notes``."""

    revisions: int = 0
    documents: int = 0
    versions: int = 0
    files: int = 0
    bytes: int = 0
    findings: list[Defect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Inspector:
    """Reads files and collects findings. ``listed`` are the keys that the store lists, ``checked`` those looked at."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.listed = frozenset(file.key for file in storage.list(""))
        self.checked: set[str] = set()
        self.report = Verification()

    def read(self, key: str) -> bytes | None:
        """The bytes of a file that must be there; None, with a finding, when they are not or it is no plain file."""
        self.checked.add(key)
        try:
            data = self._storage.read(key)
        except MissingKeyError:
            self.found(key, "it is missing")
            return None
        except RegistryError as error:
            self.found(key, str(error).removeprefix(f"storage failed on {key}: "))
            return None
        if key not in self.listed and not self._is_listed_now(key):
            self.found(key, "it is a link, not a file of the registry")
        self.report.files += 1
        self.report.bytes += len(data)
        return data

    def is_there(self, key: str) -> bool:
        """Whether there is anything under a key, listed or not: a link is not listed."""
        if key in self.listed:
            return True
        try:
            self._storage.read(key)
        except MissingKeyError:
            return False
        except RegistryError:
            return True
        return True

    def _is_listed_now(self, key: str) -> bool:
        """Whether a file was added since the store was listed, as a seal may be at any time."""
        return any(file.key == key for file in self._storage.list(key))

    def document(self, digest: str, read: Callable[[bytes], T]) -> T | None:
        """A document as ``read`` understands it; None, with a finding, when it is damaged."""
        key = document_key(digest)
        data = self.read(key)
        if data is None:
            return None
        self.report.documents += 1
        self.same_digest(key, data, digest)
        return self.decoded(key, data, read)

    def stored(self, kind: type[V], digest: str, *, supported: int) -> V | None:
        """A document of a kind; None, with a finding, when it is damaged or of a newer schema."""
        return self.document(digest, partial(decode, kind, key=document_key(digest), supported=supported))

    def same_digest(self, key: str, data: bytes, digest: str) -> None:
        """A finding where the sha256 of a file's bytes is not the committed one."""
        found = sha256_hex(data)
        if found != digest:
            self.found(key, f"its sha256 is {found}, committed was {digest}")

    def decoded(self, key: str, data: bytes | None, read: Callable[[bytes], T]) -> T | None:
        """What ``read`` makes of a file's bytes; None, with a finding, where it refuses them."""
        try:
            return None if data is None else read(data)
        except (CorruptError, SchemaVersionError) as error:
            self.found(key, str(error).removeprefix(f"{key} is damaged: ").removeprefix(f"{key} "))
            return None

    def found(self, key: str, detail: str) -> None:
        """Adds a finding."""
        self.report.findings.append(Defect(key, detail))
