"""Selections of features: what is kept, what is left out, and on which rows that is decided."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.manifest import MODEL_FILE, REPORT_FILE
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import partition
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.errors import DataError, RecipeError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.progress import Lines, Silent
from scoreline_trainers.reporting.document import RunReport, SelectionFacts
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.selection import selecting
from scoreline_trainers.training.selection.importance import permutation_importance, with_features
from scoreline_trainers.training.selection.selecting import selected
from scoreline_trainers.training.validation import inner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOISE = [f"noise_{place}" for place in range(6)]
BASE: dict[str, Any] = {
    "name": "planted",
    "data": "unused.csv",
    "label": "y",
    "features": "auto",
    "family": "logistic",
    "select": "auto",
}


def planted(rows: int = 400) -> pl.DataFrame:
    """Two columns that the label depends on, a weak copy of one, and noise."""
    random = np.random.default_rng(7)
    strong, other = random.normal(size=(2, rows))
    logit = 2.5 * strong + 1.5 * other
    columns = {name: random.normal(size=rows) for name in NOISE}
    return pl.DataFrame(
        {
            "noise_first": random.normal(size=rows),
            "strong": strong,
            **columns,
            "other": other,
            "y": (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.int8),
        }
    )


def recipe(**keys: Any) -> Recipe:
    return Recipe.parse({**BASE, **keys})


def found(written: Recipe, frame: pl.DataFrame | None = None, **given: Any) -> tuple[Recipe, SelectionFacts]:
    table = planted() if frame is None else frame
    rows = partition(table, written, validation=written.validation, seed=written.seed)
    chosen, facts = selected(written, rows, **{"progress": Silent(), **given})
    assert facts is not None
    return chosen, facts


def kept(facts: SelectionFacts) -> set[str]:
    return {feature.name for feature in facts.features if feature.kept}


def test_columns_that_the_label_depends_on_are_kept_and_noise_is_left_out() -> None:
    chosen, facts = found(recipe())
    assert kept(facts) == {"strong", "other"}
    assert set(chosen.exclude) == {*NOISE, "noise_first"}
    assert chosen.select is None
    assert [feature.name for feature in facts.features[:2]] == ["strong", "other"]
    assert "within a standard error" in facts.method
    reasons = {feature.reason for feature in facts.features if not feature.kept}
    assert reasons <= {"shuffling it does not make the score worse", "less important than those kept"}


def test_columns_left_out_are_no_inputs_and_the_report_says_why() -> None:
    version = train(recipe(), planted(), clock=lambda: NOW)
    assert [feature.name for feature in version.manifest.inputs.features] == ["strong", "other"]
    report = RunReport.model_validate_json(version.files[REPORT_FILE])
    assert report.selection is not None
    assert kept(report.selection) == {"strong", "other"}
    assert version.manifest.training is not None
    again = train(Recipe.parse(version.manifest.training.recipe), planted(), clock=lambda: NOW)
    assert again.files[MODEL_FILE] == version.files[MODEL_FILE]


@pytest.mark.parametrize(("keep", "count"), [(1, 1), (3, 3), (0.5, 4), (50, 9)])
def test_as_many_are_kept_as_the_recipe_says(keep: float, count: int) -> None:
    _, facts = found(recipe(select={"keep": keep, "folds": 2}))
    assert len(kept(facts)) == count
    assert "strong" in kept(facts)


def test_listed_features_are_left_out_of_the_list() -> None:
    features = ["auto", {"name": "noise_1", "min": -3}]
    chosen, _ = found(recipe(features=features, select={"keep": 2, "folds": 2}))
    assert chosen.features == ("auto",)
    assert "noise_1" in chosen.exclude
    chosen, _ = found(recipe(features=["noise_1", "other", "strong"], select={"keep": 2, "folds": 2}))
    assert [spec.name for spec in chosen.described] == ["other", "strong"]
    assert chosen.exclude == ()


def test_features_that_engineered_columns_read_are_kept() -> None:
    engineered = [{"kind": "log1p", "columns": ["noise_2"]}]
    _, facts = found(recipe(engineered=engineered, select={"keep": 1, "folds": 2}))
    assert kept(facts) == {"noise_2"}
    (pinned,) = (feature for feature in facts.features if feature.kept)
    assert pinned.reason == "the recipe names it in 'engineered' or 'config'"


def test_rows_that_judge_or_test_change_nothing_of_a_selection() -> None:
    written = recipe(validation={"kind": "last_fraction", "fraction": 0.2, "test": {"fraction": 0.2}})
    frame = planted()
    plan = partition(frame, written, validation=written.validation, seed=written.seed).plan
    learned = pl.Series(np.isin(np.arange(len(frame)), plan.training))
    other = frame.with_columns(pl.when(learned).then(pl.col("noise_3")).otherwise(pl.col("y") * 9.0).alias("noise_3"))
    assert found(written, frame)[1] == found(written, other)[1]
    assert "noise_3" not in kept(found(written, other)[1])


def test_the_rows_that_measure_a_set_have_no_part_in_its_ranking(monkeypatch: pytest.MonkeyPatch) -> None:

    ranked: list[set[float]] = []
    measured: list[set[float]] = []

    def rank(fitted: Any, rows: Dataset, *args: Any, **given: Any) -> Any:
        ranked.append(set(rows.batch.table[:, 1].tolist()))
        return permutation_importance(fitted, rows, *args, **given)

    def measure(fitted: Any, rows: Dataset, metric: str, **given: Any) -> float:
        if len(rows.inputs.features) == 9:
            measured.append(set(rows.batch.table[:, 1].tolist()))
        return inner.measured(fitted, rows, metric, **given)

    monkeypatch.setattr(selecting, "permutation_importance", rank)
    monkeypatch.setattr(selecting, "measured", measure)
    found(recipe())
    assert len(ranked) == len(measured) == 5
    assert all(not one & other for one, other in zip(ranked, measured, strict=True))


def test_a_feature_that_a_model_does_not_use_has_no_importance() -> None:
    data = Dataset.from_table(planted(), recipe())
    family = FAMILIES["logistic"]
    config = family.config_type()
    fitted = family.fit(with_features(data, ["strong"]), config, seed=0, progress=Silent())
    alone = with_features(data, ["strong"])
    assert permutation_importance(fitted, alone, "auc", family="logistic", seed=0)[0] > 0.2
    assert permutation_importance(fitted, alone, "brier", family="logistic", seed=0)[0] > 0.05
    trees = FAMILIES["lightgbm"]
    stump = trees.config_type(n_estimators=1, num_leaves=2)
    model = trees.fit(data, stump, seed=0, progress=Silent())
    importance = permutation_importance(model, data, "auc", family="lightgbm", seed=0)
    names = [feature.name for feature in data.inputs.features]
    assert names[int(importance.argmax())] == "strong"
    assert np.count_nonzero(importance) == 1


def test_equal_seeds_select_alike_and_the_stage_has_its_notes() -> None:
    lines: list[str] = []
    ticks = iter(np.arange(0.0, 1e4, 2.0).tolist())
    first = found(recipe(), progress=Lines(lines.append, clock=lambda: next(ticks)))
    assert first[1] == found(recipe())[1]
    assert lines[0] == "select features"
    assert lines[1].startswith("  features ranked, 1 of ")
    assert lines[2].startswith("  9 features: auc 0.")


def test_selected_features_are_searched_and_judged_by_folds() -> None:
    written = recipe(
        validation={"kind": "folds", "folds": 2, "test": 0.2},
        select={"keep": 2, "folds": 2},
        search={"trials": 2, "folds": 2},
    )
    version = train(written, planted(), clock=lambda: NOW)
    assert [feature.name for feature in version.manifest.inputs.features] == ["strong", "other"]
    assert {"auc", "auc_std", "test_auc"} <= version.manifest.metrics.keys()
    assert (
        version.report.chosen["features kept"]
        == "2 of 9; permutation importance on 2 folds: as many as the recipe keeps"
    )
    assert version.report.chosen["options found"].startswith("family logistic")
    assert not any("a little too good" in warning for warning in version.report.warnings)
    untested = written.model_copy(update={"validation": Validation(kind="folds", folds=2)})
    warned = train(untested, planted(), clock=lambda: NOW).report.warnings
    assert any(warning.startswith("`select` and `search` chose on the rows of the folds") for warning in warned)
    titles = [stage.title for stage in version.report.stages]
    assert titles[:4] == ["encode the table", "select features", "search options", "fit folds"]


def test_a_sequence_without_features_has_nothing_to_select_from() -> None:
    steps = pl.DataFrame({"a": np.arange(60.0), "b": np.arange(60.0), "y": np.arange(60) % 2})
    written = Recipe.parse(
        {
            **BASE,
            "features": [],
            "sequence": {"steps": {"spent": ["a", "b"]}},
            "engineered": [{"kind": "rolling", "steps": ["spent"], "windows": [2], "statistics": ["mean"]}],
        }
    )
    with pytest.raises(DataError, match="there are no features to select from"):
        found(written, steps)


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ({"keep": 0}, "greater than 0"),
        ({"keep": 1.5}, "a whole number of features, or a share below 1"),
        ("all", "select"),
        ({"by": "gain"}, "unknown key"),
    ],
)
def test_a_selection_that_is_none_is_refused(select: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(select=select)


@pytest.mark.parametrize("key", ["select", "search"])
def test_what_trains_from_nothing_does_not_go_with_a_warm_start(key: str) -> None:
    with pytest.raises(RecipeError, match=f"'{key}' trains from scratch and does not go with 'warm_start'"):
        Recipe.parse({**BASE, "select": None, key: {}, "warm_start": "planted@champion"})
