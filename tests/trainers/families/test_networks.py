"""Networks over histories and features: what holds of every kind of them."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto
from pydantic import ValidationError

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.documents.ragged import SEQUENCE
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.networks.lstm import LSTMNet
from scoreline_trainers.families.networks.modules.net import Emitted, Symbols
from scoreline_trainers.families.networks.network import FittedNetwork, probabilities
from scoreline_trainers.families.networks.network_training import Lesson, mean_loss, minibatches, tensor_of
from scoreline_trainers.families.networks.tcn import TCNNet
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.gate.probes import with_garbage
from scoreline_trainers.graph.scorer import OnnxScorer
from tests.trainers.tables import BOTH, HISTORY, OVER_HISTORIES, TABLE, dataset, fit


def network(family: str, *, features: bool = False, **options: Any) -> FittedNetwork:
    fitted = fit(family, dataset(BOTH if features else HISTORY), **options)
    assert isinstance(fitted, FittedNetwork)
    return fitted


@pytest.fixture(scope="module", params=[(name, both) for name in OVER_HISTORIES for both in (False, True)], ids=str)
def fitted(request: pytest.FixtureRequest) -> FittedNetwork:
    family, features = request.param
    return network(family, features=features, epochs=2)


@pytest.fixture(scope="module")
def scorer(fitted: FittedNetwork) -> OnnxScorer:
    return OnnxScorer(fitted.to_onnx().SerializeToString())


def batch_of(fitted: FittedNetwork, steps: int, *, rows: int = 5) -> Batch:
    draw = np.random.default_rng(steps)
    features = draw.normal(40, 20, (rows, 2)).astype(np.float32) if fitted.feed.design else None
    sequence = draw.normal(100, 50, (rows, steps, 3)).astype(np.float32)
    return Batch(features, sequence, draw.integers(1, steps, rows, endpoint=True))


@pytest.mark.parametrize("steps", [1, 2, 30, 90])
@pytest.mark.parametrize("rows", [1, 7])
def test_the_graph_takes_any_number_of_steps(fitted: FittedNetwork, scorer: OnnxScorer, rows: int, steps: int) -> None:
    batch = batch_of(fitted, steps, rows=rows)
    found, native = scorer.run(batch), {"score": fitted.predict(batch), **fitted.extras(batch)}
    assert found.keys() == native.keys()
    for name, values in native.items():
        np.testing.assert_allclose(found[name], values, atol=5e-6)


def test_padding_of_any_kind_changes_nothing(fitted: FittedNetwork, scorer: OnnxScorer) -> None:
    for steps in (1, 4, 30):
        batch = batch_of(fitted, steps)
        padded = with_garbage(batch, SEQUENCE, extra=3)
        np.testing.assert_allclose(scorer.score(padded), scorer.score(batch), atol=1e-6)
        np.testing.assert_allclose(fitted.predict(padded), fitted.predict(batch), atol=1e-6)


def test_a_missing_step_value_is_not_the_same_as_a_usual_one(fitted: FittedNetwork) -> None:
    batch = batch_of(fitted, 4)
    sequence = batch.history[0].copy()
    sequence[:, 0, 0] = np.nan
    assert fitted.feed.steps is not None
    usual = sequence.copy()
    usual[:, 0, 0] = fitted.feed.steps.fill[0]
    missing, filled = (fitted.predict(batch.replace(sequence=part)) for part in (sequence, usual))
    assert np.abs(missing - filled).max() > 1e-5


def test_other_seeds_give_other_models() -> None:
    data = dataset(HISTORY)
    one, other = (fit("lstm", data, seed=seed, epochs=1).predict(data.batch) for seed in (0, 1))
    assert np.abs(one - other).max() > 1e-3


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1).item()
    torch.manual_seed(5)
    network("tcn", epochs=1)
    assert torch.rand(1).item() == expected


def test_training_stops_when_the_held_out_rows_are_scored_no_better() -> None:
    fitted = fit("mlp", dataset(TABLE), epochs=200, patience=2, learning_rate=0.05)
    assert 1 <= int(fitted.describe()["epochs"]) < 100


def test_the_loss_of_many_rows_is_their_mean() -> None:
    fitted = network("lstm", epochs=1)
    data = dataset(HISTORY)
    lesson, rows = Lesson(fitted.feed.tensors(data.batch), tensor_of(data.target)), np.arange(len(data))
    score = probabilities(fitted.net, lesson.fed)
    expected = -np.where(data.label == 1, np.log(score), np.log(1 - score)).mean()
    assert mean_loss(fitted.net, lesson, rows) == pytest.approx(expected, rel=1e-5)


@given(st.integers(2, 3000), st.integers(2, 40), st.integers(0, 5))
def test_an_epoch_has_every_row_once_and_no_batch_of_one(count: int, size: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = draw.permutation(count)
    batches = list(minibatches(rows, draw.integers(1, 90, count), size=size, draw=draw))
    assert sorted(np.concatenate(batches)) == sorted(rows)
    assert max(map(len, batches)) <= size
    assert min(map(len, batches)) > 1 or size < 4


def test_attention_is_shared_out_among_real_steps() -> None:
    fitted = network("transformer", epochs=1)
    batch = with_garbage(batch_of(fitted, 30, rows=40), SEQUENCE, extra=2)
    attention = fitted.extras(batch)["attention"]
    _, lengths = batch.history
    assert attention.shape == (40, 32)
    np.testing.assert_allclose(attention.sum(axis=1), 1, atol=1e-6)
    assert (attention[np.arange(32) >= lengths[:, None]] == 0).all()


def test_the_newest_step_has_the_same_place_in_every_history() -> None:
    fitted = network("transformer", epochs=1)
    sequence = np.ones((2, 9, 3), np.float32)
    short, long = (Batch(sequence=sequence[:1], lengths=np.array([length])) for length in (2, 9))
    attention = [fitted.extras(batch)["attention"][0, : batch.history[1][0]] for batch in (short, long)]
    ratios = [float(shares[-1] / shares[-2]) for shares in attention]
    assert ratios[0] == pytest.approx(ratios[1], rel=0.2)
    assert ratios[0] != 1


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("cnn_lstm", {"kernel": 4}, "a kernel is odd"),
        ("tcn", {"dilations": ()}, "at least 1 item"),
        ("mlp", {"hidden": (8, 0)}, "greater than or equal to 1"),
        ("mlp", {"batch_size": 1}, "greater than or equal to 2"),
        ("transformer", {"width": 10, "heads": 4}, "a multiple of 'heads'"),
    ],
)
def test_sizes_that_make_no_network_are_refused(family: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FAMILIES[family].config_type(**options)


class CarelessNet(TCNNet):
    """Forgets in the graph that padding must stay zero after each convolution."""

    def emit(self, symbols: Symbols) -> Emitted:
        steps, real = symbols.history
        return super().emit(Symbols(steps, real.apply("Or", ~real), symbols.features))


def test_the_gate_refuses_a_graph_that_sees_padding() -> None:
    fitted = network("tcn", epochs=1)
    fitted.net.__class__ = CarelessNet
    with pytest.raises(GateError, match="rows differ by more than"):
        proved(fitted, fitted.to_onnx())


class ForgetfulNet(LSTMNet):
    """Lets the graph take the state after the last step of T, as a traced LSTM does, rather than of each row."""

    def emit(self, symbols: Symbols) -> Emitted:
        emitted = super().emit(symbols)
        for node in emitted.margin.graph._nodes:
            if node.op_type == "LSTM":
                node.input[4] = ""
        return emitted


def test_the_gate_refuses_an_lstm_that_reads_its_state_after_the_padding() -> None:
    fitted = network("lstm", epochs=1)
    fitted.net.__class__ = ForgetfulNet
    with pytest.raises(GateError, match="rows differ by more than"):
        proved(fitted, fitted.to_onnx())


class NaiveNet(torch.nn.Module):
    """Two LSTM layers and the last step, as tutorials have it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.LSTM(3, 6, batch_first=True), torch.nn.LSTM(6, 5, batch_first=True)
        self.last = torch.nn.Linear(5, 1)

    def forward(self, sequence: Any, lengths: Any) -> Any:
        steps, _ = self.second(self.first(torch.nan_to_num(sequence) / 1000)[0])
        return torch.sigmoid(self.last(steps[:, -1]))[:, 0] + 0 * lengths


@pytest.mark.acceptance
@pytest.mark.filterwarnings("ignore")  # torch's own, about its own tracing
def test_the_gate_refuses_a_traced_lstm_although_it_declares_every_length() -> None:
    pytest.importorskip("onnxscript", reason="torch traces by it")
    net, steps = NaiveNet().eval(), dataset(HISTORY).batch.history[0].shape[1]
    program = torch.onnx.export(
        net,
        (torch.rand(2, steps, 3), torch.tensor([steps, steps])),
        input_names=["sequence", "lengths"],
        output_names=["score"],
        dynamic_shapes={"sequence": {0: "N", 1: "T"}, "lengths": {0: "N"}},
        external_data=False,
        verbose=False,
    )
    assert program is not None
    data, graph = dataset(HISTORY), program.model_proto
    assert [side.dim_param for side in graph.graph.input[0].type.tensor_type.shape.dim][:2] == ["N", "T"]
    with pytest.raises(GateError, match=r"it fails on sequence|rows differ by more than"):
        prove(
            graph.SerializeToString(),
            subject="traced",
            inputs=data.inputs,
            score=ScoreContract(meaning="test"),
            samples=data.batch,
        )


def proved(fitted: FittedNetwork, graph: ModelProto) -> None:
    data = dataset(HISTORY)
    prove(
        graph.SerializeToString(),
        subject="test",
        inputs=data.inputs,
        score=ScoreContract(meaning="test", extras=tuple(fitted.extras(data.batch.take(slice(0, 1))))),
        samples=data.batch,
        reference=lambda batch: {"score": fitted.predict(batch), **fitted.extras(batch)},
    )
