"""What a scored entity carries, in both forms."""

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.documents.contract import Band, Feature, Points
from scoreline_registry.registry import Registry
from tests.server.conftest import StubOf
from tests.server.routes import ROUTE, apply
from tests.server.toys import CITY, FEATURES, publish_linear, publish_sequence, sigmoid
from tests.server.wire import entity, named, packed

SEQUENCE_ROUTE = """
route: late
schema:
  sequence: {features: [late, paid], max_length: 30}
rules:
  - split: {steps@champion: 100}
"""


@pytest.fixture
def credit(registry: Registry) -> Registry:
    """A registry that serves route credit by a model with bands, points and an extra output."""
    publish_linear(
        registry,
        "linear",
        (1.0, 0.1, -0.5),
        aliases=("champion",),
        bands=(Band(name="low", from_score=0.0), Band(name="high", from_score=0.5)),
        points=Points(base=600, odds=50, pdo=20),
        extra=True,
    )
    apply(registry)
    return registry


def test_a_named_entity_is_scored_with_all_that_an_answer_carries(
    credit: Registry, stub: rpc.ScoringServiceStub
) -> None:
    response = stub.Score(named(entity("ann", income=1.0, age=20, debt=2.0), extras=["logit"]))
    (score,) = response.scores
    assert score.score == pytest.approx(float(sigmoid(2.0)), abs=1e-6)
    assert (score.band, score.model, score.version, score.arm) == ("high", "linear", 1, "linear@champion")
    assert score.reason == pb.REASON_STATIC
    assert score.prediction_id == f"{response.call_id.hex()}-0"
    assert len(response.call_id) == 12
    assert response.revision == credit.latest().revision
    np.testing.assert_allclose(np.frombuffer(score.extras["logit"].data, "<f4"), [2.0], rtol=1e-6)


def test_points_follow_the_scorecard_formula(credit: Registry, stub: rpc.ScoringServiceStub) -> None:
    even = stub.Score(named(entity("ann", income=-4.0, age=40, debt=0.0))).scores[0]
    assert even.score == pytest.approx(0.5)
    assert even.points == pytest.approx(600 - 20 / np.log(2) * np.log(50))


def test_quality_counts_what_was_not_taken_as_it_came(credit: Registry, stub: rpc.ScoringServiceStub) -> None:
    (score,) = stub.Score(named(entity("ann", income=1.0, debt=None))).scores
    assert (score.quality.missing, score.quality.defaulted, score.quality.clipped) == (1, 1, 0)
    assert score.score == pytest.approx(float(sigmoid(1.0 + 4.0)), abs=1e-6)
    (score,) = stub.Score(named(entity("ann", income=1.0, age=150, debt=0))).scores
    assert (score.quality.missing, score.quality.defaulted, score.quality.clipped) == (0, 0, 1)
    assert score.score == pytest.approx(float(sigmoid(1.0 + 9.9)), abs=1e-6)


def test_packed_and_named_give_the_same_scores(credit: Registry, stub: rpc.ScoringServiceStub) -> None:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(50, 3)).astype(np.float32)
    rows[:, 1] += 40
    rows[::7, 2] = np.nan
    digest = stub.GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest
    by_column = stub.Score(packed(digest, rows.tolist())).packed
    by_name = stub.Score(
        named(*(entity(f"u{i}", income=r[0], age=r[1], debt=r[2]) for i, r in enumerate(rows.tolist())))
    ).scores
    assert np.frombuffer(by_column.scores, "<f4").tolist() == [score.score for score in by_name]
    assert np.frombuffer(by_column.quality, "<u2").reshape(-1, 4)[:, 0].tolist() == [s.quality.missing for s in by_name]
    bands = [by_column.bands[i] for i in np.frombuffer(by_column.band_index, "<u2")]
    assert bands == [score.band for score in by_name]
    assert np.frombuffer(by_column.points, "<f8").tolist() == [score.points for score in by_name]


def test_categories_are_coded_by_the_models_own_vocabulary(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", (1.0, 10.0), features=(FEATURES[0], CITY), aliases=("champion",))
    apply(registry, ROUTE.replace("age: number, debt: number", "city: category"))
    stub = stub_of()
    scores = stub.Score(
        named(*(entity(str(i), income=-10, city=city) for i, city in enumerate(["oslo", "rome", "bonn", None])))
    ).scores
    assert [s.score for s in scores] == pytest.approx(sigmoid([-10, 0, 10, -10]).tolist(), abs=1e-6)
    assert [s.quality.unseen for s in scores] == [0, 0, 1, 0]
    assert [s.quality.missing for s in scores] == [0, 0, 0, 1]


def test_a_model_may_refuse_unseen_categories(registry: Registry, stub_of: StubOf) -> None:
    strict = Feature(name="city", kind="category", vocabulary=("oslo", "rome"), unseen="refuse")
    publish_linear(registry, "linear", (1.0, 10.0), features=(FEATURES[0], strict), aliases=("champion",))
    apply(registry, ROUTE.replace("age: number, debt: number", "city: category"))
    scores = stub_of().Score(named(entity("a", income=1, city="oslo"), entity("b", income=1, city="bonn"))).scores
    assert not scores[0].HasField("error")
    assert (scores[1].error.row, scores[1].error.reason) == (1, "UNKNOWN_CATEGORY")
    assert scores[1].error.metadata == {"feature": "city", "category": "bonn"}


def test_sequences_of_different_lengths_are_scored_together(registry: Registry, stub_of: StubOf) -> None:
    publish_sequence(registry, "steps", (1.0, 2.0), aliases=("champion",))
    apply(registry, SEQUENCE_ROUTE)
    rng = np.random.default_rng(3)
    histories = [rng.normal(size=(length, 2)).round(2) for length in (1, 2, 3, 7, 30, 16)]
    entities = [
        entity(f"u{i}", steps=[{"paid": paid, "late": late} for paid, late in history.tolist()])
        for i, history in enumerate(histories)
    ]
    scores = stub_of().Score(named(*entities, route="late")).scores
    expected = [float(sigmoid((history @ [0.1, 0.2]).sum())) for history in histories]
    assert [s.score for s in scores] == pytest.approx(expected, abs=1e-5)
