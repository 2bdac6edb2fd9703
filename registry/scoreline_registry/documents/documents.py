"""The immutable, content-addressed documents of a registry, and the one way in which they become bytes.

A document's digest is the sha256 of its canonical JSON: keys sorted, no spaces, UTF-8, a newline at the end.
Fields that a newer Scoreline wrote are kept; a document that an older one must not touch has a higher schema number.
"""

import hashlib
import json
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import Field, StringConstraints, ValidationError, model_validator

from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.documents.manifest import FileFacts, Moment
from scoreline_registry.errors import CorruptError, NotFoundError, SchemaVersionError

MODEL_SCHEMA = 2
_FIRST_MODEL_SCHEMA = 1

# The rule of names.check_name, in the form that pydantic checks without calling Python once per name.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*$", max_length=64)]
VersionKey = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]

D = TypeVar("D", bound=FrozenModel)


def canonical_json(value: Any) -> bytes:
    """The bytes that stand for a JSON value. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def sha256_hex(data: bytes) -> str:
    """The sha256 of ``data``, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def document_key(digest: str) -> str:
    """Where a document is stored."""
    return f"documents/{digest}.json"


def encode(value: FrozenModel) -> bytes:
    """A stored value as canonical JSON."""
    return canonical_json(value.model_dump(mode="json", by_alias=True))


def decode(kind: type[D], data: bytes, *, key: str, supported: int) -> D:
    """Reads a stored value of schema ``supported`` or older; ``key`` names it in errors.

    Raises SchemaVersionError when a newer Scoreline wrote it and CorruptError when it is not such a value at all.
    """
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise CorruptError(key, "it is not JSON") from error
    number = raw.get("schema_number") if isinstance(raw, dict) else None
    if not isinstance(number, int) or number < 1:
        raise CorruptError(key, "it has no schema number")
    if number > supported:
        raise SchemaVersionError(key, number, supported)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise CorruptError(key, "; ".join(problems_of(error))) from error


def problems_of(error: ValidationError) -> list[str]:
    """One line for each thing that pydantic found wrong: where, and what."""
    problems = []
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    for fault in faults:
        # Pydantic counts only the items that are sound, so a list with a faulty one reads as too short as well.
        if fault["type"] == "too_short" and fault["loc"] in places:
            continue
        where = ".".join(str(part) for part in fault["loc"])
        what = fault["msg"].removeprefix("Value error, ")
        problems.append(f"{where}: {what}" if where else what)
    return problems


class Retirement(FrozenModel):
    """That a version must not be used any more, and who said so.

    ``seen`` is the newest revision that the author knew, so revision ``seen + 1`` is about as old as the decision, by
    the store's clock. ``collected_at`` says that the files were given up for removal; there is no way back from that.
    """

    at: Moment
    author: str
    message: str = ""
    seen: int = Field(ge=0)
    collected_at: Moment | None = None


class Source(FrozenModel):
    """Where a promoted version was copied from: the registry, the revision read there, and its number there."""

    registry_id: str
    revision: int = Field(ge=1)
    model: Name
    version: int = Field(ge=1)
    author: str
    published_at: Moment


class VersionEntry(OmitDefaults):
    """What a model's document says about one version: its files, and who published it when and why.

    ``files`` names every file of the version's folder but ``claim.json``. ``claim_id`` is the content of that file.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"retired", "source"})

    files: dict[str, FileFacts] = Field(min_length=1)
    published_at: Moment
    author: str
    message: str = ""
    claim_id: str = ""
    retired: Retirement | None = None
    source: Source | None = None

    @property
    def collected(self) -> bool:
        """Whether the files were given up for removal."""
        return self.retired is not None and self.retired.collected_at is not None


class ModelDocument(OmitDefaults):
    """One model: every version ever committed, by number in decimal, and where its aliases point.

    ``next_version`` is above every number ever committed and never falls, so that no number is given twice.
    ``abandoned`` are numbers that were claimed and then given up: nothing may be committed under them. A document that
    has one, or a retired version, is of schema 2, because a writer that knows neither would bring them back.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"abandoned"})

    schema_number: int = Field(default=_FIRST_MODEL_SCHEMA, ge=1)
    name: Name
    versions: dict[VersionKey, VersionEntry] = Field(default_factory=dict)
    aliases: dict[Name, int] = Field(default_factory=dict)
    next_version: int = Field(default=1, ge=1)
    owner: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    abandoned: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.numbers and self.next_version <= self.numbers[-1]:
            raise ValueError(f"next_version {self.next_version} is not above version {self.numbers[-1]}")
        for alias, number in self.aliases.items():
            if str(number) not in self.versions:
                raise ValueError(f"alias {alias!r} points to version {number}, which is not there")
            if self.versions[str(number)].retired is not None:
                raise ValueError(f"alias {alias!r} points to version {number}, which is retired")
        return self

    def changed(self, **update: object) -> Self:
        """The document with fields replaced, of the lowest schema that keeps older writers from going wrong."""
        document = self.model_copy(update=update)
        later = document.abandoned or any(entry.retired for entry in document.versions.values())
        return document.model_copy(update={"schema_number": MODEL_SCHEMA if later else _FIRST_MODEL_SCHEMA})

    def with_entry(self, version: int, entry: VersionEntry) -> Self:
        """The document with the entry of one version added or replaced."""
        return self.changed(versions={**self.versions, str(version): entry})

    @property
    def numbers(self) -> list[int]:
        """The committed version numbers, ascending."""
        return sorted(map(int, self.versions))

    def entry(self, version: int) -> VersionEntry:
        """The entry of a version. Raises NotFoundError."""
        found = self.versions.get(str(version))
        if found is None:
            raise NotFoundError("version", f"{self.name}@{version}", self._hint())
        return found

    def alias(self, alias: str) -> int:
        """The version that an alias points to. Raises NotFoundError."""
        found = self.aliases.get(alias)
        if found is None:
            raise NotFoundError("alias", f"{self.name}@{alias}", self._hint())
        return found

    def file(self, version: int, name: str) -> FileFacts:
        """The committed facts of one file of a version. Raises NotFoundError, also when its files were removed."""
        entry = self.entry(version)
        if entry.collected:
            raise NotFoundError("file", f"{self.name}@{version}/{name}", "it was retired and its files removed")
        files = entry.files
        if name not in files:
            raise NotFoundError("file", f"{self.name}@{version}/{name}", f"it has {', '.join(sorted(files))}")
        return files[name]

    def _hint(self) -> str:
        numbers = self.numbers
        if not numbers:
            return f"{self.name} has no versions yet"
        aliases = [f"{alias} -> {number}" for alias, number in sorted(self.aliases.items())]
        newest = [str(number) for number in numbers[-5:]]
        versions = ("…, " if len(numbers) > 5 else "") + ", ".join(newest)
        return f"{self.name} has versions {versions} and {'aliases ' + ', '.join(aliases) if aliases else 'no alias'}"
