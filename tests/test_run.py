"""``make test`` itself: a run in which a test process dies ends, fails, and names the test."""

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

DYING = """
import ctypes
import pytest

@pytest.mark.parametrize("number", range(5))
def test_before(number): ...

def test_that_dies():
    ctypes.string_at(0)

@pytest.mark.parametrize("number", range(5))
def test_after(number): ...
"""


def options_of_make_test() -> list[str]:
    """The options that the Makefile's target ``test`` gives to pytest."""
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest:")[2].partition("\n\n")[0]
    found = re.search(r"-m pytest (.*)", recipe)
    assert found
    return found[1].split()


def test_a_test_process_that_dies_ends_the_run_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_dying.py").write_text(DYING)
    for name in ("test_one.py", "test_two.py", "test_three.py"):
        (tmp_path / name).write_text("def test_that_lives(): ...")
    command = [sys.executable, "-m", "pytest", *options_of_make_test(), "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "crashed while running 'test_dying.py::test_that_dies'" in done.stdout


def test_the_run_has_a_limit_of_its_own() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ntest:")[2].partition("\n\n")[0]
    assert "timeout --kill-after" in recipe
