"""The immutable, content-addressed documents of a registry, and their canonical encoding.

A document's digest is the sha256 of its canonical JSON: keys sorted, no spaces, UTF-8, a newline at the end.
Fields that a newer Scoreline wrote are kept; a document that an older one must not touch has a higher schema number.
"""

import hashlib
import json
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import Field, StringConstraints, ValidationError, model_validator

from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.documents.manifest import Digest, FileDigest, Moment
from scoreline_registry.errors import CorruptError, SchemaVersionError

# Up to schema 2 a model's document held the entries of all its versions; from 3 on it holds the digest of their index.
MODEL_SCHEMA = 3
EARLIER_MODEL_SCHEMA = 2

# The rule of names.check_name, in the form that pydantic checks without calling Python once per name.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*$", max_length=64)]
VersionKey = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]

D = TypeVar("D", bound=FrozenModel)


def canonical_json(value: Any) -> bytes:
    """The canonical bytes of a JSON value. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def sha256_hex(data: bytes) -> str:
    """The sha256 of ``data``, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def document_key(digest: str) -> str:
    """The storage key of a document."""
    return f"documents/{digest}.json"


def encode(value: FrozenModel) -> bytes:
    """A stored value as canonical JSON."""
    return canonical_json(value.model_dump(mode="json", by_alias=True))


def decode(kind: type[D], data: bytes, *, key: str, supported: int) -> D:
    """Reads a stored value of schema ``supported`` or older; ``key`` names it in errors.

    Raises SchemaVersionError when a newer Scoreline wrote it and CorruptError when it is not such a value at all.
    """
    raw = _read_json(data, key=key)
    number = raw["schema_number"]
    if number > supported:
        raise SchemaVersionError(key, number, supported)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise CorruptError(key, "; ".join(validation_errors(error))) from error


def schema_number(data: bytes, *, key: str) -> int:
    """The schema number of a stored value. Raises CorruptError when it has none."""
    number: int = _read_json(data, key=key)["schema_number"]
    return number


def _read_json(data: bytes, *, key: str) -> dict[str, Any]:
    """A stored value as JSON, whose schema number is a positive integer. Raises CorruptError."""
    try:
        raw = json.loads(data)
    except ValueError as error:
        raise CorruptError(key, "it is not JSON") from error
    number = raw.get("schema_number") if isinstance(raw, dict) else None
    if not isinstance(number, int) or number < 1:
        raise CorruptError(key, "it has no schema number")
    return dict(raw)


def validation_errors(error: ValidationError) -> list[str]:
    """The errors of a pydantic validation, one line each: the place, and what is wrong there."""
    problems = []
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    for fault in faults:
        # Pydantic counts valid items only, so a list with an invalid item is also reported as too short.
        if fault["type"] == "too_short" and fault["loc"] in places:
            continue
        where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
        what = "is missing" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
        problems.append(f"{where}: {what}" if where else what)
    return problems


class Retirement(FrozenModel):
    """The retirement of a version: it must not be used any more.

    ``seen`` is the newest revision that the author knew, so revision ``seen + 1`` is about as old as the decision, by
    the store's clock. ``collected_at`` says that the files were released for removal, which cannot be undone.
    """

    at: Moment
    author: str
    message: str = ""
    seen: int = Field(ge=0)
    collected_at: Moment | None = None


class Source(FrozenModel):
    """The origin of a promoted version: the registry, the revision that was read, and the version's number there."""

    registry_id: str
    revision: int = Field(ge=1)
    model: Name
    version: int = Field(ge=1)
    author: str
    published_at: Moment


class VersionEntry(OmitDefaults):
    """The registry's record of one version: its files, its author, and the time and message of its publication.

    ``files`` names every file of the version's folder but ``claim.json``. ``claim_id`` is the content of that file.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"retired", "source"})

    files: dict[str, FileDigest] = Field(min_length=1)
    published_at: Moment
    author: str
    message: str = ""
    claim_id: str = ""
    retired: Retirement | None = None
    source: Source | None = None

    @property
    def collected(self) -> bool:
        """Whether the files were released for removal."""
        return self.retired is not None and self.retired.collected_at is not None


class VersionTable(FrozenModel):
    """The versions of a model: how many are committed, the highest number, and the digest of their index.

    ``index`` is the sha256 of a ``VersionIndex``, None while no number was committed or given up.
    """

    count: int = Field(default=0, ge=0)
    newest: int = Field(default=0, ge=0)
    index: Digest | None = None


class ModelDocument(FrozenModel):
    """The root of one model: the table of its versions, and where its aliases point.

    Its size does not depend on the number of versions. ``next_version`` is above every number ever committed and never
    falls, so that no number is given twice.
    """

    schema_number: int = Field(default=MODEL_SCHEMA, ge=1)
    name: Name
    versions: VersionTable = VersionTable()
    aliases: dict[Name, int] = Field(default_factory=dict)
    next_version: int = Field(default=1, ge=1)
    owner: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.next_version <= self.versions.newest:
            raise ValueError(f"next_version {self.next_version} is not above version {self.versions.newest}")
        for alias, number in self.aliases.items():
            if not 1 <= number <= self.versions.newest:
                raise ValueError(f"alias {alias!r} points to version {number}, which is not there")
        return self


class EarlierModelDocument(OmitDefaults):
    """A model as schemas 1 and 2 stored it: the entry of every version by number, and where its aliases point.

    ``abandoned`` are numbers that were claimed and then given up. Such documents are read and never written.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"abandoned"})

    schema_number: int = Field(default=EARLIER_MODEL_SCHEMA, ge=1)
    name: Name
    versions: dict[VersionKey, VersionEntry] = Field(default_factory=dict)
    aliases: dict[Name, int] = Field(default_factory=dict)
    next_version: int = Field(default=1, ge=1)
    owner: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    abandoned: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        newest = max(map(int, self.versions), default=0)
        if self.next_version <= newest:
            raise ValueError(f"next_version {self.next_version} is not above version {newest}")
        for alias, number in self.aliases.items():
            if str(number) not in self.versions:
                raise ValueError(f"alias {alias!r} points to version {number}, which is not there")
            if self.versions[str(number)].retired is not None:
                raise ValueError(f"alias {alias!r} points to version {number}, which is retired")
        return self
