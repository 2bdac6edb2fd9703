"""Draws SVG figures of boxes and arrows.

Boxes carry their own background and lines are of a middle grey, so that a figure reads on light and on dark pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_FILLS: Mapping[str, tuple[str, str]] = {
    "code": ("#e8f0fe", "#3367d6"),
    "files": ("#e6f4ea", "#1e8e3e"),
    "outside": ("#f1f3f4", "#5f6368"),
    "part": ("#ffffff", "#9aa0a6"),
}
"""Kind of box -> background and border."""
_INK, _LINE = "#202124", "#7f8894"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a title and lines of text under it; ``kind`` is a key of ``_FILLS``."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: Sequence[str] = ()
    kind: str = "code"

    def svg(self) -> str:
        """The rectangle and its text, centred when there is a title alone."""
        fill, border = _FILLS[self.kind]
        middle = self.x + self.width / 2
        top = self.y + 22 if self.lines else self.y + self.height / 2 + 5
        texts = [_text(middle, top, self.title, weight="600")]
        texts += [_text(middle, top + 18 * row, line, size=12) for row, line in enumerate(self.lines, start=1)]
        shape = (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6" '
            f'fill="{fill}" stroke="{border}" stroke-width="1.5"/>'
        )
        return "\n".join([shape, *texts])


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through points with a head at its end, and words beside it."""

    points: Sequence[tuple[int, int]]
    words: str = ""
    at: tuple[int, int] = (0, 0)
    anchor: str = "middle"

    def svg(self) -> str:
        """The line, and the words at ``at``."""
        path = " ".join(f"{x},{y}" for x, y in self.points)
        line = f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="1.8" marker-end="url(#head)"/>'
        words = _text(*self.at, self.words, size=12, ink=_LINE, anchor=self.anchor) if self.words else ""
        return f"{line}\n{words}".rstrip()


def figure(width: int, height: int, title: str, parts: Sequence[Box | Arrow]) -> str:
    """One SVG document of ``width`` by ``height`` with a title for screen readers."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
    )
    marker = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0,0 L10,5 L0,10 z" fill="{_LINE}"/></marker></defs>'
    )
    drawn = [part.svg() for part in parts]
    return "\n".join([head, f"<title>{escape(title)}</title>", marker, *drawn, "</svg>", ""])


def _text(x: float, y: float, words: str, *, size: int = 14, weight: str = "400", ink: str = _INK,
          anchor: str = "middle") -> str:  # fmt: skip
    attributes = f'x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{ink}" text-anchor="{anchor}"'
    return f"<text {attributes}>{escape(words)}</text>"


def badge(left: str, right: str) -> str:
    """A small label of two words, such as ``license | Apache-2.0``."""
    first, second = 7 * len(left) + 16, 7 * len(right) + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="20" role="img" '
        'font-family="Verdana, DejaVu Sans, Geneva, sans-serif">'
    )
    parts = [
        f"<title>{escape(left)}: {escape(right)}</title>",
        f'<rect width="{first}" height="20" fill="#555"/>',
        f'<rect x="{first}" width="{second}" height="20" fill="#3367d6"/>',
        _text(first / 2, 14, left, size=11, ink="#fff"),
        _text(first + second / 2, 14, right, size=11, ink="#fff"),
    ]
    return "\n".join([head, *parts, "</svg>", ""])
