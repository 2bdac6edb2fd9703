"""Both clients against a real server."""

from typing import Any

import grpc
import numpy as np
import pytest

import scoreline
from scoreline import Entity, Health, Reason
from tests.clients.conftest import Connect
from tests.clients.sums import Running, Sums, fail, hold, make_schema

Client = scoreline.Client


@pytest.fixture
def sums(running: Running) -> Sums:
    return running.sums


def test_a_score_says_who_gave_it_and_why(client: Client) -> None:
    score = client.score("credit", {"income": 20.0, "age": 30.0, "status": "ok"}, entity_id="c-1", extras=["members"])
    assert score.score == 70.0
    assert (score.band, score.points) == ("low", 140.0)
    assert (score.model, score.version, score.arm, score.reason) == ("credit", 3, "credit@champion", Reason.SPLIT)
    assert (score.revision, score.prediction_id) == (7, "000102030405060708090a0b-0")
    assert score.quality == scoreline.DataQuality(missing=1, defaulted=2, unseen=3, clipped=4)
    np.testing.assert_array_equal(score.extras["members"], np.array([70, -70], np.float32))
    assert score.model_digest == "ab" * 32


def test_what_a_model_has_not_is_none(client: Client) -> None:
    score = client.score("credit", {"income": -1.0})
    assert (score.band, score.points, score.extras) == (None, None, {})


def test_the_schema_is_asked_for_once(client: Client, sums: Sums) -> None:
    for _ in range(3):
        client.score("credit", {"income": 1.0})
    schema = client.schema("credit")
    assert (sums.schema_calls, schema.numbers, schema.categories) == (1, ("income", "age"), ("status",))
    client.schema("credit", refresh=True)
    assert sums.schema_calls == 2


def test_sequences_and_contexts_reach_the_server(client: Client, sums: Sums) -> None:
    sums.schema = make_schema(steps=("spend", "visits"))
    by_name = client.score("credit", {}, sequence=[{"spend": 1.0}, {"visits": 2.0}], context={"segment": "premium"})
    by_array = client.score("credit", {}, sequence=np.array([[1.0, np.nan], [np.nan, 2.0]]))
    assert by_name.score == by_array.score == 300.0
    assert sums.requests[0].packed.contexts[0].values["segment"].text == "premium"


def test_neighbors_reach_the_server(client: Client, sums: Sums) -> None:
    sums.schema = make_schema(neighbors=("late", "age"))
    around = np.array([[1.0, np.nan], [np.nan, 2.0]])
    by_name = client.score("credit", {"income": 5.0}, neighbors=[{"late": 1.0}, {"age": 2.0}])
    assert by_name.score == client.score("credit", {"income": 5.0}, neighbors=around).score == 3005.0
    assert client.score("credit", {"income": 5.0}).score == 5.0
    many = client.score_many("credit", {}, neighbors=np.stack([around] * 3), neighbor_counts=[2, 0, 1])
    assert many.scores.tolist() == [3000.0, 0.0, 1000.0]


def test_ten_thousand_rows_come_back_in_order(client: Client, sums: Sums) -> None:
    income = np.arange(10_000, dtype=np.float64)
    ids = [f"c-{row}" for row in range(10_000)]
    ids[4321] = "bad"
    scores = client.score_many("credit", {"income": income}, entity_ids=ids, request_id="night")
    expected = income.astype(np.float32)
    expected[4321] = np.nan
    np.testing.assert_array_equal(scores.scores, expected)
    assert [len(request.packed.entity_ids) for request in sums.requests].count(1024) == 9
    assert {request.request_id for request in sums.requests} == {f"night-{start}" for start in range(0, 10_000, 1024)}
    assert sums.most_at_once <= 2
    assert list(scores.errors) == [4321]
    assert (scores[4321].error, scores[4321].model) == (scores.errors[4321], "")


def test_entities_and_columns_get_the_same_scores(client: Client) -> None:
    entities = [Entity(entity_id=f"c-{i}", features={"income": float(i), "status": "x" * (i % 3)}) for i in range(2000)]
    by_row = client.score_many("credit", entities)
    by_column = client.score_many(
        "credit",
        {"income": [float(i) for i in range(2000)], "status": np.array(["x" * (i % 3) for i in range(2000)])},
        entity_ids=[f"c-{i}" for i in range(2000)],
    )
    np.testing.assert_array_equal(by_row.scores, by_column.scores)
    assert [score.score for score in by_row] == by_row.scores.tolist()


def test_extras_of_many_rows_keep_their_places(client: Client) -> None:
    scores = client.score_many("credit", {"income": np.arange(1500.0)}, extras=["members"])
    members = [score.extras.get("members") for score in scores]
    assert members[1] is None
    assert members[1498] is not None
    assert members[1498].tolist() == [1498.0, -1498.0]


def test_long_histories_are_cut_by_bytes(client: Client, sums: Sums) -> None:
    sums.schema = make_schema(steps=tuple(f"s{i}" for i in range(20)))
    sequences = np.ones((600, 90, 20), np.float32)
    scores = client.score_many("credit", {}, sequences=sequences)
    assert scores.scores.tolist() == [100 * 90 * 20] * 600
    assert len(sums.requests) == 2
    assert max(request.ByteSize() for request in sums.requests) < 4 * 1024 * 1024


def test_no_rows_get_no_scores(client: Client, sums: Sums) -> None:
    assert len(client.score_many("credit", [])) == 0
    assert sums.requests == []


def test_a_bad_entity_fails_alone_and_in_its_place(client: Client) -> None:
    entities = [Entity(entity_id=name, features={"income": 5.0}) for name in ("a", "bad", "c")]
    scores = client.score_many("credit", entities)
    assert scores.scores[[0, 2]].tolist() == [5.0, 5.0]
    error = scores.errors[1]
    assert isinstance(error, scoreline.EntityFailedError)
    assert (error.row, error.reason, error.metadata, error.code) == (
        1, "MISSING_FEATURE", {"feature": "age"}, scoreline.Code.INVALID_ARGUMENT,
    )  # fmt: skip


def test_the_error_of_one_entity_is_raised(client: Client) -> None:
    with pytest.raises(scoreline.EntityFailedError, match="'age' is required"):
        client.score("credit", {}, entity_id="bad")


def test_a_call_that_fails_for_its_only_entity_is_that_entity_s_error(client: Client, sums: Sums) -> None:
    sums.plan.extend([fail(grpc.StatusCode.INVALID_ARGUMENT, "MISSING_FEATURE", text="'age' is required")] * 2)
    with pytest.raises(scoreline.EntityFailedError, match="'age' is required") as caught:
        client.score("credit", {})
    scores = client.score_many("credit", [Entity()])
    assert (caught.value.reason, caught.value.code) == ("MISSING_FEATURE", scoreline.Code.INVALID_ARGUMENT)
    assert isinstance(scores.errors[0], scoreline.EntityFailedError)


def test_the_row_of_an_entity_error_counts_over_all_calls(client: Client) -> None:
    ids = ["ok"] * 3000
    ids[2999] = "bad"
    error = client.score_many("credit", {"income": np.ones(3000)}, entity_ids=ids).errors[2999]
    assert isinstance(error, scoreline.EntityFailedError)
    assert error.row == 2999


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        ("INVALID_ARGUMENT", "UNKNOWN_EXTRA", scoreline.InvalidRequestError),
        ("NOT_FOUND", "ROUTE_NOT_FOUND", scoreline.RouteNotFoundError),
        ("NOT_FOUND", "", scoreline.NotFoundError),
        ("PERMISSION_DENIED", "", scoreline.AccessError),
        ("UNAUTHENTICATED", "", scoreline.AccessError),
        ("RESOURCE_EXHAUSTED", "QUEUE_FULL", scoreline.OverloadedError),
        ("INTERNAL", "INTERNAL", scoreline.ServerError),
        ("UNKNOWN", "", scoreline.ServerError),
        ("UNIMPLEMENTED", "", scoreline.ServerError),
        ("FAILED_PRECONDITION", "SOMETHING_NEW", scoreline.ScorelineError),
        ("ABORTED", "SOMETHING_NEW", scoreline.ScorelineError),
    ],
)
def test_errors_carry_code_reason_facts_and_text(
    client: Client, sums: Sums, code: str, reason: str, kind: type[scoreline.ScorelineError]
) -> None:
    sums.plan.append(fail(grpc.StatusCode[code], reason, text="do this"))
    with pytest.raises(scoreline.ScorelineError, match=r"^do this$") as caught:
        client.score("credit", {"income": 1.0})
    error = caught.value
    assert type(error) is kind
    assert (error.code.name, error.reason, error.metadata, error.attempts) == (code, reason, {"fact": "value"}, 1)


def test_an_unknown_route_is_its_own_error(client: Client) -> None:
    with pytest.raises(scoreline.RouteNotFoundError, match="no route churn"):
        client.score("churn", {})


def test_nothing_is_sent_for_what_no_route_could_take(client: Client, sums: Sums) -> None:
    with pytest.raises(scoreline.InvalidRequestError, match="nearest it has is 'income'"):
        client.score_many("credit", {"incom": np.ones(3)})
    assert sums.requests == []


def test_a_stale_layout_is_packed_again(client: Client, sums: Sums) -> None:
    client.score("credit", {"income": 1.0, "age": 2.0})
    sums.schema = make_schema(numbers=("age", "tenure", "income"), digest="layout-2")
    assert client.score("credit", {"income": 1.0, "age": 2.0}, request_id="r").score == 3.0
    assert sums.schema_calls == 2
    np.testing.assert_array_equal(
        np.frombuffer(sums.requests[-1].packed.numbers, "<f4"), np.array([2, np.nan, 1], np.float32)
    )
    assert [request.request_id for request in sums.requests[1:]] == ["r", "r"]


def test_a_layout_that_turns_stale_midway_is_packed_again_for_the_rest(client: Client, sums: Sums) -> None:
    def change(context: grpc.ServicerContext) -> None:
        sums.schema = make_schema(numbers=("age", "income"), digest="layout-2")

    sums.plan.extend([None, None, change])
    income = np.arange(6000.0)
    scores = client.score_many("credit", {"income": income, "age": income})
    np.testing.assert_array_equal(scores.scores, 2 * income)
    assert sums.schema_calls <= 3


def test_a_layout_that_is_always_stale_is_an_error(client: Client, sums: Sums) -> None:
    sums.plan.extend([fail(grpc.StatusCode.FAILED_PRECONDITION, "STALE_SCHEMA")] * 2)
    with pytest.raises(scoreline.StaleSchemaError):
        client.score("credit", {"income": 1.0})
    assert len(sums.requests) == 2


def test_a_feature_that_the_route_gained_is_found(client: Client, sums: Sums) -> None:
    client.score("credit", {"income": 1.0})
    sums.schema = make_schema(numbers=("income", "age", "tenure"), digest="layout-2")
    assert client.score("credit", {"income": 1.0, "tenure": 2.0}).score == 3.0


def test_calls_that_failed_mark_their_rows_and_lose_nothing(client: Client, sums: Sums) -> None:
    client.schema("credit")
    sums.plan.extend([None, fail(grpc.StatusCode.INTERNAL, "MODEL_FAILED")])
    scores = client.score_many("credit", {"income": np.arange(3000.0)})
    failed = sorted(scores.errors)
    assert failed in ([*range(1024)], [*range(1024, 2048)], [*range(2048, 3000)])
    assert {type(error) for error in scores.errors.values()} == {scoreline.ServerError}
    rest = np.setdiff1d(np.arange(3000), failed)
    np.testing.assert_array_equal(scores.scores[rest], rest)
    assert np.isnan(scores.scores[failed]).all()


def test_the_error_is_raised_when_no_call_got_through(client: Client, sums: Sums) -> None:
    sums.plan.extend([fail(grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_EXTRA")] * 3)
    with pytest.raises(scoreline.InvalidRequestError):
        client.score_many("credit", {"income": np.arange(3000.0)})


@pytest.mark.parametrize(
    ("rows", "ids"), [(1024, {"nightly"}), (1025, {"nightly-0", "nightly-1024"}), (1, {"nightly"})]
)
def test_a_request_id_of_many_rows_names_each_call_by_its_first_row(
    client: Client, sums: Sums, rows: int, ids: set[str]
) -> None:
    client.score_many("credit", {"income": np.arange(float(rows))}, request_id="nightly")
    assert {request.request_id for request in sums.requests} == ids


def test_chunks_under_one_request_id_have_different_ones(client: Client, sums: Sums) -> None:
    chunks = ({"income": np.arange(10.0)} for _ in range(3))
    client.score_many("credit", chunks, request_id="nightly")
    assert {request.request_id for request in sums.requests} == {"nightly-0", "nightly-10", "nightly-20"}


def test_a_slow_server_meets_the_deadline(client: Client, sums: Sums) -> None:
    client.schema("credit")
    sums.plan.append(hold)
    with pytest.raises(scoreline.DeadlineError, match=r"no answer to Score within 0\.1 s"):
        client.score("credit", {"income": 1.0}, timeout_seconds=0.1)
    assert len(sums.requests) == 1


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), "5", True])
def test_a_time_that_cannot_be_is_refused(client: Client, sums: Sums, seconds: Any) -> None:
    with pytest.raises(scoreline.InvalidRequestError, match="timeout_seconds must be a positive, finite number"):
        client.score("credit", {"income": 1.0}, timeout_seconds=seconds)
    assert sums.schema_calls == 0


def test_a_huge_time_is_as_good_as_none(client: Client) -> None:
    assert client.score("credit", {"income": 1.0}, timeout_seconds=9e9).score == 1.0
    assert client.health(timeout_seconds=1e300) is Health.SERVING


def test_a_server_s_own_deadline_error_keeps_its_reason(client: Client, sums: Sums) -> None:
    sums.plan.append(fail(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"))
    with pytest.raises(scoreline.DeadlineError) as caught:
        client.score("credit", {"income": 1.0})
    assert (caught.value.reason, caught.value.metadata) == ("DEADLINE_EXCEEDED", {"fact": "value"})


def test_metadata_goes_with_every_call(connect: Connect, running: Running) -> None:
    client = connect(running.target, metadata={"x-team": "risk"})
    client.score("credit", {"income": 1.0})
    assert running.sums.metadata[0]["x-team"] == "risk"


def test_status_tells_what_is_loaded_and_why_not(client: Client) -> None:
    status = client.status()
    assert (status.revision, status.server_version) == (7, "0.1.0")
    assert status.routes == (scoreline.RouteStatus("credit", 6, "credit@2 is damaged"),)
    assert [(model.version, model.ready, model.problem) for model in status.models] == [
        (1, True, ""),
        (2, False, "a byte differs"),
    ]


def test_health_is_the_standard_service_s(client: Client) -> None:
    assert client.health() is Health.SERVING
    assert client.health("scoreline.v1.ScoringService") is Health.NOT_SERVING
    with pytest.raises(scoreline.NotFoundError):
        client.health("nobody")


def test_a_closed_client_says_so(client: Client) -> None:
    client.score("credit", {"income": 1.0})
    client.close()
    with pytest.raises(scoreline.ClosedError, match="make a new one"):
        client.score("credit", {"income": 1.0})


@pytest.mark.parametrize("options", [{"timeout_seconds": 0}, {"timeout_seconds": float("inf")}, {"connections": 0}])
def test_options_that_cannot_be_are_refused(connect: Connect, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        connect("127.0.0.1:1", **options)


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"X-Team": "risk"}, "'X-Team' must be of lower-case"),
        ({"": "risk"}, "'' must be of lower-case"),
        ({"x-team": b"risk"}, "end in -bin"),
        ({"x-team-bin": "risk"}, "end in -bin"),
        ({"x-team": "Größe"}, "under x-team-bin"),
    ],
)
def test_metadata_that_no_call_could_carry_is_refused_at_once(metadata: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        scoreline.Client("127.0.0.1:1", metadata=metadata)


@pytest.mark.parametrize("extras", [None, 5, "members"])
def test_extras_are_a_list_of_names(connect: Connect, running: Running, extras: Any) -> None:
    client = connect(running.target)
    with pytest.raises(scoreline.InvalidRequestError, match="'extras' takes a list of names"):
        client.score("credit", {"income": 1.0}, extras=extras)
    with pytest.raises(scoreline.InvalidRequestError, match="'extras' takes a list of names"):
        client.score_many("credit", {"income": [1.0]}, extras=extras)


@pytest.mark.parametrize("beside", ["contexts", "sequences", "lengths", "neighbors", "entity_ids"])
def test_what_stands_beside_columns_is_one_for_each_row(connect: Connect, running: Running, beside: str) -> None:
    given: Any = {beside: 5}
    with pytest.raises(scoreline.InvalidRequestError, match=f"'{beside}' takes one value for each row, not int"):
        connect(running.target).score_many("credit", {"income": [1.0]}, **given)


def test_rows_that_are_no_entities_are_told_what_one_is(connect: Connect, running: Running) -> None:
    rows = ({"income": float(row)} for row in range(3))
    with pytest.raises(scoreline.InvalidRequestError, match=r"'income' takes a column .* scoreline\.Entity"):
        connect(running.target).score_many("credit", rows)
