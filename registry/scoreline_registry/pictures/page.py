"""A report as one HTML page that needs no other file: no scripts, no fonts, nothing is loaded.

Every text is escaped. The page can be read on a phone, where tables scroll by themselves, and on paper, where figures
and rows of tables are not cut.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from scoreline_registry.pictures.drawing import Picture
from scoreline_registry.pictures.notes import Note

SHORT = 30
"""Characters of a cell that stays on one line."""

LONG = ' class="long"'

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #111827; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; overflow-wrap: break-word }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d1d5db }
h3 { font-size: 1rem; margin-bottom: .3rem }
.table { overflow-x: auto; margin: .8rem 0 }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; overflow-wrap: normal }
td { white-space: nowrap } td.long { white-space: normal; min-width: 12rem; overflow-wrap: anywhere }
caption { text-align: left; font-weight: 600; padding: .2rem 0 }
th, td { text-align: left; padding: .2rem .7rem .2rem 0; border-bottom: 1px solid #e5e7eb; vertical-align: top }
th { color: #4b5563; font-weight: 600 }
figure { margin: 1rem 0; break-inside: avoid } figure svg { max-width: 100%; height: auto }
figcaption, .lead, footer { color: #4b5563; font-size: .85rem }
.note { border-left: .3rem solid #9ca3af; padding: .2rem .8rem; margin: .5rem 0 }
.problem { border-color: #d55e00; background: #fdf1e7 } .caution { border-color: #e69f00; background: #fdf7e7 }
@media print { body { margin: 0; padding: 0; max-width: none }
  h2, h3, caption { break-after: avoid } tr { break-inside: avoid }
  .table { overflow: visible } table { font-size: 7.5pt } thead { display: table-header-group }
  td, td.long { white-space: normal; min-width: 0 } th, td { padding-right: .4rem } }
"""


def page(title: str, body: Iterable[str], *, css: str = "") -> str:
    """The page; ``body`` are elements that are escaped already, ``css`` adds to the common rules."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}{css}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def note(found: Note) -> str:
    """A note as a paragraph in the colour of its severity."""
    return f'<p class="note {found.severity}"><strong>{found.severity}</strong>: {escape(found.text)}</p>'


def figure(picture: Picture) -> str:
    """A picture with its caption."""
    return f"<figure>{picture.svg}<figcaption>{escape(picture.caption)}</figcaption></figure>"


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, cell: Callable[[Any], str] = escape
) -> str:
    """A table with its title as caption; it scrolls sideways where it is too wide, also by keyboard.

    ``cell`` makes HTML of a cell.
    """
    head = "".join(f'<th scope="col">{_breaking(name)}</th>' for name in columns)
    lines = "".join("<tr>" + "".join(_cell(each, cell(each)) for each in row) + "</tr>\n" for row in rows)
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    label = escape(title or ", ".join(columns), quote=True)
    return (
        f'<div class="table" role="region" aria-label="{label}" tabindex="0"><table>{caption}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{lines}</tbody></table></div>"
    )


def _cell(value: object, shown: str) -> str:
    """Short cells stay on one line; longer ones break where they must."""
    return f"<td{LONG if len(str(value)) > SHORT else ''}>{shown}</td>"


def _breaking(name: str) -> str:
    """A name that may break after its underscores."""
    return escape(name).replace("_", "_<wbr>")
