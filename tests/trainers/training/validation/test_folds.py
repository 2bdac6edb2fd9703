"""Recipes that are validated by folds: what is learned, judged and published."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.manifest import CARD_FILE, MODEL_FILE, REPORT_FILE
from scoreline_trainers.data.partition import partition
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.families.logistic import Logistic
from scoreline_trainers.progress import Lines, Silent
from scoreline_trainers.reporting.document import RunReport
from scoreline_trainers.training.candidate import Candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.trained import Trained
from scoreline_trainers.training.validation.folds import fit_and_score
from tests.trainers.tables import people

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 240


def recipe(validation: dict[str, Any], **keys: Any) -> Recipe:
    return Recipe.parse(
        {
            "name": "income",
            "data": "unused.csv",
            "label": "label",
            "time": "day",
            "features": ["income", "age", "city", "plan"],
            "family": "logistic",
            "validation": validation,
            "metrics": ["auc", "brier"],
            **keys,
        }
    )


def dated() -> pl.DataFrame:
    days = [date(2026, 1, 1) + timedelta(days=row // 2) for row in range(ROWS)]
    return people(ROWS).with_columns(pl.Series("day", days))


def trained(written: Recipe, frame: pl.DataFrame) -> Trained:
    rows = partition(frame, written, validation=written.validation, seed=written.seed)
    return fit_and_score(written, rows, progress=Silent(), clock=lambda: NOW)


def published(written: Recipe, frame: pl.DataFrame) -> Candidate:
    return train(written, frame, clock=lambda: NOW)


@pytest.mark.parametrize(
    "validation",
    [
        {"kind": "folds", "folds": 3, "test": 0.2},
        {"kind": "walk_forward", "folds": 3, "gap_days": 4, "test": 0.2},
        {"kind": "random", "test": {"fraction": 0.2, "kind": "random"}},
    ],
)
def test_features_of_the_test_part_change_no_byte_of_the_model(validation: dict[str, Any]) -> None:
    written, frame = recipe(validation), dated()
    plan = partition(frame, written, validation=written.validation, seed=written.seed).plan
    assert plan.test is not None
    tested = pl.Series(np.isin(np.arange(ROWS), plan.test))
    other = frame.with_columns(
        pl.when(tested).then(pl.lit(None)).otherwise(pl.col("age")).alias("age"),
        pl.when(tested).then(pl.lit("atlantis")).otherwise(pl.col("city")).alias("city"),
        pl.when(tested).then(-1e6).otherwise(pl.col("income")).alias("income"),
    )
    first, second = published(written, frame), published(written, other)
    assert first.files[MODEL_FILE] == second.files[MODEL_FILE]
    assert first.manifest.inputs == second.manifest.inputs
    assert first.manifest.metrics["test_brier"] != second.manifest.metrics["test_brier"]
    assert first.manifest.metrics["auc"] == second.manifest.metrics["auc"]


def test_the_model_published_has_learned_from_all_rows_but_the_test_part() -> None:
    found = trained(recipe({"kind": "folds", "folds": 4, "test": 0.25}), dated())
    assert (len(found.training), len(found.judged.scores)) == (180, 180)
    assert [fold.learned_rows for fold in found.folds] == [135] * 4
    assert found.refitted
    assert found.test is not None
    assert len(found.test.scores) == 60
    assert found.training.time is not None
    assert found.test.data.time is not None
    assert found.training.time.max() < found.test.data.time.min()  # type: ignore[operator]


def test_metrics_are_means_over_folds_with_their_spread() -> None:
    written = recipe({"kind": "folds", "folds": 4, "repeats": 2})
    found, version = trained(written, dated()), published(written, dated())
    each = [auc(fold.data.label, fold.scores) for fold in found.folds]
    metrics = version.manifest.metrics
    assert len(each) == 8
    assert metrics["auc"] == pytest.approx(np.mean(each))
    assert metrics["auc_std"] == pytest.approx(np.std(each, ddof=1))
    assert metrics.keys() == {"auc", "auc_std", "brier", "brier_std"}
    assert version.report.validation_rows == ROWS
    assert "| validation | kind folds, folds 4, repeats 2 |" in version.files[CARD_FILE].decode()


def test_each_row_is_judged_by_a_model_that_did_not_learn_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[set[float]] = []
    fit = Logistic.fit

    def remember(self: Logistic, data: Any, config: Any, **given: Any) -> Any:
        learned.append(set(data.batch.table[:, 0].tolist()))
        return fit(self, data, config, **given)

    monkeypatch.setattr(Logistic, "fit", remember)
    frame = dated().with_columns(pl.Series("income", np.arange(ROWS, dtype=np.float64)))
    found = trained(recipe({"kind": "folds", "folds": 3}), frame)
    for fold, rows in zip(found.folds, learned, strict=False):
        assert not set(fold.frame["income"]) & rows
    assert learned[-1] == set(range(ROWS))


def test_a_calibrated_fold_keeps_the_scores_before_calibration() -> None:
    found = published(recipe({"kind": "folds", "folds": 2}, calibration="sigmoid"), dated())
    assert str(found.report.described["without calibration"]).startswith("brier ")


def test_equal_recipes_give_equal_bytes_with_folds_too() -> None:
    written = recipe({"kind": "folds", "folds": 3, "test": 0.2})
    first, second = (dict(published(written, dated()).files) for _ in range(2))
    # Of the report, the seconds and bytes of its stages differ.
    reports = [RunReport.model_validate_json(files.pop(REPORT_FILE)) for files in (first, second)]
    assert first == second
    assert len({report.model_copy(update={"stages": ()}).model_dump_json() for report in reports}) == 1


def test_folds_are_one_stage() -> None:
    lines: list[str] = []
    found = train(recipe({"kind": "folds", "folds": 2}), dated(), progress=Lines(lines.append), clock=lambda: NOW)
    titles = [stage.title for stage in found.report.stages]
    assert titles[:2] == ["encode the table", "fit folds"]
    assert titles.index("fit folds") < titles.index("evaluate") < titles.index("export and prove")
    assert [line for line in lines if not line.startswith(" ")] == titles


def test_a_recipe_as_run_is_read_back() -> None:
    written = recipe({"kind": "walk_forward", "folds": 3, "gap_days": 2, "test": {"fraction": 0.1}})
    assert Recipe.parse(written.with_defaults()) == Recipe.parse(Recipe.parse(written.with_defaults()).with_defaults())
    assert Recipe.parse(written.with_defaults()).validation == written.validation


def test_longer_histories_of_the_test_part_change_no_input() -> None:
    steps = pl.DataFrame({"who": np.repeat(np.arange(40), 3), "day": np.tile(np.arange(3), 40)}).with_columns(
        (pl.col("who") % 2).alias("label"), pl.col("day").cast(pl.Float64).alias("spent")
    )
    longer = pl.DataFrame({"who": [39, 39], "day": [3, 4], "label": [1, 1], "spent": [7.0, 8.0]})
    longer = pl.concat([steps, longer.cast(dict(steps.schema))])  # type: ignore[arg-type]
    written = Recipe.parse(
        {
            "name": "histories",
            "data": "unused.csv",
            "label": "label",
            "sequence": {"entity": "who", "order": "day", "features": ["spent"]},
            "engineered": [{"kind": "rolling", "steps": ["spent"], "windows": [2], "statistics": ["mean"]}],
            "family": "logistic",
            "validation": {"test": {"fraction": 0.2, "kind": "last_fraction"}},
        }
    )
    rows = partition(longer, written, validation=written.validation)
    training = rows.training()
    assert training.inputs.sequence is not None
    assert training.inputs.sequence.max_length == 3
    test = rows.test(training.inputs)
    assert test is not None
    assert test.sequence is not None
    assert test.sequence[-1, :, 0].tolist() == [2.0, 7.0, 8.0]


def test_folds_of_several_classes_score_every_class() -> None:
    frame = dated().with_columns(pl.Series("plan", ["basic", "plus", "gold"] * (ROWS // 3)))
    keys = {"task": "multiclass", "label": "plan", "features": ["income", "age"], "metrics": ["auc_macro"]}
    written = recipe({"kind": "folds", "folds": 3, "test": 0.2}, **keys)
    found = trained(written, frame)
    assert found.judged.outputs["class_probabilities"].shape == (len(found.judged.scores), 3)
    for fold in found.folds:
        assert np.ptp(np.bincount(fold.data.label)) <= 1
    assert {"auc_macro", "auc_macro_std", "test_auc_macro"} <= published(written, frame).manifest.metrics.keys()


def test_folds_of_amounts_are_measured_by_their_errors() -> None:
    written = recipe(
        {"kind": "folds", "folds": 3, "test": 0.2},
        task="regression",
        label="visits",
        family="lightgbm",
        config={"n_estimators": 5},
        metrics=["mae", "r2"],
    )
    found = published(written, dated()).manifest
    assert found.metrics.keys() >= {"mae", "mae_std", "r2", "test_mae"}
    assert found.score.kind == "value"
