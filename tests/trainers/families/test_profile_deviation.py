"""A purchase against its buyer's history: the measures as a person would calculate them, and at their limits."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from scoreline_registry.documents.contract import Feature, InputContract, SequenceContract
from scoreline_registry.documents.ragged import SEQUENCE
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.anomaly.profile import AmountZ, HourRarity, Rarity
from scoreline_trainers.families.anomaly.profile_deviation import FittedProfileDeviation, ProfileDeviationConfig
from scoreline_trainers.gate.probes import with_garbage
from scoreline_trainers.graph.scorer import OnnxScorer
from tests.trainers.tables import PURCHASES, dataset, fit

NAN = math.nan


@pytest.fixture(scope="module")
def fitted() -> FittedProfileDeviation:
    model = fit("profile_deviation", dataset(PURCHASES))
    assert isinstance(model, FittedProfileDeviation)
    return model


def one(now: tuple[float, ...], *past: tuple[float, ...]) -> Batch:
    return Batch(np.array([now], np.float32), np.array([past], np.float32), np.array([len(past)], np.int64))


def both(fitted: FittedProfileDeviation, batch: Batch) -> dict[str, float]:
    """Every output for one row, after holding the graph against the native model."""
    found = OnnxScorer(fitted.to_onnx().SerializeToString()).run(batch)
    native = {"score": fitted.predict(batch), **fitted.extras(batch)}
    for name, values in native.items():
        np.testing.assert_allclose(found[name], values, atol=1e-6, rtol=1e-6)
    return {name: float(values[0]) for name, values in native.items()}


def test_the_measures_are_what_a_person_calculates(fitted: FittedProfileDeviation) -> None:
    amount, category, hour, payment = (part.measure for part in fitted.parts)
    assert isinstance(amount, AmountZ)
    assert isinstance(category, Rarity)
    assert isinstance(hour, HourRarity)
    assert isinstance(payment, Rarity)
    past = ((10.0, 5001, 9.0, 0), (NAN, 5001, 10.5, 1), (20.0, 5002, NAN, 0), (40.0, 5001, 23.5, NAN))
    found = both(fitted, one((80.0, 1.0, 0.5, 1.0), *past))
    logs = [math.log(11), math.log(21), math.log(41)]
    centre = (3 * logs[1] + 5 * amount.centre) / 8
    mad = sorted(abs(value - logs[1]) for value in logs)[1]
    spread = (3 * 1.4826 * mad + 5 * amount.spread) / 8
    assert found["amount_z"] == pytest.approx((math.log(81) - centre) / spread)
    share = dict(zip(category.values.tolist(), category.shares.tolist(), strict=True))[5001.0]
    assert found["category_rarity"] == pytest.approx(-math.log((3 + 5 * share) / 9))
    near = (1 - 1 / 3) / 3
    assert found["hour_rarity"] == pytest.approx(-math.log((near + 5 * hour.shares[0]) / 8))
    share = dict(zip(payment.values.tolist(), payment.shares.tolist(), strict=True))[1.0]
    assert found["payment_rarity"] == pytest.approx(-math.log((1 + 5 * share) / 8))


def test_what_is_missing_is_not_unusual(fitted: FittedProfileDeviation) -> None:
    found = both(fitted, one((NAN,) * 4, (10.0, 5001, 9.0, 0)))
    del found["score"]
    assert set(found.values()) == {0.0}


def test_without_history_the_population_decides(fitted: FittedProfileDeviation) -> None:
    amount = fitted.parts[0].measure
    assert isinstance(amount, AmountZ)
    usual = both(fitted, one((math.exp(amount.centre) - 1, 1.0, 9.0, 0.0), (NAN,) * 4))
    assert usual["amount_z"] == pytest.approx(0, abs=1e-4)
    strange = both(fitted, one((1e6, 1.0, 9.0, 0.0), (NAN,) * 4))
    assert strange["amount_z"] > 3
    assert strange["score"] > usual["score"]


def test_a_longer_history_convinces_more(fitted: FittedProfileDeviation) -> None:
    now, habit = (200.0, 3.0, 3.0, 2.0), (10.0, 5001.0, 12.0, 0.0)
    scores = [both(fitted, one(now, *[habit] * count)) for count in (1, 5, 30)]
    for name in ("amount_z", "category_rarity", "hour_rarity", "payment_rarity", "score"):
        values = [score[name] for score in scores]
        assert values == sorted(set(values)), name


def test_a_habit_of_one_constant_amount_has_a_spread_nevertheless(fitted: FittedProfileDeviation) -> None:
    found = both(fitted, one((10.0, 1.0, 9.0, 0.0), *[(10.0, 5001.0, 9.0, 0.0)] * 90))
    assert abs(found["amount_z"]) < 2
    assert both(fitted, one((1e9, 1.0, 9.0, 0.0), *[(10.0, 5001.0, 9.0, 0.0)] * 90))["amount_z"] == 20


def test_an_unseen_category_is_rarer_than_any_other(fitted: FittedProfileDeviation) -> None:
    habit = (10.0, 5001.0, 9.0, 0.0)
    category = fitted.inputs.features[1]
    rarities = [
        both(fitted, one((10.0, float(code), 9.0, 0.0), habit))["category_rarity"]
        for code in range(len(category.vocabulary) + 1)
    ]
    assert max(rarities) == rarities[-1]


def test_hours_are_around_the_clock(fitted: FittedProfileDeviation) -> None:
    late, noon = (10.0, 5001.0, 23.9, 0.0), (10.0, 5001.0, 12.0, 0.0)
    after_midnight = (10.0, 1.0, 0.1, 0.0)
    assert (
        both(fitted, one(after_midnight, late))["hour_rarity"] < both(fitted, one(after_midnight, noon))["hour_rarity"]
    )


@pytest.mark.parametrize("steps", [1, 2, 30, 90])
def test_any_number_of_steps_with_any_padding(fitted: FittedProfileDeviation, steps: int) -> None:
    draw = np.random.default_rng(steps)
    sequence = draw.lognormal(2, 1, (40, steps, 4)).astype(np.float32)
    sequence[draw.random(sequence.shape) < 0.2] = np.nan
    now = draw.lognormal(2, 1, 40), draw.integers(0, 9, 40), draw.uniform(0, 24, 40), draw.integers(0, 3, 40)
    batch = Batch(np.stack(now, axis=1).astype(np.float32), sequence, draw.integers(1, steps, 40, endpoint=True))
    scorer = OnnxScorer(fitted.to_onnx().SerializeToString())
    for one_batch in (batch, with_garbage(batch, SEQUENCE, extra=3)):
        np.testing.assert_allclose(scorer.score(one_batch), fitted.predict(batch), atol=1e-6)
        np.testing.assert_allclose(fitted.predict(one_batch), fitted.predict(batch), atol=1e-12)


def test_given_weights_are_taken_as_they_are() -> None:
    weights = {"amount_above": 1.0, "payment_rarity": 0.5}
    fitted = fit("profile_deviation", dataset(PURCHASES), weights=weights, bias=-3.0)
    assert isinstance(fitted, FittedProfileDeviation)
    found = both(fitted, one((80.0, 1.0, 0.5, 1.0), (10.0, 5001.0, 9.0, 0.0)))
    margin = max(found["amount_z"], 0) + 0.5 * found["payment_rarity"] - 3
    assert found["score"] == pytest.approx(1 / (1 + math.exp(-margin)))


def test_a_role_may_be_left_out() -> None:
    fitted = fit("profile_deviation", dataset(PURCHASES), category=None, hour=None, log_amount=False)
    assert fitted.extras(dataset(PURCHASES).batch).keys() == {"amount_z", "payment_rarity"}
    assert isinstance(fitted, FittedProfileDeviation)
    both(fitted, one((80.0, 1.0, 0.5, 1.0), (10.0, 5001.0, 9.0, 0.0)))


def test_categories_that_are_plain_numbers_are_compared_as_they_are() -> None:
    inputs = InputContract(
        features=(Feature(name="amount"), Feature(name="category")),
        sequence=SequenceContract(features=("amount", "category"), max_length=3),
    )
    draw = np.random.default_rng(0)
    sequence = np.stack([draw.lognormal(size=(60, 3)), draw.integers(4000, 4005, (60, 3))], axis=2).astype(np.float32)
    batch = Batch(sequence[:, 0], sequence, np.full(60, 3, np.int64))
    data = Dataset(inputs, batch, draw.integers(0, 2, 60).astype(np.int8))
    fitted = fit("profile_deviation", data, past={}, hour=None, payment=None)
    assert isinstance(fitted, FittedProfileDeviation)
    assert fitted.parts[1].names is None
    same = both(fitted, one((1.0, 4003.0), (1.0, 4003.0)))
    other = both(fitted, one((1.0, 4003.0), (1.0, 4004.0)))
    assert same["category_rarity"] < other["category_rarity"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amount": "price"}, "learns from the amount's feature 'price', which is not among amount, category"),
        ({"past": {}}, "learns from the amount's step feature 'amount', which is not among past_amount"),
    ],
)
def test_a_role_that_nothing_plays_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(FitError, match=message):
        fit("profile_deviation", dataset(PURCHASES), **options)


def test_a_weight_of_a_role_that_is_null_is_refused() -> None:
    with pytest.raises(ValidationError, match="'hour_rarity', whose role is null"):
        ProfileDeviationConfig(hour=None, weights={"hour_rarity": 1.0})
