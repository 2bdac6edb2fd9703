"""The evaluation that every trained version has, and what a recipe requires of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from click.testing import CliRunner

from scoreline_registry.documents.manifest import REPORT_FILE
from scoreline_registry.registry import Registry
from scoreline_trainers.commands.training import train as command
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import DataError, RecipeError, RequirementError
from scoreline_trainers.evaluation.document import Evaluation
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.reporting.document import RunReport
from scoreline_trainers.synthetic.delinquency import delinquency
from scoreline_trainers.training.candidate import Candidate
from scoreline_trainers.training.evaluated import evaluation_of
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.trained import Scored, Trained
from tests.trainers.tables import people

RECIPE: dict[str, Any] = {
    "name": "income",
    "data": "unused.csv",
    "label": "label",
    "features": ["income", "visits", "city"],
    "family": "logistic",
    "evaluate": {"segments": ["plan"], "fairness": ["gender"], "bootstrap": 20, "cuts": [0.4]},
    "costs": {"false_positive": 1, "false_negative": 3},
}

SEQUENCE: dict[str, Any] = {
    "name": "delinquency",
    "data": "unused.csv",
    "label": "defaulted",
    "sequence": {"entity": "account_id", "order": "day", "features": ["utility_delay_days", "failed_debits"]},
    "engineered": [{"kind": "rolling", "windows": [7, 30], "statistics": ["mean"]}],
    "family": "logistic",
    "evaluate": {"lead_time": {"window": 20, "false_alarm_rates": [0.1, 0.3], "step_days": 1}, "bootstrap": 0},
}


def customers(rows: int = 800) -> pl.DataFrame:
    draw = np.random.default_rng(3)
    return people(rows).with_columns(pl.Series("gender", draw.choice(["f", "m"], rows)))


def evaluation(candidate: Candidate) -> Evaluation:
    found = RunReport.model_validate_json(candidate.files[REPORT_FILE]).evaluation
    assert found is not None
    return found


def trained(frame: pl.DataFrame, **changed: Any) -> Candidate:
    return train(Recipe.parse({**RECIPE, **changed}), frame)


def test_a_version_has_the_evaluation_of_its_validation_rows() -> None:
    candidate = trained(customers())
    found = evaluation(candidate)
    assert (found.evaluated_on, found.rows, found.test, found.folds) == ("validation rows", 160, None, ())
    shared = found.metrics.keys() & candidate.manifest.metrics.keys()
    assert {"auc", "gini", "log_loss", "ece_20_equal_mass", "best_f1"} <= shared
    for name in shared:
        assert found.metrics[name].value == pytest.approx(candidate.manifest.metrics[name]), name
    assert sum(group.rows for group in found.by_segment["plan"]) == 160
    assert {group.name for group in found.fairness["gender"].groups} == {"f", "m"}
    assert found.fairness["gender"].cut_name == "best profit"
    assert "given 0.4" in {cut.name for cut in found.cuts}


def test_folds_and_the_test_part_have_figures_of_their_own() -> None:
    candidate = trained(customers(), validation={"kind": "folds", "folds": 3, "test": 0.25})
    found, metrics = evaluation(candidate), candidate.manifest.metrics
    assert (found.evaluated_on, found.rows) == ("out-of-fold rows", 600)
    assert [fold.rows for fold in found.folds] == [200, 200, 200]
    assert found.fold_spread["auc"].mean == pytest.approx(metrics["auc"])
    assert found.fold_spread["auc"].deviation == pytest.approx(metrics["auc_std"])
    assert found.test is not None
    assert (found.test.evaluated_on, found.test.rows) == ("test rows", 200)
    assert found.test.metrics["auc"].value == pytest.approx(metrics["test_auc"])


def test_planted_unfairness_is_in_the_report_of_a_version() -> None:
    frame = customers(3000)
    # The same outcomes, with two thirds of the income of one group left out.
    hidden = pl.when(pl.col("gender") == "f").then(pl.col("income") * 0.35).otherwise("income")
    table = evaluation(trained(frame.with_columns(hidden.alias("income")))).fairness["gender"]
    assert table.flags
    assert any("gender" in flag and "share selected" in flag for flag in table.flags)
    fair = evaluation(trained(frame)).fairness["gender"]
    assert fair.flags == ()


def judged(frame: pl.DataFrame, scores: Float64, extras: dict[str, Float64], **changed: Any) -> Trained:
    """A trained model of another task, whose rows and scores are given."""
    recipe = Recipe.model_validate_json(json.dumps({**RECIPE, "features": [{"name": "age"}], **changed}))
    data = Dataset.from_table(frame, recipe)
    rows = Scored(frame, data, scores, None, learned_rows=1, extras=extras)
    return Trained(recipe, trained(customers(200)).fitted, data, rows, (rows,), seconds=0)


def test_amounts_and_classes_are_evaluated_too() -> None:
    frame = customers().drop_nulls("plan").with_columns(pl.col("plan").cast(pl.String))
    plain = {"evaluate": {"segments": ["city"], "bootstrap": 0}, "costs": None}
    age = frame["age"].to_numpy()
    amounts = evaluation_of(judged(frame, age, {}, **plain, label="visits", task="regression"))
    assert amounts is not None
    assert amounts.task == "regression"
    assert amounts.metrics["mae"].value == pytest.approx(np.abs(frame["visits"].to_numpy() - age).mean())
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], len(frame))
    outputs = {"class_probabilities": shares}
    classes = evaluation_of(judged(frame, shares[:, 2], outputs, **plain, label="plan", task="multiclass"))
    assert classes is not None
    assert classes.task == "multiclass"
    assert [each.name for each in classes.classes] == ["1", "2", "3"]
    assert classes.positives == (frame["plan"] == "3").sum()
    last = auc((frame["plan"] == "3").to_numpy().astype(np.int8), shares[:, 2])
    assert classes.classes[2].metrics["auc"].value == pytest.approx(last)
    assert classes.roc is not None


def test_every_horizon_has_an_area_of_its_own() -> None:
    draw = np.random.default_rng(5)
    frame = customers().with_columns(
        pl.max_horizontal("label", pl.Series(draw.integers(0, 2, 800))).cast(pl.Int8).alias("later")
    )
    candidate = trained(frame, label="later", horizons=["label", "later"], evaluate={"bootstrap": 0}, costs=None)
    found, metrics = evaluation(candidate).metrics, candidate.manifest.metrics
    for name in ("auc_label", "auc_later"):
        assert found[name].value == pytest.approx(metrics[name])
        assert found[name].method == "DeLong"
    assert found["auc"].value == found["auc_later"].value


def test_histories_have_the_lead_time_of_their_warnings() -> None:
    found = evaluation(train(Recipe.parse(SEQUENCE), delinquency(900, seed=2)))
    strict, lax = found.lead_time
    assert (strict.unit, strict.false_alarm_rate, lax.false_alarm_rate) == ("days", 0.1, 0.3)
    assert strict.cut > lax.cut
    assert lax.warned.value >= strict.warned.value
    assert lax.warned.value > 0.4
    assert lax.median is not None
    assert 1 <= lax.median.value <= 19


def test_a_version_that_falls_short_is_refused_with_every_figure() -> None:
    with pytest.raises(RequirementError) as caught:
        trained(customers(), require={"auc": 0.99, "brier": 0.01, "ks": 0.01})
    first, second = caught.value.shortfalls
    assert first.startswith("auc 0.")
    assert first.endswith("is below 0.99")
    assert second.endswith("is above 0.01")
    assert str(caught.value).startswith("recipe income requires more than this version has: auc 0.")


def test_falling_short_has_an_exit_code_of_its_own_and_publishes_nothing(tmp_path: Path) -> None:
    customers(400).write_csv(tmp_path / "people.csv")
    recipe = {**RECIPE, "data": "people.csv", "require": {"auc": 0.999}}
    (tmp_path / "income.yaml").write_text(yaml.safe_dump(recipe))
    registry = Registry.create(tmp_path / "registry")
    result = CliRunner().invoke(command, [str(tmp_path / "income.yaml"), "--registry", str(tmp_path / "registry")])
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1].startswith("Error: recipe income requires more than this version has: auc 0")
    assert registry.latest().models == {}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"require": {"acu": 0.7}}, "'acu' cannot be required; did you mean 'auc'"),
        ({"costs": {"false_positive": 0, "true_negative": 0}}, "'false_positive' must cost more than 'true_negative'"),
        ({"evaluate": {"segment": ["plan"]}}, "segment: unknown key"),
        ({"evaluate": {"lead_time": {}}}, "'evaluate.lead_time' needs a 'sequence'"),
        ({"evaluate": {"bootstrap": -1}}, "bootstrap"),
        ({"task": "regression", "family": "lightgbm"}, "a regression has none"),
    ],
)
def test_keys_that_cannot_work_are_refused(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({**RECIPE, **changed})
    assert problem in str(caught.value)


def test_lead_time_needs_rows_that_the_published_model_has_not_seen() -> None:
    with pytest.raises(RecipeError, match=r"add 'test: 0\.2'"):
        Recipe.parse({**SEQUENCE, "validation": {"kind": "folds"}})
    assert Recipe.parse({**SEQUENCE, "validation": {"kind": "folds", "test": 0.2}}).evaluate.lead_time is not None


def test_a_column_that_is_not_there_is_refused_before_anything_is_fitted() -> None:
    with pytest.raises(DataError, match="column 'genders' is not in the table"):
        trained(customers(), evaluate={"fairness": ["genders"]})
