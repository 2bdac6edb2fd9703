"""What ten labelled rows are worth, and what the families of heads ask for."""

from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

from pydantic import ValidationError

from scoreline_trainers.adaptation.new_segment import with_segment
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.few_shot.episodes import Pool
from scoreline_trainers.families.few_shot.few_shot import FittedFewShot, emit_places
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.graph.tensor import Tensor
from tests.benchmarks.shots import Estimate, Outcome, play
from tests.trainers.tables import FEW_SHOT, fit
from tests.trainers.worlds import WORLD, odd_segment, segments

# Enough to learn three causes from; everything else as it is by default.
QUICK: dict[str, Any] = {"epochs": 40, "patience": 8, "learning_rate": 0.005}


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    configs = {"mlp": {"hidden": (64, 64), **QUICK}, "transfer": QUICK, "multitask": QUICK, "maml": QUICK}
    played = play(segments(16, 250), [odd_segment(1000)], WORLD, "segment", configs=configs)
    return {family: each for family, (each,) in played.items()}


@pytest.mark.parametrize("family", FEW_SHOT)
def test_ten_rows_of_a_strange_segment_beat_the_global_model(outcomes: dict[str, Outcome], family: str) -> None:
    played = outcomes[family]
    assert len(played.adapted) == 20
    assert Estimate.of(played.adapted - played.general).low > 0.02
    assert Estimate.of(played.adapted - played.without).low > 0.02


def test_an_interval_is_students() -> None:
    estimate = Estimate.of([1.0, 2.0, 3.0, 4.0])
    assert estimate.mean == 2.5
    assert estimate.high - 2.5 == pytest.approx(3.1824 * np.sqrt(5 / 3) / 2, rel=1e-4)


def world(rows: int = 40, count: int = 3) -> Dataset:
    return Dataset.from_table(segments(count, rows), WORLD)


@pytest.mark.parametrize("family", FEW_SHOT)
def test_known_segments_have_heads_of_their_own(family: str) -> None:
    fitted = fit(family, world(), segment="segment")
    assert isinstance(fitted, FittedFewShot)
    assert fitted.heads.shape == (4, 7)
    assert len(np.unique(fitted.heads, axis=0)) == 4


@pytest.mark.parametrize("family", FEW_SHOT)
def test_the_body_does_not_see_the_segment(family: str) -> None:
    data = world()
    fitted = fit(family, data, segment="segment")
    assert isinstance(fitted, FittedFewShot)
    assert fitted.design.width == 6
    heads = fitted.heads.copy()
    heads[:] = heads[-1]
    one = FittedFewShot(
        fitted.inputs, fitted.feature, fitted.segments, fitted.design, fitted.body, heads, fitted.rule, fitted.epochs
    )
    table = data.batch.table.copy()
    table[:, -1] = 0
    np.testing.assert_array_equal(one.predict(data.batch), one.predict(data.batch.replace(features=table)))


def test_a_name_that_no_row_has_starts_at_the_fallback() -> None:
    inputs = with_segment(world().inputs, "segment", "s99")
    data = Dataset.from_table(segments(3, 40), WORLD, inputs=inputs)
    for family in ("transfer", "maml"):
        fitted = fit(family, data, segment="segment")
        assert isinstance(fitted, FittedFewShot)
        np.testing.assert_array_equal(fitted.heads[3], fitted.heads[-1])


def test_first_and_second_order_differ() -> None:
    heads = []
    for order in (1, 2):
        fitted = fit("maml", world(), segment="segment", order=order, epochs=2)
        assert isinstance(fitted, FittedFewShot)
        heads.append(fitted.heads)
    assert np.abs(heads[0] - heads[1]).max() > 1e-4


@pytest.mark.parametrize("family", FEW_SHOT)
def test_what_cannot_be_learned_from_is_said(family: str) -> None:
    with pytest.raises(FitError, match="learns from segments in the feature 'tier'"):
        fit(family, world(), segment="tier")
    with pytest.raises(FitError, match="learns from segments in 'a', a number"):
        fit(family, world(), segment="a")
    alone = WORLD.model_copy(update={"features": WORLD.features[-1:]})
    with pytest.raises(FitError, match="learns from features beside the segment 'segment'"):
        fit(family, Dataset.from_table(segments(3, 40), alone), segment="segment")
    with pytest.raises(ValidationError, match="segment"):
        FAMILIES[family].config_type()


def test_maml_needs_segments_with_rows_to_spare() -> None:
    with pytest.raises(FitError, match="learns from two or more segments of more than 10 rows each"):
        fit("maml", world(rows=9), segment="segment")


def test_no_row_is_both_support_and_query_of_an_episode() -> None:
    members = {0: np.arange(30), 1: np.arange(30, 75), 2: np.arange(75, 80)}
    held_out = np.random.default_rng(0).permutation(80)[:24]
    train, validation = Pool.split(members, held_out)
    assert train.able(10) == validation.able(10) == [0, 1]
    for pool in (train, validation):
        support, query = pool.episodes(200, shots=10, queries=20, draw=np.random.default_rng(0))
        assert (support.shape, query.shape) == ((200, 10), (200, 20))
        places = np.where(support[:, 0] < 30, 0, 1)
        assert 60 < places.sum() < 180
        for rows, others, place in zip(support.tolist(), query.tolist(), places.tolist(), strict=True):
            assert len(set(rows)) == 10
            assert {*rows, *others} <= set(members[place].tolist())
            assert not set(rows) & set(others)
    queried = set(np.concatenate([validation.query[0], validation.query[1]]).tolist())
    assert queried <= set(held_out.tolist())
    assert not queried & set(np.concatenate([train.support[0], train.support[1]]).tolist())


@pytest.mark.parametrize("family", FEW_SHOT)
def test_a_segment_with_few_rows_is_no_obstacle(family: str) -> None:
    rare = pl.concat([segments(3, 60), odd_segment(3, name="rare")])
    fitted = fit(family, Dataset.from_table(rare, WORLD), segment="segment")
    assert np.isfinite(fitted.predict(Dataset.from_table(rare, WORLD).batch)).all()


@pytest.mark.parametrize("heads", [1, 4])
def test_the_heads_themselves_say_which_is_the_fallback(heads: int) -> None:
    data = world()
    graph = GraphBuilder(data.inputs)
    parameter = Tensor(graph, graph.parameter("heads", np.zeros((heads, 2)), np.float32), np.float32)
    places = emit_places(parameter, 6).cast(np.float32)
    scorer = OnnxScorer(graph.build(places.name).SerializeToString())
    codes = np.array([0, 1, 2, 3, 77, np.nan, -1], np.float32)
    table = np.zeros((7, 7), np.float32)
    table[:, 6] = codes
    last = heads - 1
    expected = [min(place, last) for place in (0, 1, 2, last, last, last, last)]
    np.testing.assert_array_equal(scorer.score(Batch(features=table)), expected)
