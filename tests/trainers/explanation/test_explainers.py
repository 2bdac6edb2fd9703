"""Contributions that are read from a published graph equal those of the native model."""

import json
from math import factorial
from typing import Any

import numpy as np
import pytest

from scoreline_registry.attributions.tree_values import TreeExplainer
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.explanation.exact import AdditiveExplainer
from scoreline_trainers.explanation.explainers import Explainer, explainer_of
from scoreline_trainers.explanation.sampled import SampledExplainer
from scoreline_trainers.explanation.sources import HISTORY, mixed, sources_of
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.trees.trees import Branch, FittedTrees
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Silent
from tests.trainers.tables import HISTORY as STEPS
from tests.trainers.tables import TABLE, histories, people

PEOPLE = Dataset.from_table(people(300), TABLE)
REFERENCE = PEOPLE.batch.take(np.arange(40))
ROWS = PEOPLE.batch.take(np.arange(40, 60))
FEW = {"n_estimators": 12}
MEMBERS = [{"family": "lightgbm", "config": FEW}, {"family": "logistic"}]
EXACT: dict[str, dict[str, Any]] = {
    "lightgbm": FEW,
    "xgboost": FEW,
    "catboost": FEW,
    "random_forest": {"n_estimators": 6},
    "logistic": {},
    "stacking": {"members": MEMBERS, "calibration": None, "folds": 2},
}


def fitted(family: str, config: dict[str, Any], data: Dataset = PEOPLE) -> Fitted:
    options = FAMILIES[family].config_type.model_validate_json(json.dumps(config))
    return FAMILIES[family].fit(data, options, seed=0, progress=Silent())


def explainer(model: Fitted, *, exact: bool = True, pairs: int = 8) -> Explainer:
    graph = model.to_onnx().SerializeToString()
    return explainer_of(graph, PEOPLE.inputs, REFERENCE, exact=exact, pairs=pairs)


@pytest.fixture(scope="module", params=list(EXACT))
def model(request: pytest.FixtureRequest) -> Fitted:
    """A model whose margin is a sum."""
    return fitted(request.param, EXACT[request.param])


def definition(found: Explainer, row: Batch, reference: Batch = REFERENCE) -> Float64:
    """Shapley values of one row by all coalitions of its sources, through the graph."""
    players = len(found.sources)
    places = np.arange(1 << players)
    members = (places[:, None] >> np.arange(players) & 1).astype(np.bool_)
    chosen = np.repeat(members, len(reference), axis=0)
    each_row = row.take(np.zeros(len(chosen), np.intp))
    each_reference = reference.take(np.tile(np.arange(len(reference)), len(members)))
    margins = found.margins(mixed(each_row, each_reference, chosen))
    worth = margins.reshape(len(members), -1).mean(axis=1)
    sizes = members.sum(axis=1)
    values = np.zeros(players)
    for player in range(players):
        without = places[~members[:, player]]
        weight = [factorial(size) * factorial(players - size - 1) / factorial(players) for size in sizes[without]]
        values[player] = np.dot(weight, worth[without | 1 << player] - worth[without])
    return values


def margins(model: Fitted, found: Explainer, batch: Batch) -> Float64:
    score = model.predict(batch)
    return np.asarray(np.log(score / (1 - score)) if found.link == "log odds" else score)


def test_additive_graphs_are_explained_exactly(model: Fitted) -> None:
    found = explainer(model)
    assert not found.sampled
    assert found.method.startswith("exact")
    values = found.explain(ROWS)
    assert values.errors is None
    np.testing.assert_allclose(
        values.values.sum(axis=1), margins(model, found, ROWS) - margins(model, found, REFERENCE).mean(), atol=1e-5
    )


def test_exact_values_are_those_by_the_definition(model: Fitted) -> None:
    found = explainer(model)
    rows = ROWS.take(np.arange(3))
    by_definition = [definition(found, rows.take(np.array([row]))) for row in range(3)]
    np.testing.assert_allclose(found.explain(rows).values, by_definition, atol=2e-6)


def test_exact_values_are_what_sampling_comes_near_to(model: Fitted) -> None:
    exact = explainer(model).explain(ROWS).values
    sampled = explainer(model, exact=False, pairs=80).explain(ROWS)
    assert sampled.errors is not None
    assert np.all(np.abs(sampled.values - exact) <= 4 * sampled.errors + 1e-4)


@pytest.mark.parametrize("family", ["lightgbm", "xgboost", "catboost", "random_forest"])
def test_trees_of_the_graph_are_the_native_trees(family: str) -> None:
    model = fitted(family, EXACT[family])
    assert isinstance(model, FittedTrees)
    found = explainer(model)
    assert isinstance(found, AdditiveExplainer)
    ((_, read),) = found.trees
    assert isinstance(read, TreeExplainer)
    native = model.trees()
    assert len(read.trees.roots) == len(native)
    leaves = np.array([node for tree in native for node in tree if not isinstance(node, Branch)], np.float32)
    assert np.sort(leaves).tolist() == np.sort(read.trees.value[read.trees.column < 0]).tolist()
    # The leaves that rows reach add up to the native margin but for what is added to all.
    ((matrix, _),) = found.trees
    rest = margins(model, found, ROWS) - read.trees.margin(found.matrices(ROWS)[matrix].astype(np.float32))
    np.testing.assert_allclose(rest, rest[0], atol=1e-5)


def test_a_mean_of_members_and_a_network_are_sampled() -> None:
    found = explainer(fitted("voting", {"members": MEMBERS, "measuring_fraction": 0}))
    assert isinstance(found, SampledExplainer)
    assert found.link == "identity"
    values = found.explain(ROWS)
    np.testing.assert_allclose(values.values.sum(axis=1), values.margins - found.base, atol=1e-9)
    assert values.errors is not None
    assert values.errors.max() > 0


def test_interactions_of_trees_are_exact_and_those_of_lines_are_none() -> None:
    trees = explainer(fitted("lightgbm", FEW))
    sampled = explainer(fitted("lightgbm", FEW), exact=False)
    exact = trees.interactions(ROWS, [0, 1, 2])
    near = sampled.interactions(ROWS, [0, 1, 2])
    assert np.abs(exact).mean(axis=0)[0, 1] > 0
    np.testing.assert_allclose(near.mean(axis=0), exact.mean(axis=0), atol=0.1)
    assert not explainer(fitted("logistic", {})).interactions(ROWS, [0, 1, 2]).any()


def test_mixtures_take_histories_from_their_newest_step() -> None:
    data = Dataset.from_table(histories(), STEPS)
    sources = sources_of(data.inputs)
    assert [source.name for source in sources] == ["spent", "earned", "calls", HISTORY]
    sequence = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    rows = Batch(sequence=sequence[:1], lengths=np.array([3]))
    reference = Batch(sequence=sequence[1:], lengths=np.array([2]))
    short = mixed(rows, reference, np.array([[True, False, False, False]]))
    assert short.lengths is not None
    assert short.lengths.tolist() == [2]
    # The row's second and third step of the first column beside the reference's two steps.
    np.testing.assert_array_equal(short.history[0][0, :2], [[3, 10, 11], [6, 13, 14]])
    long = mixed(rows, reference, np.array([[False, True, False, True]]))
    np.testing.assert_array_equal(long.history[0][0], [[np.nan, 1, np.nan], [9, 4, 11], [12, 7, 14]])
    whole = mixed(rows, reference, np.ones((1, 4), np.bool_))
    np.testing.assert_array_equal(whole.history[0], sequence[:1])
