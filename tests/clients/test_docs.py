"""Every recipe of docs/guides/clients.md runs."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import grpc
import pytest

from tests.clients.conftest import Start

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "clients.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
TESTS = [block for block in BLOCKS if "\ndef test_" in block]
RECIPES = [block for block in BLOCKS if block not in TESTS]
# In the page's order: a part of what each recipe prints, and how many rows it has the server of sums score.
SHOWN = dict(
    zip(
        RECIPES,
        [
            ("4280.0 high credit 3 SPLIT 000102030405060708090a0b-0\n", 1),
            ("route 'credit' has no feature 'incom'", 0),
            ("", 1),
            ("", 1),
            ("", 1),
            ("", 1),
            ("4950.0\n", 81),
            ("[4280. 1800.   70.] ['high' 'high' 'low'] ['credit' 'credit' 'credit']\n", 3),
            ("4280.0 ┆ high", 2),
            ("20000 0\n", 20_000),
            ("0.0 NONE\n1 0 []\n", 1),
            ("", 1),
            ("SERVING ('income', 'age')\ncredit 6 credit@2 is damaged\n", 0),
            ("", 1),
        ],
        strict=True,
    )
)


def title(recipe: str) -> str:
    """The heading that a recipe stands under."""
    before = PAGE.read_text().partition(recipe)[0]
    return str(re.findall(r"^#+ (.*)", before, re.MULTILINE)[-1])


@pytest.mark.parametrize("recipe", RECIPES, ids=title)
def test_a_recipe_runs(
    recipe: str, start: Start, certificates: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = None
    if "TlsOptions" in recipe:
        key, cert, ca = ((certificates / name).read_bytes() for name in ("server.key", "server.crt", "ca.crt"))
        credentials = grpc.ssl_server_credentials([(key, cert)], ca, require_client_auth=True)
    running = start(credentials=credentials)
    monkeypatch.setenv("SCORELINE_SERVER", running.target)
    monkeypatch.chdir(certificates)
    exec(compile(textwrap.dedent(recipe), str(PAGE), "exec"), {"__name__": "__main__"})
    printed, rows = SHOWN[recipe]
    assert printed in capsys.readouterr().out
    assert sum(len(request.packed.entity_ids) for request in running.sums.requests) == rows


@pytest.mark.parametrize("tests", TESTS, ids=title)
def test_tests_that_the_page_shows_pass(tests: str, tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{tests.count('def test_')} passed" in done.stdout


def test_every_variable_of_the_client_is_named() -> None:
    folder = Path(__file__).parents[2] / "clients" / "scoreline"
    used = set(re.findall(r"\bSCORELINE_[A-Z]+\b", "".join(path.read_text() for path in folder.rglob("*.py"))))
    assert used <= set(re.findall(r"`(SCORELINE_[A-Z]+)`", PAGE.read_text()))
