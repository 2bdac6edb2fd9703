"""The pages of the documentation and the code that stands in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = {str(path.relative_to(ROOT)): path for path in [*_TOP, *sorted((ROOT / "docs").rglob("*.md"))]}

_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, what it is, and the line of text before it."""

    page: str
    heading: str
    language: str
    text: str
    before: str

    @property
    def file(self) -> str:
        """The file that the page says to make of it; empty where it says nothing."""
        named = re.search(r"`([\w.-]+)`:$", self.before) or re.match(r"(?:#|//) ([\w-]+\.\w+)\n", self.text)
        return named[1] if named and self.language in {"yaml", "toml", "js"} else ""


def blocks(page: str) -> list[Block]:
    """The blocks of a page in order."""
    text = PAGES[page].read_text()
    found = []
    for match in _FENCE.finditer(text):
        above = text[: match.start()]
        # A comment in a block of commands looks like a heading.
        headings = re.findall(r"^#+ (.*)", _FENCE.sub("", above), re.MULTILINE)
        lines = [line for line in above.splitlines() if line]
        found.append(Block(page, headings[-1], match[1].strip(), match[2], lines[-1]))
    return found
