"""A member for each segment: who scores whom, and that the graph says the same."""

from typing import Any

import numpy as np
import pytest

from scoreline_registry.documents.contract import ScoreContract
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError, RecipeError
from scoreline_trainers.families.ensembles.segmented import FittedSegmented
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.training.recipe import Recipe
from tests.trainers.tables import BOTH, HISTORY, SMALL, TABLE, dataset, fit

CITY = 3
TREES = {"family": "lightgbm", "config": SMALL["lightgbm"]}
LINEAR = {"family": "logistic"}


def segmented(data: Dataset, **options: Any) -> FittedSegmented:
    found = fit("segmented", data, **options)
    assert isinstance(found, FittedSegmented)
    return found


def where(data: Dataset, code: float) -> Batch:
    """The same people, all in one segment."""
    features = data.batch.table.copy()
    features[:, CITY] = code
    return Batch(features=features)


def check(fitted: FittedSegmented, data: Dataset) -> None:
    prove(
        fitted.to_onnx().SerializeToString(),
        subject="segmented",
        inputs=data.inputs,
        score=ScoreContract(meaning="test"),
        samples=data.batch,
        reference=lambda batch: {"score": fitted.predict(batch)},
        edges=fitted.edges(),
    )


def test_each_segment_is_scored_by_a_member_that_learned_from_its_rows_alone() -> None:
    data = dataset()
    found = segmented(data, min_rows=100, members={}, fallback=TREES)
    for place, name in enumerate(found.segments.names):
        code = found.segments.vocabulary.index(name)
        alone = fit("lightgbm", data.take(np.flatnonzero(data.batch.table[:, CITY] == code)))
        np.testing.assert_array_equal(found.predict(where(data, code)), alone.predict(where(data, code)))
        assert found.rows[place] == (data.batch.table[:, CITY] == code).sum() >= 100


@pytest.mark.parametrize("code", [6, np.nan, 77, -3])
def test_unseen_and_missing_segments_are_scored_by_the_fallback_that_learned_from_all(code: float) -> None:
    data = dataset()
    found, everyone = segmented(data), fit("logistic", data)
    np.testing.assert_array_equal(found.predict(where(data, code)), everyone.predict(where(data, code)))


def test_a_segment_with_few_rows_or_few_of_a_label_has_no_member() -> None:
    data = dataset()
    codes = data.batch.table[:, CITY]
    rows, positives = (
        np.bincount(codes[chosen].astype(int)) for chosen in (codes >= 0, (codes >= 0) & (data.label > 0))
    )
    few = segmented(data, min_rows=int(rows.max()), min_labels=2)
    assert len(few.segments.names) == (rows == rows.max()).sum() < 6
    rare = segmented(data, min_rows=1, min_labels=int(np.minimum(positives, rows - positives).max()))
    assert 1 <= len(rare.segments.names) < 6
    assert str(rare.describe()["fallback"]).endswith(", any other, missing")
    check(few, data)


def test_where_no_segment_is_large_enough_everyone_has_the_fallback() -> None:
    data = dataset()
    found = segmented(data, min_rows=10_000, members={})
    assert found.describe()["own members"] == "none"
    np.testing.assert_array_equal(found.predict(data.batch), fit("logistic", data).predict(data.batch))
    check(found, data)


@pytest.mark.parametrize("family", ["logistic", "lightgbm", "xgboost", "random_forest"])
def test_a_member_may_learn_from_a_dozen_rows(family: str) -> None:
    data = dataset()
    codes = data.batch.table[:, CITY]
    kept = [np.flatnonzero((codes == 2) & (data.label == label))[:6] for label in (0, 1)]
    small = data.take(np.concatenate([*kept, np.flatnonzero(codes != 2)]))
    member = {"family": family, "config": SMALL[family]}
    found = segmented(small, member=member, members={}, min_rows=12, min_labels=6)
    assert found.rows[found.segments.names.index("lima")] == 12
    check(found, small)


@pytest.mark.parametrize("rows", [1, 7, 256])
@pytest.mark.parametrize("code", [0, 5, 6, np.nan, None])
def test_the_graph_scores_any_number_of_rows_of_any_segments(rows: int, code: float | None) -> None:
    data = dataset()
    found = segmented(data)
    batch = (data.batch if code is None else where(data, code)).take(slice(0, rows))
    score = OnnxScorer(found.to_onnx().SerializeToString()).score(batch)
    assert score.shape == (rows,)
    np.testing.assert_allclose(score, found.predict(batch), atol=1e-6)


def test_members_over_histories_stand_beside_members_over_features() -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    data = dataset(BOTH)
    network = {"family": "lstm", "config": SMALL["lstm"]}
    trees = {**TREES, "keep": ["features"]}
    found = segmented(data, member=trees, members={"lima": network}, fallback=network, min_rows=50, min_labels=5)
    assert found.rows[-1] == 300
    assert len(found.segments.names) > 3
    check(found, data)


@pytest.mark.parametrize(
    ("columns", "options", "problem"),
    [
        (TABLE, {"segment": "age"}, "'segmented' learns from segments in 'age', a number: declare it 'kind: category'"),
        (HISTORY, {}, "'segmented' learns from segments in the feature 'city', and there are no features"),
        (TABLE, {"members": {"paris": LINEAR}}, "has a member for 'paris', no city; there are berlin, lagos, lima"),
        (
            TABLE,
            {"member": {"family": "lstm"}},
            "cannot train its member 'berlin': family 'lstm' learns from histories",
        ),
    ],
)
def test_what_has_no_segments_is_refused_in_a_line(columns: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(FitError) as caught:
        fit("segmented", dataset(columns), **options)
    assert problem in str(caught.value)


def test_a_mistake_in_a_member_is_found_when_the_recipe_is_read() -> None:
    document = {"name": "s", "data": "x.csv", "label": "y", "features": ["a"], "family": "segmented"}
    members = {"lima": {"family": "logistic", "config": {"Z": 1}}}
    with pytest.raises(RecipeError, match=r"config: members\.lima: config: Z: unknown key"):
        Recipe.parse({**document, "config": {"segment": "a", "member": LINEAR, "members": members}})
