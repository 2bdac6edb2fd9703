"""The order of imports, as pyproject.toml declares it, and the figures of it."""

import pytest
from importlinter.cli import lint_imports

from tests.docs.layers import contracts, figures, rows_of
from tests.docs.pages import ROOT


def test_imports_go_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True, no_logo=True) == 0


def test_every_package_has_a_figure_of_its_layers() -> None:
    missing = [path.name for path, _ in figures() if not path.is_file()]
    assert not missing, "run make layers"


def test_the_figures_name_every_folder() -> None:
    drawn = {path.name: svg for path, svg in figures()}
    for path in (ROOT / "docs" / "figures").glob("layers-*.svg"):
        assert path.read_text(encoding="utf-8").count("<rect") == drawn[path.name].count("<rect"), "run make layers"


def test_layers_that_are_not_built_are_left_out_of_the_figures() -> None:
    assert rows_of(["top", "a | (later)", "(later)", "b : c"]) == [["top"], ["a"], ["b", "c"]]
    assert any("(" in layer for contract in contracts() for layer in contract["layers"])
