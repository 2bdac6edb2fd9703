"""Sections of a report as HTML."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from scoreline_registry.pictures.drawing import COLOURS
from scoreline_registry.pictures.page import figure, note
from scoreline_registry.pictures.page import table as html_table
from scoreline_trainers.reporting.blocks import Bars, Block, Bullets, Cell, Notes, Pictures, Section, Table, Text

CSS = """
nav ul { columns: 9rem; padding-left: 1.2rem; font-size: .9rem } nav a, a { color: #0050a0 }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .5rem 1.5rem }
.pictures figure svg { width: 100%; max-width: 30rem }
.bars { vertical-align: middle; width: 6rem; height: 1.4rem }
td.long { max-width: 34rem }
.text { white-space: pre-line; max-width: 46rem } .verdict { font-size: 1.05rem; font-weight: 600 }
@media screen and (max-width: 480px) { body { margin: .8rem auto }
  h1 { font-size: 1.35rem } td.long { max-width: 18rem } }
@media print { nav { display: none } .pictures { grid-template-columns: 1fr 1fr; gap: .2rem 1rem }
  section.long { break-before: page } a { color: inherit; text-decoration: none } }
"""


def contents(sections: Sequence[Section]) -> str:
    """Links to the sections."""
    items = "".join(f'<li><a href="#{anchor(each.title)}">{escape(each.title)}</a></li>' for each in sections)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def section(found: Section) -> str:
    """A section with its heading; one with pictures begins a page on paper."""
    long = ' class="long"' if any(isinstance(block, Pictures) for block in found.blocks) else ""
    parts = [f'<section id="{anchor(found.title)}"{long}>', f"<h2>{escape(found.title)}</h2>", *_blocks(found.blocks)]
    return "\n".join([*parts, "</section>"])


def anchor(title: str) -> str:
    """The name of a section in links."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _blocks(found: Iterable[Block]) -> Iterator[str]:
    for block in found:
        match block:
            case Text(text):
                yield f'<p class="text">{escape(text.strip())}</p>'
            case Notes(notes):
                yield from map(note, notes)
            case Bullets(lines):
                yield "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
            case Table():
                yield html_table(block.title, block.columns, block.rows, cell=_cell)
            case Pictures(drawings):
                yield '<div class="pictures">' + "".join(figure(draw()) for draw in drawings) + "</div>"


def _cell(cell: Cell) -> str:
    return _bars(cell) if isinstance(cell, Bars) else escape(cell)


def _bars(bars: Bars) -> str:
    """Bars of the highest count's height, each at least visible where it counts something."""
    highest = max(bars.counts, default=0) or 1
    drawn = "".join(
        f'<rect x="{place * 4}" y="{24 - tall:.1f}" width="3.4" height="{tall:.1f}"/>'
        for place, count in enumerate(bars.counts)
        if (tall := max(24 * count / highest, 0.8 if count else 0)) > 0
    )
    box = f'viewBox="0 0 {4 * max(len(bars.counts), 1)} 24" preserveAspectRatio="none" fill="{COLOURS[0]}"'
    return f'<svg class="bars" role="img" aria-label="{escape(bars.text, quote=True)}" {box}>{drawn}</svg>'
