"""The server splits, holds out, matches and falls back exactly as the route says."""

import grpc
import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Feature
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner
from tests.server.conftest import StubOf
from tests.server.routes import ROUTE, apply
from tests.server.toys import fragile_model, publish_linear, sigmoid
from tests.server.wire import entity, named, packed, reason_of

SPLIT = """
route: credit
schema:
  features: {income: number, age: number, debt: number}
rules:
  - when: {segment: {in: [premium, private]}}
    split: {other@1: 100}
  - split: {linear@champion: 70, other@champion: 30}
holdout: 10
"""


@pytest.fixture
def split(registry: Registry) -> Registry:
    """Two models that answer 0.73 and 0.27 for an income of 1, split 70/30 with a holdout and a rule."""
    publish_linear(registry, "linear", (1.0, 0.0, 0.0), aliases=("champion",))
    publish_linear(registry, "other", (-1.0, 0.0, 0.0), aliases=("champion",))
    apply(registry, SPLIT)
    return registry


def test_every_unit_gets_the_arm_that_the_registry_assigns_offline(split: Registry, stub_of: StubOf) -> None:
    ids = [f"customer-{i}" for i in range(1000)]
    scores = stub_of().Score(named(*(entity(i, income=1.0) for i in ids))).scores
    assigner = Assigner(split.latest().routes["credit"])
    expected = [assigner.assign(i) for i in ids]
    assert [s.arm for s in scores] == [e.arm for e in expected]
    assert [pb.Reason.Name(s.reason) for s in scores] == [f"REASON_{e.reason}" for e in expected]
    assert {pb.Reason.Name(s.reason) for s in scores} == {"REASON_SPLIT", "REASON_HOLDOUT"}
    by_arm = {"linear@champion": float(sigmoid(1)), "other@champion": float(sigmoid(-1))}
    assert [s.score for s in scores] == pytest.approx([by_arm[s.arm] for s in scores], abs=1e-6)


def test_a_rule_decides_by_context(split: Registry, stub_of: StubOf) -> None:
    segments = ["premium", "private", "retail"]
    scores = stub_of().Score(named(*(entity("b", income=1.0, context={"segment": s}) for s in segments))).scores
    reasons = [pb.Reason.Name(s.reason) for s in scores]
    assert reasons[:2] == ["REASON_RULE_MATCH"] * 2
    assert reasons[2] == "REASON_SPLIT"
    assert scores[0].arm == "other@1"


def test_one_context_serves_all_rows_of_a_packed_call(split: Registry, stub_of: StubOf) -> None:
    stub = stub_of()
    request = packed(stub.GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest, [[1, 20, 3]] * 5)
    request.packed.contexts.add().values["segment"].text = "private"
    answer = stub.Score(request).packed
    reasons = np.frombuffer(answer.reasons, np.uint8)
    held = reasons == pb.REASON_HOLDOUT
    assert set(reasons[~held].tolist()) == {pb.REASON_RULE_MATCH}


def test_an_entity_without_the_unit_of_a_split_fails_alone(split: Registry, stub_of: StubOf) -> None:
    scores = stub_of().Score(named(entity("", income=1.0), entity("b", income=1.0))).scores
    assert [score.error.reason for score in scores] == ["MISSING_UNIT", ""]


def test_the_unit_may_be_a_context_value(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "other", aliases=("champion",))
    apply(registry, SPLIT.replace("holdout: 10", "unit: context.household").replace("other@1", "other@champion"))
    entities = [entity(str(i), income=1.0, context={"household": "h7"}) for i in range(40)]
    scores = stub_of().Score(named(*entities, entity("x", income=1.0))).scores
    assert len({score.arm for score in scores[:40]}) == 1
    assert scores[40].error.reason == "MISSING_UNIT"


def test_a_failing_model_is_replaced_by_the_fallback(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=fragile_model())
    publish_linear(registry, "plain", (0.05, 0.0, 0.0), aliases=("champion",))
    apply(registry, ROUTE + "fallback: plain@champion\n")
    stub = stub_of()
    assert stub.Score(named(entity("a", income=9.0))).scores[0].arm == "linear@champion"
    scores = stub.Score(named(entity("a", income=10.0), entity("b", income=20.0))).scores
    assert [score.arm for score in scores] == ["plain@champion"] * 2
    assert {score.reason for score in scores} == {pb.REASON_FALLBACK}
    assert [score.score for score in scores] == pytest.approx(sigmoid([0.5, 1.0]).tolist(), abs=1e-6)


def test_a_failing_model_without_fallback_is_said_in_each_place(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=fragile_model())
    apply(registry)
    scores = stub_of().Score(named(entity("a", income=10.0), entity("b", income=20.0))).scores
    assert [score.error.reason for score in scores] == ["MODEL_FAILED"] * 2


def test_callers_may_go_on_with_an_older_layout(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", (1.0, 0.1, -0.5), aliases=("champion",))
    apply(registry)
    stub = stub_of()
    old = stub.GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest
    before = stub.Score(packed(old, [[1, 20, 2]])).packed
    apply(
        registry,
        ROUTE.replace("income: number, age: number, debt: number", "debt: number, income: number, age: number"),
    )
    newer = stub_of().GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest
    assert newer != old
    after = stub_of().Score(packed(old, [[1, 20, 2]])).packed
    assert after.scores == before.scores


def test_an_older_layout_that_lacks_what_is_required_now_is_stale(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", (1.0, 0.1, -0.5), aliases=("champion",))
    apply(registry)
    old = stub_of().GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest
    wider = (Feature(name="income", required=True), Feature(name="age"), Feature(name="tenure", required=True))
    publish_linear(registry, "wide", features=wider, aliases=("champion",))
    apply(registry, ROUTE.replace("debt: number", "tenure: number").replace("linear@", "wide@"))
    with pytest.raises(grpc.RpcError) as caught:
        stub_of().Score(packed(old, [[1, 20, 2]]))
    assert reason_of(caught.value)[1] == "STALE_SCHEMA"
