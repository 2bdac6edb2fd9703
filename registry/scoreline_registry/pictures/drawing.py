"""How pictures are drawn: axes in one style, and a figure as an SVG element that stands in a page by itself.

Colours are Okabe and Ito's, which colour-blind people can tell apart; lines also differ in dashes and points in shape,
so that a black and white print can be read. Text stays text. Matplotlib is used through its objects, without a display.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from itertools import cycle
from typing import Any, Self

import numpy as np

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#6b7280"

WIDTH, HEIGHT = 7.4, 3.1
"""Inches: two of them stand below each other on a printed page with their captions."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": ["sans-serif"],
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
    "legend.fontsize": 9,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG element, and a caption that says in words what it shows."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Pen:
    """The look of one of several series: what distinguishes it from the others."""

    colour: str
    dashes: str
    marker: str


def pens() -> Iterator[Pen]:
    """Endless pens: each differs from its neighbors in colour, dashes and marker."""
    return (Pen(*pen) for pen in zip(cycle(COLOURS), cycle(DASHES), cycle(MARKERS), strict=False))


class Canvas:
    """A figure of one row of axes, drawn inside ``with`` and then read as a ``Picture``."""

    def __init__(self, *, columns: int = 1, width: float = WIDTH, height: float = HEIGHT) -> None:
        """``width`` and ``height`` are inches."""
        from matplotlib import rc_context  # noqa: PLC0415 - only who draws loads Matplotlib

        self._size, self._columns = (width, height), columns
        self._style = rc_context(_STYLE)

    def __enter__(self) -> Self:
        from matplotlib.figure import Figure  # noqa: PLC0415

        self._style.__enter__()
        self._figure = Figure(figsize=self._size, layout="constrained")
        self.axes: Sequence[Any] = self._figure.subplots(1, self._columns, squeeze=False)[0]
        return self

    def __exit__(self, *error: object) -> None:
        self._style.__exit__(None, None, None)

    def picture(self, caption: str) -> Picture:
        """The drawn figure; the caption is also what a screen reader says."""
        from matplotlib import rc_context  # noqa: PLC0415

        file = StringIO()
        # Names of paths are hashes of their content and this: those of different pictures differ.
        with rc_context({"svg.hashsalt": caption}):
            self._figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        return Picture(_element(file.getvalue(), caption), caption)


def on_dates(axes: Any) -> None:
    """Gives the x axis of times short labels."""
    from matplotlib import dates  # noqa: PLC0415

    untyped: Any = dates
    locator = untyped.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator))


def times(nanoseconds: Sequence[int]) -> Any:
    """Times in ns since 1970 as datetime64[ns]."""
    return np.asarray(nanoseconds, np.int64).astype("datetime64[ns]")


def _element(svg: str, caption: str) -> str:
    """One SVG element without a document's head, its height, and names of groups, which several would share."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r' id="[A-Za-z0-9.]+_[0-9]+"', "", body)
    body = re.sub(r' (?:d|x|y)="[^"]*"', _rounded, body)
    head, _, rest = body.partition(">")
    head = re.sub(r' height="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{escape(caption)}">{rest.strip()}'


def _rounded(attribute: re.Match[str]) -> str:
    """Coordinates in hundredths of a point: more cannot be seen and makes files large."""
    return re.sub(r"(\.[0-9]{2})[0-9]+", r"\1", attribute.group())
