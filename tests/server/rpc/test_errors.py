"""Bad input gets the right code with a reason, and harms nobody else."""

import grpc
import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from tests.server.routes import ROUTE, apply
from tests.server.toys import publish_linear, publish_sequence
from tests.server.wire import entity, named, packed, reason_of

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LATE = ROUTE.replace("credit", "late").replace("linear", "steps").replace(
    "features: {income: number, age: number, debt: number}", "sequence: {features: [paid, late], max_length: 3}"
)  # fmt: skip
STEP = {"paid": 1.0, "late": 0.0}


@pytest.fixture(autouse=True)
def routes(registry: Registry) -> None:
    """Routes credit (a linear model that needs income) and late (a sequence model)."""
    publish_linear(registry, "linear", aliases=("champion",))
    publish_sequence(registry, "steps", max_length=3, aliases=("champion",))
    apply(registry)
    apply(registry, LATE)


@pytest.fixture
def digest(routes: None, stub: rpc.ScoringServiceStub) -> str:
    """The digest of route credit's layout."""
    return stub.GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest


def fails(stub: rpc.ScoringServiceStub, request: pb.ScoreRequest) -> tuple[grpc.StatusCode, str]:
    """The code and reason with which the call fails."""
    with pytest.raises(grpc.RpcError) as caught:
        stub.Score(request)
    return reason_of(caught.value)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (entity("b", income=1, salary=2), "UNKNOWN_FEATURE"),
        (entity("b", age=30), "MISSING_FEATURE"),
        (entity("b", income=None), "MISSING_FEATURE"),
        (entity("b", income=float("nan")), "MISSING_FEATURE"),
        (entity("b", income="much"), "WRONG_TYPE"),
        (entity("b", income=float("inf")), "NOT_FINITE"),
        (entity("b", income=1e39), "NOT_FINITE"),
        (entity("b", income=1, steps=[STEP]), "UNEXPECTED_SEQUENCE"),
    ],
)
def test_a_bad_entity_fails_alone_or_fails_its_call(stub: rpc.ScoringServiceStub, bad: pb.Entity, reason: str) -> None:
    assert fails(stub, named(bad)) == (INVALID, reason)
    good = entity("g", income=1)
    scores = stub.Score(named(good, bad, good)).scores
    assert [score.error.reason for score in scores] == ["", reason, ""]
    assert (scores[1].error.row, scores[1].error.code) == (1, INVALID.value[0])
    assert scores[0].score == scores[2].score != 0
    assert scores[1].score == 0


@pytest.mark.parametrize(
    ("steps", "reason"),
    [([], "EMPTY_SEQUENCE"), ([STEP] * 4, "SEQUENCE_TOO_LONG"), ([{"due": 1.0}], "UNKNOWN_FEATURE")],
)
def test_a_bad_history_fails_alone_or_fails_its_call(
    stub: rpc.ScoringServiceStub, steps: list[dict[str, float]], reason: str
) -> None:
    bad = entity("b", steps=steps)
    assert fails(stub, named(bad, route="late")) == (INVALID, reason)
    scores = stub.Score(named(entity("g", steps=[STEP]), bad, entity("h", steps=[STEP] * 3), route="late")).scores
    assert [score.error.reason for score in scores] == ["", reason, ""]
    assert scores[2].score > scores[0].score > 0.5


def test_an_unknown_route_is_not_found(stub: rpc.ScoringServiceStub) -> None:
    assert fails(stub, named(entity("a", income=1), route="nope")) == (grpc.StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND")
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetSchema(pb.GetSchemaRequest(route="nope"))
    assert reason_of(caught.value) == (grpc.StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND")


def test_the_number_of_entities_is_bounded(stub: rpc.ScoringServiceStub, digest: str) -> None:
    one = entity("a", income=1)
    assert fails(stub, named()) == (INVALID, "NO_ENTITIES")
    assert fails(stub, named(*[one] * 1025)) == (INVALID, "TOO_MANY_ENTITIES")
    assert fails(stub, packed(digest, [[1, 2, 3]] * 1025)) == (INVALID, "TOO_MANY_ENTITIES")
    assert len(stub.Score(named(*[one] * 1024)).scores) == 1024


def test_a_layout_that_the_route_never_had_is_stale(stub: rpc.ScoringServiceStub) -> None:
    stale = (grpc.StatusCode.FAILED_PRECONDITION, "STALE_SCHEMA")
    assert fails(stub, packed("0" * 64, [[1, 2, 3]])) == stale
    assert fails(stub, packed("", [[1, 2, 3]])) == stale


def test_blocks_must_have_the_length_that_they_say(stub: rpc.ScoringServiceStub, digest: str) -> None:
    wrong = (INVALID, "WRONG_BLOCK_LENGTH")
    assert fails(stub, packed(digest, [[1, 2]])) == wrong
    assert fails(stub, packed(digest, [[1, 2, 3]], ids=["a", "b"])) == wrong
    extra_steps = packed(digest, [[1, 2, 3]])
    extra_steps.packed.steps = b"\0\0\0\0"
    assert fails(stub, extra_steps) == wrong


@pytest.mark.parametrize(("lengths", "steps"), [([2, -1], 1), ([2], 2), ([2, 2], 3), ([1, 1], 3)])
def test_histories_must_add_up(stub: rpc.ScoringServiceStub, lengths: list[int], steps: int) -> None:
    request = pb.ScoreRequest(
        route="late",
        packed=pb.PackedEntities(
            schema_digest=stub.GetSchema(pb.GetSchemaRequest(route="late")).schema_digest,
            entity_ids=["a", "b"],
            steps=np.ones((steps, 2), "<f4").tobytes(),
            lengths=np.array(lengths, "<i4").tobytes(),
        ),
    )
    assert fails(stub, request) == (INVALID, "WRONG_BLOCK_LENGTH")


def test_packed_rows_fail_alone(stub: rpc.ScoringServiceStub, digest: str) -> None:
    answer = stub.Score(packed(digest, [[1, 2, 3], [np.nan, 2, 3], [np.inf, 2, 3], [4, 2, 3]])).packed
    assert [(error.row, error.reason) for error in answer.errors] == [(1, "MISSING_FEATURE"), (2, "NOT_FINITE")]
    scores = np.frombuffer(answer.scores, "<f4")
    assert np.isnan(scores).tolist() == [False, True, True, False]


def test_both_forms_at_once_are_refused(stub: rpc.ScoringServiceStub, digest: str) -> None:
    both = packed(digest, [[1, 2, 3]])
    both.entities.append(entity("a", income=1))
    assert fails(stub, both) == (INVALID, "TWO_FORMS")


def test_an_extra_that_no_arm_has_is_refused(stub: rpc.ScoringServiceStub) -> None:
    assert fails(stub, named(entity("a", income=1), extras=["shap"])) == (INVALID, "UNKNOWN_EXTRA")


def test_bytes_that_are_no_message_are_refused(channel: grpc.Channel) -> None:
    raw: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/scoreline.v1.ScoringService/Score")
    with pytest.raises(grpc.RpcError) as caught:
        raw(b"\xff\xff\xff\xff")
    assert reason_of(caught.value) == (INVALID, "MALFORMED_MESSAGE")


def test_a_method_that_does_not_exist_is_unimplemented(channel: grpc.Channel) -> None:
    guess: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/scoreline.v1.ScoringService/Guess")
    with pytest.raises(grpc.RpcError) as caught:
        guess(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
