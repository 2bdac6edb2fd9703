"""The stored form of a model's versions: one document per entry, and an index of their digests in small pages.

A commit that adds or changes a version writes the version's entry and the index, which lists the latest changes. Only
when that list is full are its references moved into the pages of a tree, so the bytes that a commit writes do not
depend on how many versions there are.
"""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.documents.documents import Name, VersionEntry, VersionKey
from scoreline_registry.documents.manifest import Digest

# How many references an index lists before they move into pages, and how many references or pages a page holds.
MAX_RECENT = 16
PAGE_SIZE = 32


class VersionRef(OmitDefaults):
    """What an index says about one number: the digest of the version's entry, or that the number was given up.

    ``retired`` repeats what the entry says, so that the versions in use are known without reading every entry.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"entry", "retired", "abandoned"})

    entry: Digest | None = None
    retired: bool = False
    abandoned: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.entry is None) != self.abandoned:
            raise ValueError("a number has an entry, or it is abandoned")
        return self


class VersionDocument(FrozenModel):
    """The entry of one version, as a document of its own."""

    SUPPORTED: ClassVar[int] = 1

    schema_number: int = Field(default=SUPPORTED, ge=1)
    model: Name
    version: int = Field(ge=1)
    entry: VersionEntry


class VersionPage(OmitDefaults):
    """One page of a tree of references by number.

    A page of level 0 holds the references of ``PAGE_SIZE`` consecutive numbers. A page of a higher level holds the
    digests of the pages below it, each by the lowest number that it may hold.
    """

    SUPPORTED: ClassVar[int] = 1
    OMITTED: ClassVar[frozenset[str]] = frozenset({"versions", "pages"})

    schema_number: int = Field(default=SUPPORTED, ge=1)
    level: int = Field(ge=0)
    versions: dict[VersionKey, VersionRef] = Field(default_factory=dict)
    pages: dict[str, Digest] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pages if self.level == 0 else self.versions:
            raise ValueError(f"a page of level {self.level} holds {'pages' if self.pages else 'versions'}")
        if not all(key.isdecimal() and int(key) % PAGE_SIZE**self.level == 0 for key in self.pages):
            raise ValueError("a page's key is not the lowest number of a page below")
        return self


class VersionIndex(OmitDefaults):
    """The root of a model's references: the latest changes, and the pages of all earlier ones.

    What ``recent`` says about a number replaces what the pages say.
    """

    SUPPORTED: ClassVar[int] = 1
    OMITTED: ClassVar[frozenset[str]] = frozenset({"recent", "root"})

    schema_number: int = Field(default=SUPPORTED, ge=1)
    recent: dict[VersionKey, VersionRef] = Field(default_factory=dict)
    root: Digest | None = None
