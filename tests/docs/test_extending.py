"""The plug-ins of docs/explanation/extending.md work as the page says, found by their entry points."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks

PAGE = "docs/explanation/extending.md"
_OWN_PACKAGE = re.compile(r"\[project\.entry-points\.\"(.+)\"\]\n(.+)")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the page's modules and files, as an installed distribution with the page's entry points."""
    for block in blocks(PAGE):
        name = re.match(r"# ([\w.]+)\n", block.text)
        if name:
            (tmp_path / name[1]).write_text(block.text)
    facts = tmp_path / "plugins-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.0\n")
    groups = [match for block in blocks(PAGE) if (match := _OWN_PACKAGE.match(block.text))]
    points = "".join(f"[{group[1]}]\n{group[2].replace(chr(34), '')}\n" for group in groups)
    (facts / "entry_points.txt").write_text(points)
    return tmp_path


def run(command: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    words = [sys.executable, "-m", *command.split()]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def section(heading: str, language: str) -> list[Block]:
    return [block for block in blocks(PAGE) if (block.heading, block.language) == (heading, language)]


def test_a_store_of_another_package_holds_a_registry(package: Path) -> None:
    (commands,) = section("A storage backend", "console")
    printed = [run(command, package) for command in commands.text.splitlines()]
    assert "published propensity-logistic@1" in printed[1]
    assert (package / "models.db").stat().st_size > 0
    assert not (package / "registry").exists()


def test_a_store_of_another_package_keeps_the_contract(package: Path) -> None:
    assert (package / "contract.py").is_file()
    run("contract", package)


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("An RPC", "GetAssignment|assignment"),
        ("A metric", "row_errors|ROW_ERRORS"),
        ("A column transformer", "log1p"),
    ],
)
def test_the_example_to_copy_is_in_every_file_that_the_table_lists(heading: str, name: str) -> None:
    text = (ROOT / PAGE).read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    files = [path for path in re.findall(r"^\| `(.+?)`", text, re.MULTILINE) if (ROOT / path).is_file()]
    assert len(files) >= 3
    without = {path for path in files if not re.search(name, (ROOT / path).read_text())}
    assert without <= {"docs/reference/errors.md"}  # an RPC with no reason of its own adds none
