"""Amounts, several classes, several horizons and weighted rows: from a recipe to a version."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.signature import CLASS_PROBABILITIES, HORIZON_SCORES
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.weights import weighted
from scoreline_trainers.errors import DataError, RecipeError
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import SMALL, lacking, people

TREES = {"family": "lightgbm", "config": SMALL["lightgbm"]}
MEMBERS = {"members": [TREES, {"family": "linear"}]}
AMOUNTS: dict[str, dict[str, Any]] = {
    "linear": {},
    **{name: SMALL[name] for name in ("lightgbm", "xgboost", "catboost", "random_forest")},
    "voting": MEMBERS,
    "weighted": MEMBERS,
    "stacking": {**MEMBERS, "folds": 3},
    "segmented": {"segment": "city", "member": TREES, "fallback": {"family": "linear"}, "min_rows": 50},
}
RECIPE = {"name": "spend", "data": "unused.csv", "features": ["income", "age", "visits", "city"]}


def table() -> pl.DataFrame:
    """People with an amount, one of three classes, and a purchase within 7, 14 and 30 days."""
    frame, draw = people(500).drop_nulls(), np.random.default_rng(2)
    amount = 3000 * np.log(frame["income"].to_numpy()) + 40 * frame["visits"].to_numpy()
    amount += draw.normal(0, 500, len(frame))
    days = 40 * draw.random(len(frame)) ** np.where(frame["visits"] > 25, 2, 0.5)
    return frame.with_columns(
        amount=pl.Series(amount),
        grade=pl.Series(np.array(["gold", "base", "plus"])[np.digitize(amount, np.quantile(amount, [0.3, 0.6]))]),
        count=pl.Series(draw.integers(1, 4, len(frame))),
        **{f"bought_{within}": pl.Series((days <= within).astype(np.int8)) for within in (7, 14, 30)},
    )


def trained(**recipe: Any) -> Candidate:
    return train(Recipe.parse({**RECIPE, **recipe}), table())


@pytest.mark.parametrize("family", AMOUNTS)
def test_amounts_are_learned_proven_and_published(family: str) -> None:
    if family in SMALL and lacking(family):
        pytest.skip(lacking(family))
    config = AMOUNTS[family]
    done = trained(label="amount", task="regression", family=family, config=config)
    manifest = done.manifest
    assert (manifest.task, manifest.score.kind, manifest.score.meaning) == (
        "regression",
        "value",
        "expected value of the label",
    )
    assert manifest.metrics.keys() == {"mae", "rmse", "median_error", "r2", "spearman"}
    assert manifest.metrics["r2"] > 0.5
    assert manifest.parity is not None
    assert manifest.parity.tolerance == pytest.approx(1e-5 * float(table()["amount"].to_numpy().max()), rel=0.2)
    registry = Registry.create(MemoryStorage())
    recipe = Recipe.parse({**RECIPE, "label": "amount", "task": "regression", "family": family, "config": config})
    assert publish_candidate(done, recipe, registry, author="test").version == 1


@pytest.mark.parametrize("family", ["lightgbm", "logistic"])
def test_several_classes_are_binary_models_in_one_graph(family: str) -> None:
    done = trained(label="grade", task="multiclass", positive="gold", family=family, config=SMALL[family])
    score = done.manifest.score
    assert (score.classes, score.extras) == (("base", "plus", "gold"), (CLASS_PROBABILITIES,))
    assert score.meaning == "probability of the class 'gold'"
    assert {"accuracy", "log_loss", "auc_macro", "auc", "brier"} <= done.manifest.metrics.keys()
    assert done.manifest.metrics["accuracy"] > 0.6
    data = Dataset.from_table(table(), Recipe.parse({**RECIPE, "label": "grade", "task": "multiclass", **TREES}))
    assert data.classes == ("base", "gold", "plus")
    outputs = OnnxScorer(done.files["model.onnx"]).run(data.batch)
    np.testing.assert_allclose(outputs[CLASS_PROBABILITIES].sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(outputs[CLASS_PROBABILITIES][:, 2], outputs["score"])


def test_longer_horizons_never_score_below_shorter_ones() -> None:
    names = ["bought_7", "bought_14", "bought_30"]
    done = trained(label="bought_14", horizons=names, class_weight="balanced", calibration="sigmoid", **TREES)
    assert done.manifest.score.extras == (HORIZON_SCORES,)
    assert {f"auc_{name}" for name in names} <= done.manifest.metrics.keys()
    data = Dataset.from_table(table(), Recipe.parse({**RECIPE, "label": "bought_14", "horizons": names, **TREES}))
    assert data.horizon_labels is not None
    np.testing.assert_array_equal(data.horizon_labels[:, 1], data.label)
    outputs = OnnxScorer(done.files["model.onnx"]).run(data.batch)
    assert (np.diff(outputs[HORIZON_SCORES], axis=1) >= 0).all()
    np.testing.assert_array_equal(outputs[HORIZON_SCORES][:, 1], outputs["score"])


def test_a_model_of_several_classes_is_trained_to_the_same_bytes_twice() -> None:
    first, again = (trained(label="grade", task="multiclass", **TREES) for _ in range(2))
    assert first.files["model.onnx"] == again.files["model.onnx"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"family": "logistic", "config": {}, "task": "regression", "label": "amount"},
            "family 'logistic' does not learn the task reg",
        ),
        (
            {"family": "voting", "task": "regression", "config": {"members": [TREES, {"family": "logistic"}]}},
            "family 'logistic' does not learn the task regression; these do: linear, lightgbm",
        ),
        ({"family": "linear", "config": {}}, "family 'linear' does not learn the task binary"),
        ({"task": "regression", "calibration": "sigmoid"}, "a regression has none"),
        ({"task": "regression", "class_weight": "balanced"}, "the label of a regression has none"),
        ({"task": "regression", "metrics": ["auc"]}, "metrics: 'auc' is no metric; there are mae"),
        ({"horizons": ["a", "b"]}, "'horizons' are at least two columns, and the 'label' is one of them"),
        ({"weight": "income"}, "the weight 'income' cannot be the label or an input too"),
        ({"warm_start": "credit"}, "write model@version or model@alias"),
    ],
)
def test_what_a_task_cannot_have_is_refused(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({**RECIPE, "label": "label", **TREES, **change})
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("label", "task", "problem"),
    [
        ("city", "regression", "is the label of a regression and holds String, not numbers"),
        ("amount", "multiclass", "is the label and has 393 classes, not 2 to 100"),
    ],
)
def test_a_label_that_does_not_fit_its_task_is_named(label: str, task: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        Dataset.from_table(table(), Columns(label=label, task=task, features="auto", exclude=("city",)))


def binary(**facts: Any) -> Dataset:
    frame = pl.DataFrame({"x": [1.0, 2, 3, 4], "paid": ["yes", "yes", "yes", "no"], "times": [1, 1, 2, 4]})
    return weighted(Dataset.from_table(frame, columns := Columns(label="paid", features="auto", **facts)), columns)


@pytest.mark.parametrize(
    ("facts", "weights"),
    [
        ({"positive": "no", "class_weight": "balanced"}, [2 / 3, 2 / 3, 2 / 3, 2]),
        ({"positive": "no", "class_weight": {"no": 5.0}}, [1, 1, 1, 5]),
        ({"positive": "no", "class_weight": {"no": 5.0, "yes": 2.0}}, [2, 2, 2, 5]),
        ({"positive": "no", "weight": "times"}, [1, 1, 2, 4]),
        ({"positive": "no", "weight": "times", "class_weight": {"0": 3.0}}, [3, 3, 6, 4]),
        ({"task": "multiclass", "weight": "times", "class_weight": "balanced"}, [1, 1, 2, 4]),
        ({"task": "multiclass", "class_weight": {"no": 7.0}}, [1, 1, 1, 7]),
    ],
)
def test_class_weights_multiply_the_weights_of_rows(facts: dict[str, Any], weights: list[float]) -> None:
    data = binary(**facts)
    assert data.weight is not None
    np.testing.assert_allclose(data.weight, weights)
    np.testing.assert_allclose(data.take(np.array([3, 0])).weight, [weights[3], weights[0]])  # type: ignore[arg-type]


def test_a_weight_of_no_class_is_refused() -> None:
    with pytest.raises(DataError, match="class_weight names 'nope', no class"):
        binary(positive="no", class_weight={"nope": 2.0})
