"""``scoreline report`` on a registry with trained and published versions."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scoreline_registry.documents.manifest import CARD_FILE, REPORT_FILE
from scoreline_registry.registry import Registry
from scoreline_trainers.commands.reporting import report
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.registry.samples import manifest
from tests.trainers.reporting.test_page import Parsed
from tests.trainers.tables import people

RECIPE = {
    "name": "income",
    "description": "Made-up people.",
    "intended_use": "To try things.",
    "limits": ["Nobody real."],
    "data": "unused.csv",
    "label": "label",
    "features": "auto",
    "exclude": ["plan"],
    "family": "logistic",
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One trained version of ``income``, and a version of ``old`` that was published by other means."""
    folder = tmp_path_factory.mktemp("registry")
    opened = Registry.create(folder)
    recipe = Recipe.parse(RECIPE)
    publish_candidate(train(recipe, people()), recipe, opened, author="anna", message="first")
    opened.publish("old", files={"model.onnx": b"graph"}, manifest=manifest(), author="ben", message="from elsewhere")
    return folder


def run(registry: Path, *args: str) -> Result:
    return CliRunner().invoke(report, [*args, "--registry", str(registry)])


def test_a_page_is_written_beside_by_the_name_of_the_version(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(registry, "income@champion")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("wrote income-1.html: ")
    text = Parsed((tmp_path / "income-1.html").read_text(encoding="utf-8")).text
    assert all(part in text for part in ("income@1", "champion", "To try things.", "Nobody real.", "export and prove"))


def test_json_is_the_whole_document_and_markdown_the_stored_card(registry: Path) -> None:
    document = VersionReport.model_validate_json(run(registry, "income", "--json").stdout)
    assert document.run is not None
    assert document.run.intended_use == "To try things."
    assert document.publication is not None
    assert (document.publication.version, document.publication.author) == (1, "anna")
    opened = Registry.open(registry)
    assert document.run.model_dump(mode="json") == json.loads(opened.read_file("income", 1, REPORT_FILE))
    assert run(registry, "income@1", "--markdown").stdout.encode() == opened.read_file("income", 1, CARD_FILE)


def test_files_are_written_where_they_are_asked_for(registry: Path, tmp_path: Path) -> None:
    names = {"--html": "page.html", "--json": "all.json", "--markdown": "card.md"}
    options = [part for option, name in names.items() for part in (option, str(tmp_path / name))]
    assert run(registry, "income", *options).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == set(names.values())


def test_a_version_of_an_older_release_gets_a_report_of_its_manifest(registry: Path) -> None:
    result = run(registry, "old@1", "--html", "-")
    assert result.exit_code == 0
    assert "this version has no report.json" in result.stdout


def test_an_unknown_version_is_one_line(registry: Path) -> None:
    result = run(registry, "income@9")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
