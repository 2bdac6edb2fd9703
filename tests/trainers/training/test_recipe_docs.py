"""The reference of recipes says what there is, and its example is a recipe."""

import re
from pathlib import Path

import yaml

from scoreline_trainers.engineering import TRANSFORMERS
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.retraining.rule import RetrainRule

DOCS = Path(__file__).parents[3] / "docs" / "reference"


def test_the_example_is_a_recipe_and_every_key_stands_in_the_reference() -> None:
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    example, *_ = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    document = yaml.safe_load(example)
    assert Recipe.parse(document).name == "delinquency"
    in_the_table_only = {"exclude", "neighbors", "positive", "null_values", "separator", "decimal", "encoding", "dates"}
    in_the_table_only |= {"warm_start", "task", "horizons", "weight", "class_weight"}
    in_the_table_only |= {"intended_use", "limits", "search", "retrain", "explain", "reasons", "select"}
    assert set(Recipe.model_fields) - document.keys() == in_the_table_only
    assert all(f"`{key}" in text for key in Recipe.model_fields)


def test_the_example_of_a_rule_for_retraining_holds_its_defaults() -> None:
    text = (DOCS.parent / "guides" / "retraining.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert yaml.safe_load(example)["retrain"] == RetrainRule().model_dump()


def test_the_example_of_engineered_columns_is_one() -> None:
    recipes, features = ((DOCS / page).read_text(encoding="utf-8") for page in ("recipes.md", "features.md"))
    document, example = (
        yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0]) for text in (recipes, features)
    )
    recipe = Recipe.parse({**document, **example})
    assert [entry.kind for entry in recipe.engineered] == [entry["kind"] for entry in example["engineered"]]


def test_every_transformer_and_each_of_its_keys_stands_in_the_reference() -> None:
    text = (DOCS / "features.md").read_text(encoding="utf-8")
    lines = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    assert lines.keys() == TRANSFORMERS.keys()
    said_once_for_all = {"kind", "name", "steps", "windows"}
    for kind, transformer in TRANSFORMERS.items():
        for key in transformer.model_fields.keys() - said_once_for_all:
            assert f"`{key}" in lines[kind], (kind, key)


def test_default_windows_stand_in_the_reference() -> None:
    text = (DOCS / "features.md").read_text(encoding="utf-8")
    for kind, transformer in TRANSFORMERS.items():
        field = transformer.model_fields.get("windows") or transformer.model_fields.get("lags")
        if field is not None:
            shown = ", ".join(map(str, field.default))
            assert re.search(rf"\| `{kind}` \| (`lags: )?{shown}`? \|", text), kind
