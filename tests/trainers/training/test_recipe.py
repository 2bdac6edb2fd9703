import re
from pathlib import Path
from typing import Any

import pytest

from scoreline_registry.documents.contract import Band
from scoreline_trainers.errors import FamilyError, RecipeError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.training.recipe import Recipe, find_recipe, packaged_recipes, packaged_summaries

MINIMAL: dict[str, Any] = {
    "name": "churn",
    "data": "customers.csv",
    "label": "left",
    "features": ["age", {"name": "plan", "kind": "category", "vocabulary": ["a", "b"]}],
    "family": "logistic",
}
ROUTE = {"route": "churn", "schema": {"like": "churn@champion"}, "rules": [{"split": {"churn@champion": 100}}]}
LONG = {"entity": "id", "order": "day", "features": ["v"]}


@pytest.mark.parametrize(
    ("name", "near"),
    [("lightgbn", "lightgbm"), ("lgbm", "lightgbm"), ("xgb", "xgboost"), ("rf", "random_forest"), ("nn", "mlp")],
)
def test_the_nearest_family_is_named(name: str, near: str) -> None:
    assert FAMILIES.problem(name).startswith(f"is unknown; did you mean {near!r}? there are catboost, ")


def test_a_feature_is_its_name_or_its_facts() -> None:
    recipe = Recipe.parse(MINIMAL)
    first, second = recipe.feature_specs(["age", "plan", "left"])
    assert (first.name, first.kind) == ("age", None)
    assert (second.name, second.kind, second.vocabulary) == ("plan", "category", ("a", "b"))


def test_bands_ascend_as_written() -> None:
    recipe = Recipe.parse({**MINIMAL, "score": {"meaning": "leaves", "bands": {"low": 0, "high": 0.5}}})
    assert recipe.score.contract().bands == (Band(name="low", from_score=0), Band(name="high", from_score=0.5))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"familly": "x"}, "familly: unknown key; did you mean 'family'?"),
        ({"zzz": 1}, "zzz: unknown key"),
        ({"label": None}, "label: is missing, and family 'logistic' cannot do without"),
        ({"label": 3}, "label: must be text, not 3"),
        ({"seed": "7"}, "seed: must be a whole number, not '7'"),
        ({"features": []}, "a model needs 'features', a 'sequence' or both"),
        ({"features": "all"}, "features: must be a list, not 'all'"),
        ({"features": [{"name": "x", "kind": "text"}]}, "features.0.kind: must be 'number' or 'category', not 'text'"),
        ({"features": ["left"]}, "the label 'left' cannot be an input too"),
        ({"features": ["x", {"name": "x"}]}, "duplicate feature 'x'"),
        ({"sequence": {**LONG, "features": ["v", "v"]}}, "sequence: duplicate feature 'v'"),
        (
            {"sequence": {**LONG, "order": LONG["entity"]}},
            f"sequence: duplicate column of the sequence {LONG['entity']!r}",
        ),
        ({"unit": "u", "neighbors": {"ids": "n", "features": ["x", "x"]}}, "neighbors: duplicate feature 'x'"),
        ({"exclude": ["x"]}, "'exclude' goes with 'features: auto'"),
        ({"validation": {"kind": "last", "fraction": 0.2}}, "validation.kind: must be"),
        ({"validation": {"fraction": 1.5}}, "validation.fraction: must be less than 1, not 1.5"),
        ({"metrics": ["auk"]}, "metrics: 'auk' is no metric; did you mean 'auc'? there are auc, "),
        ({"name": "Churn Model"}, "name: model 'Churn Model' is not a valid name"),
        ({"score": {"bands": {"high": 0.5, "low": 0.1}}}, "score: "),
        ({"sequence": {"steps": {"a": ["x", "y"], "b": ["z"]}}}, "sequence: every step feature needs the same number"),
        ({"sequence": {"entity": "id"}}, "sequence: give either 'steps' (wide) or all of"),
        ({"sequence": {**LONG, "steps": {"a": ["x"]}}}, "sequence: give either 'steps' (wide) or all of"),
        ({"engineered": [{"kind": "rfmm"}]}, "engineered.0: unknown kind 'rfmm'; did you mean 'rfm'? there are"),
        ({"engineered": [{"columns": ["age"]}]}, "engineered.0: 'kind' is missing"),
        ({"engineered": [{"kind": "log1p"}]}, "engineered.0.log1p.columns: is missing"),
        (
            {"engineered": [{"kind": "ratio", "numerator": "a", "denominator": "b", "nam": "c"}]},
            "engineered.0.ratio.nam: unknown key; did you mean 'name'?",
        ),
        ({"features": [{"name": "x", "requird": True}]}, "features.0.requird: unknown key; did you mean 'required'?"),
        ({"data": {"synthetic": "propensity", "row": 5}}, "data.row: unknown key; did you mean 'rows'?"),
        ({"features": ["auto", {"name": "left"}]}, "the label 'left' cannot be an input too"),
        ({"features": ["auto", "x", "x"]}, "duplicate feature 'x'"),
        ({"features": ["auto", "x"], "exclude": ["x"]}, "'exclude' and 'features' both name 'x'"),
        ({"label": None, "family": "isolation_forest", "positive": "gone"}, "'positive' is a value of the 'label'"),
        ({"score": {"bands": {"low": 0, "high": 2}}}, "score: band 'high' starts at 2, and a score that is a probab"),
        ({"keep": ["features"]}, "'keep' goes with 'engineered'"),
        ({"calibration": "platt"}, "calibration.method: must be 'isotonic' or 'sigmoid'"),
        ({"calibration": {"method": "sigmoid", "fraction": 0}}, "calibration.fraction: must be greater than 0"),
        ({"score": {"bands": {"choose": "quantiles", "shares": {"a": 0.5, "b": 0.4}}}}, "score.bands: 'shares' are"),
        ({"score": {"bands": {"choose": "rates", "rates": {"a": 0.1, "b": 0.4}}}}, "score.bands.rates: 'rates' ascend"),
        (
            {"score": {"bands": {"choose": "quantile", "shares": {"a": 0.5, "b": 0.5}}}},
            "score.bands.choose: must",
        ),
        (
            {"sequence": {"steps": {"a": ["x"]}}, "engineered": [{"kind": "rolling", "windows": [0]}]},
            "engineered.0.rolling.windows.0: must be greater than or equal to 1",
        ),
        (
            {"family": "lightgbm", "config": {"max_leaf_nodes": 50}},
            "config: max_leaf_nodes: unknown key; did you mean 'num_leaves'? there are ",
        ),
        ({"config": {"Z": 1}}, "config: Z: unknown key; there are C,"),
        ({"config": {"C": -1}}, "config: C: must be greater than 0"),
        (
            {"config": {"random_state": 3}},
            "config: random_state: unknown key; 'seed' stands in the recipe itself",
        ),
        ({"route": {**ROUTE, "holdouts": 5}}, "route: unknown key 'holdouts'; did you mean 'holdout'?"),
    ],
)
def test_a_mistake_is_one_clear_line(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({**MINIMAL, **change}, source="churn.yaml")
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]
    assert str(caught.value).startswith("recipe churn.yaml: ")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({"name": "churn", "features": ["x"]})
    assert caught.value.problems == ("data: is missing", "family: is missing")


def test_an_unknown_family_is_named_with_those_there_are() -> None:
    with pytest.raises(
        FamilyError, match=r"'logistik' is unknown; did you mean 'logistic'\? there are .*logistic, lstm"
    ):
        Recipe.parse({**MINIMAL, "family": "logistik"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", "line 1: "),
        ("a: \a", "it is not YAML"),
        ("- a", "it is not a mapping"),
        ("name: churn\nseed: 1\nseed: 2", "line 3: duplicate key 'seed'"),
        ("config: {depth: 3, depth: 6}", "line 1: duplicate key 'depth'"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(RecipeError, match=f"recipe r.yaml: {problem}"):
        find_recipe(str(tmp_path / "r.yaml"))


def test_a_recipe_that_is_not_there_is_answered_with_the_packaged_ones() -> None:
    with pytest.raises(
        RecipeError, match=r"no such file, .*did you mean 'delinquency-lstm'\? there are bank-marketing-l"
    ):
        find_recipe("delinquency-lsmt")


def test_a_folder_and_a_table_are_no_recipes(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("a,b\n1,0\n")
    with pytest.raises(RecipeError, match="this is a folder: name a recipe in it, a "):
        find_recipe(str(tmp_path))
    with pytest.raises(RecipeError, match="this is a table: write a recipe for it with `scoreline recipe "):
        find_recipe(str(tmp_path / "people.csv"))


def test_data_is_found_beside_the_recipe_or_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Recipe.parse(MINIMAL).data_path(Path("/here")) == Path("/here/customers.csv")
    recipe = Recipe.parse({**MINIMAL, "data": "${MY_DATA}/c.csv"})
    monkeypatch.setenv("MY_DATA", "/there")
    assert recipe.data_path(Path("/here")) == Path("/there/c.csv")
    monkeypatch.delenv("MY_DATA")
    with pytest.raises(RecipeError, match=r"its data is \$\{MY_DATA\}/c.csv: set MY_DATA or pass the file with --data"):
        recipe.data_path(Path("/here"))


@pytest.mark.parametrize("name", packaged_recipes())
def test_every_packaged_recipe_is_a_recipe_of_its_own_name(name: str) -> None:
    for family in re.findall(r"\bfamily: (\w+)", packaged_recipes()[name].read_text()):
        if FAMILIES.problem(family):
            pytest.skip(FAMILIES.problem(family))
    assert find_recipe(name)[0].name == name


def test_every_packaged_recipe_is_summed_up_in_a_line() -> None:
    assert [name for name, text in packaged_summaries() if text and "\n" not in text] == list(packaged_recipes())


def test_an_explanation_is_skipped_by_a_key_that_yaml_reads_as_text(tmp_path: Path) -> None:
    # YAML reads `off` as false.
    written = tmp_path / "income.yaml"
    document = "name: income\ndata: people.csv\nlabel: label\nfeatures: auto\nfamily: logistic\n"
    written.write_text(f"{document}explain: {{skip: true}}\n")
    assert Recipe.load(written).explain.skip
