"""Checking the documents of models: each is read once, whichever revisions name it."""

from collections.abc import Iterator
from functools import partial

from scoreline_registry.documents.documents import VersionEntry, document_key
from scoreline_registry.documents.model import Model, read_model
from scoreline_registry.documents.model_versions import P
from scoreline_registry.documents.version_pages import VersionDocument, VersionIndex, VersionPage, VersionRef
from scoreline_registry.errors import RegistryError
from scoreline_registry.history.document_store import DocumentStore
from scoreline_registry.upkeep.inspection import Inspector

VersionId = tuple[str, int]


class ModelInspection:
    """The models of a registry, as far as their documents can be read.

    ``check`` is given the models of every revision, oldest first; ``versions`` says what the newest readable documents
    say. ``unreadable`` are models of which some part is damaged, so that not all of their versions may be known.
    """

    def __init__(self, inspector: Inspector, content: DocumentStore) -> None:
        self._inspector, self._content = inspector, content
        self._newest: dict[str, str] = {}
        self._damaged: set[str] = set()
        self._entries: dict[VersionId, str] = {}
        self.unreadable: set[str] = set()

    def check(self, name: str, digest: str) -> None:
        """Checks the document that a revision names as that of a model, and every part of it that is new."""
        key = document_key(digest)
        if key not in self._inspector.checked:
            model = self._inspector.document(digest, partial(read_model, key=key, load=self._content.part))
            if model is None:
                self._damaged.add(digest)
            else:
                self._same_name(key, name, model.name)
                self._index(name, model.document.versions.index)
                self._aliases(key, model)
        if digest not in self._damaged:
            self._newest[name] = digest

    def versions(self) -> dict[VersionId, VersionEntry | None]:
        """Every committed version with its entry; None where no entry can be read that belongs to it."""
        found = {version: self._entry(digest) for version, digest in self._entries.items()}
        for name, digest in self._newest.items():
            try:
                found.update(self._committed(name, self._content.model(digest)))
            except RegistryError:  # the damaged part has its finding
                self.unreadable.add(name)
        return found

    def _committed(self, name: str, model: Model) -> Iterator[tuple[VersionId, VersionEntry | None]]:
        for number, ref in model.versions.refs():
            if not ref.abandoned:
                known = model.versions.documents.get(ref.entry or "")
                yield (name, number), known.entry if known else self._entry(ref.entry or "")

    def _entry(self, digest: str) -> VersionEntry | None:
        try:
            return self._content.part(VersionDocument, digest).entry
        except RegistryError:
            return None

    def _index(self, model: str, digest: str | None) -> None:
        index = None if digest is None else self._part(model, VersionIndex, digest)
        if index is not None:
            self._refs(model, index.recent)
            self._page(model, index.root)

    def _page(self, model: str, digest: str | None) -> None:
        page = None if digest is None else self._part(model, VersionPage, digest)
        if page is not None:
            self._refs(model, page.versions)
            for below in page.pages.values():
                self._page(model, below)

    def _refs(self, model: str, refs: dict[str, VersionRef]) -> None:
        for number, ref in refs.items():
            if ref.entry is None:
                continue
            found = self._part(model, VersionDocument, ref.entry)
            if found is not None:
                key = document_key(ref.entry)
                self._same_name(key, f"{model}@{number}", f"{found.model}@{found.version}")
                if ref.retired != (found.entry.retired is not None):
                    self._inspector.found(key, f"the index of {model} contradicts it about being retired")
                self._entries[model, int(number)] = ref.entry

    def _part(self, model: str, kind: type[P], digest: str) -> P | None:
        """A part that was not checked before; None where it was, and, with a finding, where it is damaged."""
        if document_key(digest) in self._inspector.checked:
            return None
        part = self._inspector.stored(kind, digest, supported=kind.SUPPORTED)
        if part is None:
            self.unreadable.add(model)
        return part

    def _aliases(self, key: str, model: Model) -> None:
        try:
            refs = {alias: model.versions.ref(number) for alias, number in model.aliases.items()}
        except RegistryError:  # the damaged part has its finding
            return
        for alias, ref in refs.items():
            if ref is None or ref.abandoned or ref.retired:
                why = "retired" if ref is not None and ref.retired else "not there"
                self._inspector.found(key, f"alias {alias!r} points to version {model.aliases[alias]}, which is {why}")

    def _same_name(self, key: str, expected: str, found: str) -> None:
        if expected != found:
            self._inspector.found(key, f"a revision names it {expected!r}, it says {found!r}")
