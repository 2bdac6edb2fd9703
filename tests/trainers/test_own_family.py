"""The guide to a family of one's own: its files, installed as another distribution, pass, train and are listed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trainers.tables import people

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "own-family.md").read_text(encoding="utf-8")
RECIPE = """
name: odd-people
data: people.csv
features: [income, age, visits]
family: acme_distance
config: {power: 1.5}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder on the import path with the guide's files and their entry point."""
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", GUIDE, re.DOTALL):
        (tmp_path / name).write_text(code, encoding="utf-8")
    (group, point) = re.findall(r'```toml\n\[project\.entry-points\."(.*?)"\]\n(.*?)\n```', GUIDE, re.DOTALL)[0]
    facts = tmp_path / "acme_distance-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-distance\nVersion: 1.0\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(f"[{group}]\n{point.replace(chr(34), '')}\n", encoding="utf-8")
    people(300).drop("label").write_csv(tmp_path / "people.csv")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def run(site: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_passes_the_checks_of_every_family(site: Path) -> None:
    assert "7 passed" in run(site, "pytest", "-q", "-p", "no:cacheprovider", "test_acme_distance.py")


def test_the_example_is_listed_and_trains_without_a_label(site: Path) -> None:
    listed = json.loads(run(site, "scoreline", "train", "--list", "--json"))["families"]
    (found,) = [family for family in listed if family["family"] == "acme_distance"]
    assert found == {
        "family": "acme_distance",
        "summary": "distance from the average row, without labels",
        "extra": "acme-distance",
        "learns": "binary",
        "state": "ready",
    }
    trained = json.loads(run(site, "scoreline", "train", "recipe.yaml", "--dry-run", "--json"))
    assert (trained["family"], trained["described"]["columns"]) == ("acme_distance", 3)
