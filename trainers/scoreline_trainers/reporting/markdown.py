"""Sections of a report as Markdown. Texts cannot break out of their line, cell or list."""

import re
from collections.abc import Iterable, Sequence

from scoreline_trainers.reporting.blocks import Block, Bullets, Notes, Pictures, Section, Table, Text


def section(found: Section, *, level: int = 2) -> str:
    """A section with its heading."""
    return "\n\n".join([f"{'#' * level} {line(found.title)}", *blocks(found.blocks)])


def blocks(found: Sequence[Block]) -> Iterable[str]:
    """Each block; pictures are left out."""
    return [_block(block) for block in found if not isinstance(block, Pictures)]


def line(text: str) -> str:
    """One line of text in which nothing is a tag."""
    return " ".join(text.split()).replace("<", "&lt;")


def paragraphs(text: str) -> str:
    """Text as a person wrote it, in which nothing is a tag or a heading."""
    return re.sub(r"^(\s*)(#)", r"\1\\\2", text.strip().replace("<", "&lt;"), flags=re.MULTILINE)


def _block(block: Block) -> str:
    match block:
        case Text(text):
            return paragraphs(text)
        case Notes(notes):
            return "\n".join(f"- {'problem: ' * (note.severity == 'problem')}{line(note.text)}" for note in notes)
        case Bullets(lines):
            return "\n".join(f"- {line(each)}" for each in lines)
        case Table():
            return _table(block)
        case Pictures():
            return ""


def _table(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    body = "\n".join("| " + " | ".join(line(str(cell)).replace("|", "\\|") for cell in row) + " |" for row in lines)
    return f"{line(table.title)}:\n\n{body}" if table.title else body
