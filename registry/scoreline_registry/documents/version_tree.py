"""The tree of pages in which the references of a model's versions are found by number.

Pages are content-addressed and never changed in place: a changed tree shares every other page with the one before.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from scoreline_registry.documents.documents import encode, sha256_hex
from scoreline_registry.documents.version_pages import PAGE_SIZE, VersionPage, VersionRef

LoadPage = Callable[[str], VersionPage]


@dataclass(frozen=True)
class VersionTree:
    """The references below one page; ``root`` is its digest, None for an empty tree.

    ``load`` reads a stored page by its digest. ``written`` holds the bytes of pages that are not stored yet.
    """

    load: LoadPage
    root: str | None = None
    written: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, number: int) -> VersionRef | None:
        """The reference of a number; reads one page per level."""
        digest = self.root
        while digest is not None:
            page = self.load(digest)
            if page.level == 0:
                return page.versions.get(str(number))
            digest = page.pages.get(str(_first(number, page.level - 1)))
        return None

    def items(self) -> Iterator[tuple[int, VersionRef]]:
        """Every reference with its number, ascending; reads every page."""
        if self.root is not None:
            yield from self._items(self.root)

    def changed_numbers(self, older: "VersionTree") -> Iterator[int]:
        """The numbers whose references differ from those of an older tree; reads only pages that differ."""
        yield from _changed_numbers(older, older.root, self, self.root)

    def with_refs(self, refs: Mapping[int, VersionRef]) -> "VersionTree":
        """The same with references added or replaced; only the pages on the way to them are written anew."""
        if not refs:
            return self
        written: dict[str, bytes] = {}
        root = self._with_refs(self._root_over(max(refs), written), refs, written)
        return VersionTree(self.load, root, written)

    def _items(self, digest: str) -> Iterator[tuple[int, VersionRef]]:
        page = self.load(digest)
        yield from ((number, page.versions[str(number)]) for number in sorted(map(int, page.versions)))
        for first in sorted(map(int, page.pages)):
            yield from self._items(page.pages[str(first)])

    def _root_over(self, highest: int, written: dict[str, bytes]) -> VersionPage:
        """The root page, or a new one above it whose pages reach a number."""
        page = VersionPage(level=0) if self.root is None else self.load(self.root)
        below = self.root
        while _first(highest, page.level):
            pages = {} if below is None else {"0": below}
            page = VersionPage(level=page.level + 1, pages=pages)
            below = _write(page, written) if pages else None
        return page

    def _with_refs(self, page: VersionPage, refs: Mapping[int, VersionRef], written: dict[str, bytes]) -> str:
        """Writes a page with references replaced, after the pages below it, and returns its digest."""
        if page.level == 0:
            versions = {**page.versions, **{str(number): ref for number, ref in refs.items()}}
            return _write(page.model_copy(update={"versions": versions}), written)
        pages = dict(page.pages)
        for first, part in _by_page(refs, page.level - 1).items():
            digest = pages.get(str(first))
            below = VersionPage(level=page.level - 1) if digest is None else self.load(digest)
            pages[str(first)] = self._with_refs(below, part, written)
        return _write(page.model_copy(update={"pages": pages}), written)


def _first(number: int, level: int) -> int:
    """The lowest number of the page of a level that holds ``number``."""
    size: int = PAGE_SIZE ** (level + 1)
    return number - number % size


def _by_page(refs: Mapping[int, VersionRef], level: int) -> dict[int, dict[int, VersionRef]]:
    """References by the lowest number of the page of a level that holds them."""
    parts: dict[int, dict[int, VersionRef]] = defaultdict(dict)
    for number, ref in refs.items():
        parts[_first(number, level)][number] = ref
    return parts


def _write(page: VersionPage, written: dict[str, bytes]) -> str:
    data = encode(page)
    digest = sha256_hex(data)
    written[digest] = data
    return digest


def _changed_numbers(old: VersionTree, old_root: str | None, new: VersionTree, new_root: str | None) -> Iterator[int]:
    if old_root == new_root:
        return
    before = VersionPage(level=0) if old_root is None else old.load(old_root)
    after = VersionPage(level=0) if new_root is None else new.load(new_root)
    level = max(before.level, after.level)
    if level == 0:
        numbers = {**before.versions, **after.versions}
        yield from sorted(int(key) for key in numbers if before.versions.get(key) != after.versions.get(key))
        return
    old_pages, new_pages = _pages_at(before, old_root, level), _pages_at(after, new_root, level)
    for first in sorted(map(int, {**old_pages, **new_pages})):
        yield from _changed_numbers(old, old_pages.get(str(first)), new, new_pages.get(str(first)))


def _pages_at(page: VersionPage, digest: str | None, level: int) -> Mapping[str, str]:
    """The pages below a page, as a page of ``level`` that holds the same references would list them."""
    if page.level == level:
        return page.pages
    return {} if digest is None else {"0": digest}
