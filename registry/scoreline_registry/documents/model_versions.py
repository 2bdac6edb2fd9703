"""The versions of one model as a value: read from their index when asked for, changed without touching the others."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Protocol, TypeVar

from scoreline_registry.documents.documents import VersionEntry, VersionTable, encode, sha256_hex
from scoreline_registry.documents.version_pages import (
    MAX_RECENT,
    VersionDocument,
    VersionIndex,
    VersionPage,
    VersionRef,
)
from scoreline_registry.documents.version_tree import VersionTree

P = TypeVar("P", VersionDocument, VersionIndex, VersionPage)

_ABANDONED = VersionRef(abandoned=True)


class LoadPart(Protocol):
    """Reads a stored part of a model by its kind and digest. Raises CorruptError and SchemaVersionError."""

    def __call__(self, kind: type[P], digest: str) -> P: ...


@dataclass(frozen=True, eq=False)
class ModelVersions(Mapping[int, VersionEntry]):
    """The committed versions of a model: number to entry, numbers ascending.

    ``table`` is what is stored; ``changes`` are references that replace those of its index, and ``documents`` the
    entries that they name. Reading one entry reads the index, a page per level of its tree, and the entry.
    """

    model: str
    load: LoadPart
    table: VersionTable = field(default_factory=VersionTable)
    changes: Mapping[int, VersionRef] = field(default_factory=lambda: MappingProxyType({}))
    documents: Mapping[str, VersionDocument] = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, number: int) -> VersionEntry:
        ref = self.ref(number)
        if ref is None or ref.entry is None:
            raise KeyError(number)
        known = self.documents.get(ref.entry)
        return (known or self.load(VersionDocument, ref.entry)).entry

    def __contains__(self, number: object) -> bool:
        ref = self.ref(number) if isinstance(number, int) else None
        return ref is not None and not ref.abandoned

    def __iter__(self) -> Iterator[int]:
        return (number for number, ref in self.refs() if not ref.abandoned)

    def __len__(self) -> int:
        return self.table.count

    def ref(self, number: int) -> VersionRef | None:
        """What the index says about a number; None for one that was neither committed nor given up."""
        ref = self.recent.get(number)
        return ref if ref is not None else self.tree.get(number)

    def refs(self) -> Iterator[tuple[int, VersionRef]]:
        """What the index says about every number, ascending; reads all its pages and no entry."""
        yield from sorted({**dict(self.tree.items()), **self.recent}.items())

    def is_abandoned(self, number: int) -> bool:
        """Whether a number was claimed and then given up."""
        ref = self.ref(number)
        return ref is not None and ref.abandoned

    def differences(self, older: "ModelVersions") -> Iterator[tuple[int, VersionRef | None, VersionRef | None]]:
        """Each number whose reference differs, ascending, with the older and the newer one; reads what differs."""
        numbers = {*self.tree.changed_numbers(older.tree), *self.recent, *older.recent}
        for number in sorted(numbers):
            before, after = older.ref(number), self.ref(number)
            if before != after:
                yield number, before, after

    def with_entries(self, entries: Mapping[int, VersionEntry]) -> "ModelVersions":
        """The same with the entries of some versions added or replaced; itself where nothing differs."""
        table, changes, documents = self.table, dict(self.changes), dict(self.documents)
        for number, entry in entries.items():
            document = VersionDocument(model=self.model, version=number, entry=entry)
            digest = sha256_hex(encode(document))
            ref, before = VersionRef(entry=digest, retired=entry.retired is not None), self.ref(number)
            if ref == before:
                continue
            changes[number], documents[digest] = ref, document
            if before is None or before.abandoned:
                table = table.model_copy(update={"count": table.count + 1, "newest": max(table.newest, number)})
        return self._changed(table, changes, documents)

    def with_abandoned(self, numbers: Iterable[int]) -> "ModelVersions":
        """The same with numbers given up, but for those that are committed; itself where nothing differs."""
        reclaimed = {number: _ABANDONED for number in numbers if self.ref(number) is None}
        return self._changed(self.table, {**self.changes, **reclaimed}, self.documents)

    def _changed(
        self, table: VersionTable, changes: Mapping[int, VersionRef], documents: Mapping[str, VersionDocument]
    ) -> "ModelVersions":
        same = changes == self.changes
        return self if same else replace(self, table=table, changes=changes, documents=documents)

    def stored(self) -> tuple[VersionTable, Mapping[str, bytes]]:
        """The table to store in the model's document, and the bytes by digest of every part that is not stored yet."""
        if not self.changes:
            return self.table, {}
        recent, root, parts = self.recent, self._index.root, self._entries()
        if len(recent) > MAX_RECENT:
            tree = self.tree.with_refs(recent)
            recent, root = {}, tree.root
            parts.update(tree.written)
        listed = {str(number): ref for number, ref in sorted(recent.items())}
        data = encode(self._index.model_copy(update={"recent": listed, "root": root}))
        digest = sha256_hex(data)
        return self.table.model_copy(update={"index": digest}), {**parts, digest: data}

    def _entries(self) -> dict[str, bytes]:
        """The bytes of the changed entries, by digest."""
        return {ref.entry: encode(self.documents[ref.entry]) for ref in self.changes.values() if ref.entry is not None}

    @cached_property
    def _index(self) -> VersionIndex:
        return VersionIndex() if self.table.index is None else self.load(VersionIndex, self.table.index)

    @cached_property
    def recent(self) -> Mapping[int, VersionRef]:
        """The references that replace those of the tree, by number."""
        return {**{int(key): ref for key, ref in self._index.recent.items()}, **self.changes}

    @cached_property
    def tree(self) -> VersionTree:
        """The references that were moved into pages."""
        return VersionTree(lambda digest: self.load(VersionPage, digest), self._index.root)
