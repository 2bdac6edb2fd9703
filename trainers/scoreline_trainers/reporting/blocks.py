"""The parts of a report between its document and its renderings: sections of texts, notes, tables and pictures.

A model card has the same sections as the page, without what is marked as ``detail`` and without pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from scoreline_registry.pictures.drawing import Picture
from scoreline_registry.pictures.notes import Note

Drawing: TypeAlias = Callable[[], Picture]
"""Draws a picture when a page is made; other renderings need none."""


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes, problems first."""

    notes: tuple[Note, ...]
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of lines."""

    lines: tuple[str, ...]
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts that a page draws as small bars in a table's cell; ``text`` says the same in words."""

    counts: tuple[int, ...]
    text: str

    def __str__(self) -> str:
        return self.text


Cell: TypeAlias = str | Bars


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title, which may be empty."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures that a page shows beside each other where there is room."""

    drawings: tuple[Drawing, ...]
    detail: bool = True


Block: TypeAlias = Text | Notes | Bullets | Table | Pictures


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a report; a section without blocks is left out."""

    title: str
    blocks: tuple[Block, ...]

    def on_card(self) -> "Section":
        """The same without details and pictures."""
        return Section(self.title, tuple(block for block in self.blocks if not block.detail))


def facts(pairs: dict[str, str], *, title: str = "", detail: bool = False) -> Table:
    """A table of names and values."""
    return Table(title, ("fact", "value"), tuple(pairs.items()), detail)
