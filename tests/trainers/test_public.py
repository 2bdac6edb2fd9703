"""What ``scoreline_trainers`` offers by its own name."""

import subprocess
import sys
from pathlib import Path

import pytest

import scoreline_trainers
from scoreline_registry.registry import Registry
from scoreline_trainers import Recipe, TrainersError, first_recipe, load_recipe, publish, read_table, recipe_of, train
from tests.docs.pages import ROOT
from tests.trainers.tables import people

KEYS = {"name": "income", "data": "people.csv", "label": "label", "features": "auto", "family": "logistic"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    people(400).write_csv(tmp_path / "people.csv")
    Registry.create(tmp_path / "registry")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_public_name_is_there_and_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guides" / "training-in-python.md").read_text(encoding="utf-8")
    assert dir(scoreline_trainers) == sorted(scoreline_trainers.__all__)
    for name in scoreline_trainers.__all__:
        assert getattr(scoreline_trainers, name).__module__.startswith("scoreline_trainers.")
        assert f"`{name}" in guide, name
    with pytest.raises(AttributeError, match="module 'scoreline_trainers' has no attribute 'nope'"):
        scoreline_trainers.nope  # noqa: B018


def test_the_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, scoreline_trainers; print(*sorted({'polars', 'numpy', 'pydantic', 'onnx'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_model_is_trained_published_and_trained_again(folder: Path) -> None:
    candidate = train(load_recipe(KEYS))
    first = publish(candidate, folder / "registry", author="me")
    assert (first.model, first.version, first.aliases) == ("income", 1, ("champion",))
    again = recipe_of("registry", "income@champion")
    assert again == Recipe.parse(load_recipe(KEYS).with_defaults())
    second = publish(train(again, read_table("people.csv")), Registry.open("registry"))
    assert (second.version, second.aliases) == (2, ())
    assert second.metrics == first.metrics
    assert publish(candidate, "registry", aliases=["challenger"]).aliases == ("challenger",)


def test_recipes_are_read_by_path_name_and_keys(folder: Path) -> None:
    found = first_recipe("people.csv", "label")
    (folder / "sub").mkdir()
    (folder / "sub" / "people.yaml").write_text(found.text.replace("data: people.csv", "data: ../people.csv"))
    assert load_recipe("sub/people.yaml").data == "../people.csv"
    assert load_recipe("propensity-logistic").family == "logistic"
    quick = {**found.document, "family": "logistic", "config": {}, "validation": {"kind": "random"}}
    (folder / "sub" / "quick.yaml").write_text(str(quick | {"data": "../people.csv"}))
    assert train(folder / "sub" / "quick.yaml").report.metrics["auc"] > 0.6


def test_a_version_without_a_recipe_is_refused(folder: Path) -> None:
    found = train(load_recipe(KEYS))
    bare = found.manifest.model_copy(update={"training": None})
    Registry.open("registry").publish("bare", files=found.files, manifest=bare, author="me", message="m", aliases=())
    with pytest.raises(TrainersError, match="recipe of bare@1: there is none: the version was not trained by a recipe"):
        recipe_of("registry", "bare@1")
    assert (folder / "registry").is_dir()
