"""The pages and figures that code makes are what the code says now."""

import re

import pytest

from tests.docs import layers
from tests.docs.figures import FIGURES
from tests.docs.generated import PAGES
from tests.docs.pages import ROOT

MADE = {**PAGES, **FIGURES}


@pytest.mark.parametrize("path", MADE)
def test_what_code_makes_is_current(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == MADE[path](), "the code has changed: run `make reference`"


def test_every_figure_is_made_by_code_and_shown_by_a_page() -> None:
    made = {*FIGURES, *(str(path.relative_to(ROOT)) for path, _ in layers.figures())}
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "figures").iterdir()} == made
    pages = "".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert [name for name in made if name.removeprefix("docs/") not in pages] == []


@pytest.mark.parametrize("package", ["registry/scoreline_registry", "server/scoreline_server", "clients/scoreline"])
def test_the_rooms_that_a_figure_names_are_there(package: str) -> None:
    name = {"registry": "registry", "server": "server", "clients": "client"}[package.partition("/")[0]]
    named = re.findall(r">([a-z_]+)/", (ROOT / f"docs/figures/{name}.svg").read_text())
    assert named
    assert [room for room in named if not (ROOT / package / room).is_dir()] == []
