"""One model: its document, and its versions, which are loaded when they are read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Self

from scoreline_registry.documents.documents import (
    EARLIER_MODEL_SCHEMA,
    MODEL_SCHEMA,
    EarlierModelDocument,
    ModelDocument,
    VersionEntry,
    decode,
    encode,
    schema_number,
    sha256_hex,
)
from scoreline_registry.documents.manifest import FileDigest
from scoreline_registry.documents.model_versions import LoadPart, ModelVersions
from scoreline_registry.errors import NotFoundError


@dataclass(frozen=True, eq=False)
class Model:
    """One model. ``document`` is its root without the versions that ``versions`` add to it.

    ``digest`` is that of the stored document, None for a model that was changed since it was read.
    """

    document: ModelDocument
    versions: ModelVersions
    digest: str | None = None

    @classmethod
    def new(cls, name: str, load: LoadPart) -> Self:
        """A model without versions."""
        return cls(ModelDocument(name=name), ModelVersions(name, load))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.document.name

    @property
    def aliases(self) -> Mapping[str, int]:
        """The version that each alias points to."""
        return self.document.aliases

    @property
    def next_version(self) -> int:
        """A number above every number ever committed."""
        return self.document.next_version

    @property
    def owner(self) -> str | None:
        """Who is responsible for the model; None where no owner is set."""
        return self.document.owner

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels by name."""
        return self.document.labels

    @property
    def numbers(self) -> list[int]:
        """The committed version numbers, ascending; reads the whole index."""
        return list(self.versions)

    @property
    def in_use(self) -> list[int]:
        """The numbers of versions that are not retired, ascending; reads the whole index."""
        return [number for number, ref in self.versions.refs() if not (ref.abandoned or ref.retired)]

    @property
    def retired(self) -> list[int]:
        """The numbers of retired versions, ascending; reads the whole index."""
        return [number for number, ref in self.versions.refs() if ref.retired]

    def changed(self, **update: object) -> Self:
        """The model with aliases, owner, labels or next version replaced; itself where nothing differs."""
        if all(getattr(self.document, name) == value for name, value in update.items()):
            return self
        return replace(self, document=self.document.model_copy(update=update), digest=None)

    def with_entry(self, version: int, entry: VersionEntry) -> Self:
        """The model with the entry of one version added or replaced."""
        return self.with_entries({version: entry})

    def with_entries(self, entries: Mapping[int, VersionEntry]) -> Self:
        """The model with the entries of some versions added or replaced; itself where nothing differs."""
        return self._with_versions(self.versions.with_entries(entries), entries)

    def with_abandoned(self, versions: Collection[int]) -> Self:
        """The model with numbers given up, but for those that are committed; itself where nothing differs."""
        return self._with_versions(self.versions.with_abandoned(versions), versions)

    def stored(self) -> tuple[bytes, Mapping[str, bytes]]:
        """The bytes of its document, and those of every part of it that is not stored yet, by digest."""
        table, parts = self.versions.stored()
        return encode(self.document.model_copy(update={"versions": table, "schema_number": MODEL_SCHEMA})), parts

    def entry(self, version: int) -> VersionEntry:
        """The entry of a version. Raises NotFoundError."""
        found = self.versions.get(version)
        if found is None:
            raise NotFoundError("version", f"{self.name}@{version}", self._hint())
        return found

    def alias(self, alias: str) -> int:
        """The version that an alias points to. Raises NotFoundError."""
        found = self.aliases.get(alias)
        if found is None:
            raise NotFoundError("alias", f"{self.name}@{alias}", self._hint())
        return found

    def file(self, version: int, name: str) -> FileDigest:
        """The committed facts of one file of a version. Raises NotFoundError, also when its files were removed."""
        entry = self.entry(version)
        if entry.collected:
            raise NotFoundError("file", f"{self.name}@{version}/{name}", "it was retired and its files removed")
        files = entry.files
        if name not in files:
            raise NotFoundError("file", f"{self.name}@{version}/{name}", f"it has {', '.join(sorted(files))}")
        return files[name]

    def _with_versions(self, versions: ModelVersions, numbers: Collection[int]) -> Self:
        if versions is self.versions:
            return self
        above = max(self.next_version, max(numbers) + 1)
        document = self.document.model_copy(update={"next_version": above})
        return replace(self, document=document, versions=versions, digest=None)

    def _hint(self) -> str:
        numbers = self.numbers
        if not numbers:
            return f"{self.name} has no versions yet"
        aliases = [f"{alias} -> {number}" for alias, number in sorted(self.aliases.items())]
        newest = [str(number) for number in numbers[-5:]]
        versions = ("…, " if len(numbers) > 5 else "") + ", ".join(newest)
        return f"{self.name} has versions {versions} and {'aliases ' + ', '.join(aliases) if aliases else 'no alias'}"


def read_model(data: bytes, *, key: str, load: LoadPart) -> Model:
    """Reads the stored document of a model, of the current schema or an earlier one.

    ``load`` reads the parts that it names. Raises CorruptError and SchemaVersionError.
    """
    digest = sha256_hex(data)
    if schema_number(data, key=key) <= EARLIER_MODEL_SCHEMA:
        earlier = decode(EarlierModelDocument, data, key=key, supported=EARLIER_MODEL_SCHEMA)
        return replace(_carried_over(earlier, load), digest=digest)
    document = decode(ModelDocument, data, key=key, supported=MODEL_SCHEMA)
    return Model(document, ModelVersions(document.name, load, document.versions), digest)


def _carried_over(earlier: EarlierModelDocument, load: LoadPart) -> Model:
    """A model of an earlier schema; a commit that changes it stores its versions as parts of their own."""
    entries = {int(number): entry for number, entry in earlier.versions.items()}
    versions = ModelVersions(earlier.name, load).with_entries(entries).with_abandoned(earlier.abandoned)
    kept = earlier.model_dump(exclude={"versions", "abandoned", "schema_number"})
    return Model(ModelDocument(**kept, versions=versions.table), versions)
