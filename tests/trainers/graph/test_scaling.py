"""Numbers brought to scale, natively and in a graph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import skew

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch, Float32
from scoreline_trainers.families.logistic import FittedLogistic
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.scaling import KNOTS, Scaling, ScalingMethod
from scoreline_trainers.graph.scorer import OnnxScorer

METHODS: tuple[ScalingMethod, ...] = ("auto", "standard", "quantile", "log")

draw = np.random.default_rng(0)
ROWS = 2000
LEARNED = np.stack(
    [
        draw.normal(40, 10, ROWS),
        draw.lognormal(8, 2, ROWS) * draw.choice([-1, 1], ROWS),
        np.where(draw.random(ROWS) < 0.9, 0, draw.choice([1, 2, 3, 98], ROWS)),
        np.where(draw.random(ROWS) < 0.2, np.nan, draw.lognormal(0, 1, ROWS)),
    ],
    axis=1,
).astype(np.float32)
FEATURES = tuple(Feature(name=name) for name in "abcd")


def scaling_of(*columns: int, method: ScalingMethod) -> Scaling:
    return Scaling.fit(LEARNED[:, columns], method)


def linear(method: ScalingMethod) -> FittedLogistic:
    design = Design.fit(LEARNED, FEATURES, scaling=method)
    weights = np.random.default_rng(1).normal(size=design.width)
    return FittedLogistic(InputContract(features=FEATURES), design, weights, 0.1)


MODELS = {method: linear(method) for method in METHODS}
SCORERS = {method: OnnxScorer(model.to_onnx().SerializeToString()) for method, model in MODELS.items()}
anything = st.floats(width=32) | st.sampled_from(LEARNED[:4].ravel().tolist())


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=30)
@given(rows=st.lists(st.tuples(*[anything] * 4), min_size=1, max_size=20))
def test_the_graph_scales_any_float_as_the_native_side_does(method: ScalingMethod, rows: list[list[float]]) -> None:
    batch = Batch(features=np.array(rows, np.float32))
    np.testing.assert_allclose(SCORERS[method].score(batch), MODELS[method].predict(batch), atol=1e-7)


def test_auto_bends_the_columns_whose_tails_are_long() -> None:
    assert MODELS["auto"].design.scaling.bend.methods == ("standard", "log", "quantile", "log")
    steps = Scaling.fit(LEARNED, "auto", curved=False)
    assert steps.bend.methods == ("standard", "log", "log", "log")


def test_quantiles_make_any_distribution_nearly_normal() -> None:
    amounts = LEARNED[:, [1, 3]][~np.isnan(LEARNED[:, 3])]
    scaled = Scaling.fit(amounts, "quantile").apply(amounts)
    assert np.abs(skew(amounts, axis=0)).min() > 3
    assert np.abs(skew(scaled, axis=0)).max() < 0.1
    np.testing.assert_allclose(np.quantile(scaled, [0.16, 0.5, 0.84], axis=0).T, [[-1, 0, 1]] * 2, atol=0.07)


def test_the_logarithm_has_the_sign_and_the_unit_of_its_column() -> None:
    scaling = Scaling.fit(np.array([[-2], [0], [2], [2], [-2], [1e4]], np.float32), "log")
    raw = scaling.apply(np.array([[-2], [0], [2]], np.float32)) * scaling.scale + scaling.centre
    np.testing.assert_allclose(raw[:, 0], [-np.log(2), 0, np.log(2)], atol=1e-12)


def test_a_value_of_many_rows_and_the_rarest_ones_are_knots() -> None:
    column: Float32 = np.where(draw.random(ROWS) < 0.9, 0, draw.lognormal(0, 1, ROWS)).astype(np.float32)
    curves = Scaling.fit(column[:, None], "quantile").bend.curves
    assert curves is not None
    assert KNOTS - 3 <= len(curves.knots[0]) <= KNOTS
    assert {0.0, float(column.max())} <= set(curves.knots[0].tolist())
    assert (np.diff(curves.heights[0]) >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_columns_without_a_spread_are_harmless(method: ScalingMethod) -> None:
    scaling = Scaling.fit(np.array([[np.nan, 7, np.inf]] * 3, np.float32), method)
    assert (np.abs(scaling.apply(np.array([[np.nan, 7, np.inf], [1, 8, -np.inf]], np.float32))) <= 20).all()
