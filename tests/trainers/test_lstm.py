import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

from tests.trainers.tables import BOTH, HISTORY, dataset, fit

from scoreline_trainers.batch import Batch
from scoreline_trainers.families.base import Fitted
from scoreline_trainers.families.lstm import FittedLSTM
from scoreline_trainers.probes import with_garbage
from scoreline_trainers.scorer import OnnxScorer


@pytest.fixture(scope="module", params=["history", "history and features"])
def fitted(request: pytest.FixtureRequest) -> Fitted:
    return fit("lstm", dataset(HISTORY if request.param == "history" else BOTH))


def batch_of(fitted: Fitted, steps: int, *, rows: int = 5) -> Batch:
    assert isinstance(fitted, FittedLSTM)
    draw = np.random.default_rng(steps)
    features = draw.normal(40, 20, (rows, 2)).astype(np.float32) if fitted.design else None
    sequence = draw.normal(100, 50, (rows, steps, 3)).astype(np.float32)
    return Batch(features, sequence, np.full(rows, steps, np.int64))


@pytest.mark.parametrize("steps", [1, 2, 9, 40])
def test_the_graph_takes_any_number_of_steps(fitted: Fitted, steps: int) -> None:
    batch = batch_of(fitted, steps)
    scorer = OnnxScorer(fitted.to_onnx().SerializeToString())
    np.testing.assert_allclose(scorer.score(batch), fitted.predict(batch), atol=1e-6)


def test_padding_of_any_kind_changes_nothing(fitted: Fitted) -> None:
    scorer = OnnxScorer(fitted.to_onnx().SerializeToString())
    for steps in (1, 4):
        batch = batch_of(fitted, steps)
        padded = with_garbage(batch, extra_steps=3)
        np.testing.assert_allclose(scorer.score(padded), scorer.score(batch), atol=1e-7)
        np.testing.assert_allclose(fitted.predict(padded), fitted.predict(batch), atol=1e-7)


def test_a_missing_step_value_is_not_the_same_as_a_usual_one(fitted: Fitted) -> None:
    batch = batch_of(fitted, 4)
    sequence = batch.history[0].copy()
    sequence[:, -1, 0] = np.nan
    assert isinstance(fitted, FittedLSTM)
    usual = sequence.copy()
    usual[:, -1, 0] = fitted.steps.fill[0]
    missing, filled = (fitted.predict(batch.replace(sequence=part)) for part in (sequence, usual))
    assert np.abs(missing - filled).max() > 1e-5


def test_other_seeds_give_other_models() -> None:
    data = dataset(HISTORY)
    one, other = (fit("lstm", data, seed=seed, epochs=1).predict(data.batch) for seed in (0, 1))
    assert np.abs(one - other).max() > 1e-3
