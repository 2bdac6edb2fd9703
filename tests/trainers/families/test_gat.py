"""Graph attention: any number of neighbours, their order, their absence, and what stands beside them."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

import torch
from sklearn.metrics import roc_auc_score

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.documents.manifest import CARD_FILE
from scoreline_registry.documents.ragged import NEIGHBORS
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.networks.gat import ATTENTION, GRAPH_WEIGHT, GATNet
from scoreline_trainers.families.networks.modules.graph_attention import GraphAttention, design_columns
from scoreline_trainers.families.networks.modules.net import Emitted, Symbols
from scoreline_trainers.families.networks.network import FittedNetwork
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.gate.probes import with_garbage
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import GRAPH, HISTORY, SMALL, TABLE, dataset, fit, friends


def trained(**options: Any) -> FittedNetwork:
    fitted = fit("gat", dataset(GRAPH), **options)
    assert isinstance(fitted, FittedNetwork)
    return fitted


@pytest.fixture(scope="module")
def fitted() -> FittedNetwork:
    return trained()


@pytest.fixture(scope="module")
def scorer(fitted: FittedNetwork) -> OnnxScorer:
    return OnnxScorer(fitted.to_onnx().SerializeToString())


def batch_of(places: int, *, rows: int = 7) -> Batch:
    draw = np.random.default_rng(places)
    features = np.stack([draw.normal(45, 15, rows), draw.integers(0, 7, rows)], axis=1).astype(np.float32)
    neighbors = draw.normal(20, 20, (rows, places, 2)).astype(np.float32)
    mask = np.arange(places) < draw.integers(0, places, rows, endpoint=True)[:, None]
    return Batch(features, neighbors=neighbors, neighbor_mask=mask)


@pytest.mark.parametrize("places", [0, 1, 5, 40])
@pytest.mark.parametrize("rows", [1, 7, 256])
def test_the_graph_takes_any_number_of_neighbors(
    fitted: FittedNetwork, scorer: OnnxScorer, rows: int, places: int
) -> None:
    batch = batch_of(places, rows=rows)
    found, native = scorer.run(batch), {"score": fitted.predict(batch), **fitted.extras(batch)}
    assert found.keys() == native.keys() == {"score", ATTENTION, GRAPH_WEIGHT}
    for name, values in native.items():
        np.testing.assert_allclose(found[name], values, atol=5e-6)


def test_what_stands_where_no_neighbor_is_changes_nothing(fitted: FittedNetwork, scorer: OnnxScorer) -> None:
    for places in (1, 5, 40):
        batch = batch_of(places)
        padded = with_garbage(batch, NEIGHBORS, extra=3)
        np.testing.assert_allclose(scorer.score(padded), scorer.score(batch), atol=1e-6)
        np.testing.assert_allclose(fitted.predict(padded), fitted.predict(batch), atol=1e-6)


def test_the_order_of_neighbors_and_gaps_between_them_change_nothing(scorer: OnnxScorer) -> None:
    batch = batch_of(5)
    order = np.array([4, 2, 0, 3, 1])
    neighbors, mask = batch.neighborhood
    turned = batch.replace(neighbors=neighbors[:, order], neighbor_mask=mask[:, order])
    np.testing.assert_allclose(scorer.score(turned), scorer.score(batch), atol=1e-6)


def test_a_neighbor_matters_and_a_missing_value_of_it_is_not_a_usual_one(fitted: FittedNetwork) -> None:
    batch = batch_of(5).replace(neighbor_mask=np.ones((7, 5), np.bool_))
    neighbors, mask = batch.neighborhood
    assert fitted.feed.neighbors is not None
    alone = fitted.predict(batch.replace(neighbor_mask=np.zeros_like(mask)))
    usual, missing = neighbors.copy(), neighbors.copy()
    usual[:, :, 0], missing[:, :, 0] = fitted.feed.neighbors.fill[0], np.nan
    scores = [fitted.predict(batch.replace(neighbors=part)) for part in (neighbors, usual, missing)]
    assert np.abs(scores[0] - alone).min() > 1e-4
    assert np.abs(scores[1] - scores[2]).max() > 1e-5


def test_late_friends_raise_the_score(fitted: FittedNetwork) -> None:
    batch = batch_of(5, rows=200).replace(neighbor_mask=np.ones((200, 5), np.bool_))
    prompt, late = batch.neighborhood[0].copy(), batch.neighborhood[0].copy()
    prompt[:, :, 0], late[:, :, 0] = 0, 4
    difference = fitted.predict(batch.replace(neighbors=late)) - fitted.predict(batch.replace(neighbors=prompt))
    assert difference.mean() > 0.1


def test_neighbors_tell_what_a_units_own_features_do_not_until_they_are_hidden() -> None:
    everyone = dataset(GRAPH)
    learned, judged = everyone.take(np.arange(300)), everyone.take(np.arange(300, 400))
    alone = dataset(GRAPH.model_copy(update={"neighbors": None}))
    own = fit("mlp", alone.take(np.arange(300))).predict(alone.take(np.arange(300, 400)).batch)
    fitted = fit("gat", learned)
    _, mask = judged.batch.neighborhood
    hidden = fitted.predict(judged.batch.replace(neighbor_mask=np.zeros_like(mask)))
    scores = {"own": own, "hidden": hidden, "shown": fitted.predict(judged.batch)}
    auc = {name: roc_auc_score(judged.label, score) for name, score in scores.items()}
    assert auc["shown"] > auc["own"] + 0.08
    assert abs(auc["hidden"] - auc["own"]) < 0.08


def test_attention_is_shared_out_among_the_unit_and_its_neighbors(fitted: FittedNetwork) -> None:
    batch = with_garbage(batch_of(5, rows=60), NEIGHBORS, extra=2)
    extras, (_, mask) = fitted.extras(batch), batch.neighborhood
    attention, weight = extras[ATTENTION], extras[GRAPH_WEIGHT]
    assert (attention[~mask] == 0).all()
    assert (attention[mask] > 0).all()
    assert (attention.sum(axis=1) < 1).all()
    by_count = [weight[mask.sum(axis=1) == count] for count in range(6)]
    assert all(np.ptp(weights) == 0 for weights in by_count if len(weights))


def test_attention_is_what_the_paper_says() -> None:
    torch.manual_seed(3)
    layer = GraphAttention(4, 6, heads=2, size=3).eval()
    features, neighbors = torch.randn(1, 4), torch.randn(1, 2, 6)
    with torch.no_grad():
        found, share = layer(features, neighbors, torch.tensor([[True, True]]))
        own = layer.own(features)[0].reshape(2, 3).numpy()
        nodes = np.concatenate([own[None], layer.other(neighbors)[0].reshape(2, 2, 3).numpy()])
        asks, answers = layer.asks.numpy(), layer.answers.numpy()
    for head in range(2):
        alike = np.array([asks[head] @ own[head] + answers[head] @ node[head] for node in nodes])
        powers = np.exp(np.where(alike > 0, alike, 0.2 * alike))
        expected = powers / powers.sum()
        np.testing.assert_allclose(share[0, :, head], expected, rtol=1e-5)
        mixed = expected @ nodes[:, head]
        wanted = np.where(mixed > 0, mixed, np.expm1(mixed))
        np.testing.assert_allclose(found[0, 3 * head : 3 * head + 3], wanted, rtol=1e-4, atol=1e-6)


def test_clusters_are_of_the_demographics_that_are_named() -> None:
    fitted = trained(demographics=("city",), epochs=1)
    assert isinstance(fitted.net, GATNet)
    assert fitted.feed.design is not None
    columns = design_columns(fitted.feed.design, fitted.inputs.features, ("city",))
    assert fitted.net.clusters.columns == columns == list(range(1, 9))
    with pytest.raises(FitError, match="has no features salary, which 'demographics' names"):
        trained(demographics=("salary",), epochs=1)


def test_few_rows_have_no_more_clusters_than_rows() -> None:
    data = dataset(GRAPH)
    few = fit("gat", data.take(np.arange(12)), clusters=50, epochs=1)
    assert np.isfinite(few.predict(data.batch)).all()


@pytest.mark.parametrize("columns", [TABLE, HISTORY])
def test_without_neighbors_there_is_nothing_to_learn_from(columns: Any) -> None:
    with pytest.raises(FitError, match="learns from"):
        fit("gat", dataset(columns))


@pytest.mark.parametrize("family", ["mlp", "lstm"])
def test_other_networks_refuse_neighbors(family: str) -> None:
    with pytest.raises(FitError, match="learns from"):
        fit(family, dataset(GRAPH))


@pytest.mark.parametrize(
    "steps",
    [
        {"family": "gat", "config": SMALL["gat"], "engineered": [{"kind": "log1p", "columns": ["age"]}]},
        {
            "family": "voting",
            "config": {
                "members": [
                    {"family": "gat", "config": SMALL["gat"]},
                    {"family": "logistic", "keep": ["features"]},
                ]
            },
        },
        {"family": "gat", "config": SMALL["gat"], "calibration": "sigmoid"},
    ],
    ids=["columns in front", "members beside", "a calibrator behind"],
)
def test_what_stands_around_the_family_passes_the_gate_with_it(steps: dict[str, Any]) -> None:
    columns = GRAPH.model_dump(mode="json", exclude_defaults=True)
    recipe = Recipe.parse({**columns, "name": "around", "data": "unused.csv", **steps})
    candidate = train(recipe, friends())
    assert candidate.manifest.inputs.neighbors == dataset(GRAPH).inputs.neighbors
    assert "5 neighbors, or none, each with: late, age" in candidate.files[CARD_FILE].decode()


class TrustingNet(GATNet):
    """Looks in the graph at every place, whether a neighbour is there or not."""

    def emit(self, symbols: Symbols) -> Emitted:
        neighbors, mask = symbols.neighborhood
        everyone = mask.apply("Or", ~mask)
        return super().emit(Symbols(features=symbols.features, neighbors=neighbors, neighbor_mask=everyone))


def test_the_gate_refuses_a_graph_that_looks_at_padding() -> None:
    fitted, data = trained(epochs=2), dataset(GRAPH)
    fitted.net.__class__ = TrustingNet
    with pytest.raises(GateError, match=r"with garbage as padding of the neighbors|of the native model"):
        prove(
            fitted.to_onnx().SerializeToString(),
            subject="test",
            inputs=data.inputs,
            score=ScoreContract(meaning="test", extras=(ATTENTION, GRAPH_WEIGHT)),
            samples=data.batch,
            reference=lambda batch: {"score": fitted.predict(batch), **fitted.extras(batch)},
        )
