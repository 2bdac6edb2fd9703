"""Draws the order of imports of each package, as pyproject.toml declares it and as the code follows it.

``python -m tests.docs.layers`` (``make layers``) writes one SVG per package to docs/figures. A row is a layer: modules
and folders import only rows below theirs. Rows come from import-linter's contracts, arrows from the code; an arrow that
follows from others is left out.
"""

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import grimp

from tests.docs.pages import ROOT

FIGURES = ROOT / "docs" / "figures"
_PACKAGES: Mapping[str, str] = {"SDK": "sdk", "Registry": "registry", "Server": "server", "Trainers": "trainers"}
_WIDTH, _ROW, _BOX, _GAP = 860, 62, 30, 14
_STYLE = """
  text { font: 13px system-ui, sans-serif; text-anchor: middle; dominant-baseline: central; fill: #1f2937 }
  rect { fill: #e8eef7; stroke: #4a6a94 } path { fill: none; stroke: #8a94a3; stroke-width: 1; opacity: .8 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e5e7eb } rect { fill: #24344d; stroke: #88a6d0 } path { stroke: #7b8594 } }
"""


class Box(NamedTuple):
    """A module or folder of a package, with how many modules it holds and where its box stands."""

    name: str
    modules: int
    x: float
    y: float
    width: float


def figures() -> Iterator[tuple[Path, str]]:
    """The file and the SVG of each package's figure."""
    for contract in contracts():
        if contract["name"] in _PACKAGES:
            path = FIGURES / f"layers-{_PACKAGES[contract['name']]}.svg"
            yield path, drawn(contract["containers"][0], rows_of(contract["layers"]))


def contracts() -> Sequence[Mapping[str, Any]]:
    """The declared orders of imports."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared: Sequence[Mapping[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return declared


def rows_of(layers: Sequence[str]) -> list[list[str]]:
    """The names of each layer, the highest layer first, without those that are not built yet."""
    names = [[name.strip() for name in layer.replace(":", "|").split("|")] for layer in layers]
    return [row for row in ([name for name in each if not name.startswith("(")] for each in names) if row]


def drawn(package: str, rows: Sequence[Sequence[str]]) -> str:
    """The figure of one package as an SVG document."""
    boxes = {box.name: box for y, row in enumerate(rows) for box in _placed(package, row, 20 + y * _ROW)}
    arrows = [_arrow(boxes[one], boxes[other]) for one, other in sorted(reduced(imports(package, list(boxes))))]
    height = 20 + len(rows) * _ROW
    parts = [*arrows, *(part for box in boxes.values() for part in _shown(box))]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    title = f"<title>Order of imports in {escape(package)}: each row imports only rows below it</title>"
    return "\n".join([head, title, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


@cache
def graph() -> grimp.ImportGraph:
    """Every import between the modules of the four packages."""
    return grimp.build_graph(
        "scoreline", "scoreline_registry", "scoreline_server", "scoreline_trainers", cache_dir=None
    )


def imports(package: str, names: Sequence[str]) -> set[tuple[str, str]]:
    """Which of a package's modules and folders import which others."""
    below = {name: _modules(package, name) for name in names}
    home = {module: name for name, modules in below.items() for module in modules}
    return {
        (name, home[target])
        for name, modules in below.items()
        for module in modules
        for target in graph().find_modules_directly_imported_by(module)
        if home.get(target, name) != name
    }


def reduced(edges: AbstractSet[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges without those that a longer path implies."""
    direct: dict[str, set[str]] = defaultdict(set)
    for one, other in edges:
        direct[one].add(other)
    return {(one, other) for one, other in edges if not any(other in _reached(via, direct) for via in direct[one])}


def _reached(name: str, direct: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    left = [name]
    while left:
        new = direct.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def _modules(package: str, name: str) -> set[str]:
    whole = f"{package}.{name}"
    return {whole} | graph().find_descendants(whole)


def _placed(package: str, row: Sequence[str], y: float) -> Iterator[Box]:
    widths = [max(90, 8 * len(name) + 60) for name in row]
    x = (_WIDTH - sum(widths) - _GAP * (len(row) - 1)) / 2
    for name, width in zip(row, widths, strict=True):
        yield Box(name, len(_modules(package, name)), x, y, width)
        x += width + _GAP


def _arrow(one: Box, other: Box) -> str:
    x1, y1, x2, y2 = one.x + one.width / 2, one.y + _BOX, other.x + other.width / 2, other.y
    bend = (y2 - y1) / 2
    return f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"/>'


def _shown(box: Box) -> Iterator[str]:
    centre, middle = box.x + box.width / 2, box.y + _BOX / 2
    yield f'<rect x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{_BOX}" rx="5"/>'
    label = f"{box.name} ({box.modules})" if box.modules > 1 else box.name
    yield f'<text x="{centre:.0f}" y="{middle:.0f}">{escape(label)}</text>'


if __name__ == "__main__":
    for path, figure in figures():
        path.parent.mkdir(exist_ok=True)
        path.write_text(figure, encoding="utf-8")
        print(path.relative_to(ROOT))
