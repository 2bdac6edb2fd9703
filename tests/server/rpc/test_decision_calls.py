"""Decide of a real server: scored, counted, journaled and observed once, and refused as Score is."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from scoreline.v1 import decisions_pb2 as pb
from scoreline.v1 import decisions_pb2_grpc as rpc
from scoreline.v1 import scoring_pb2
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.limit_stores.opening import FILE_NAME
from scoreline_server.rpc.authority import Caller
from scoreline_server.rpc.methods import DECIDE
from scoreline_server.rpc.pipeline import Call
from scoreline_server.scoring.results import ScoredBatch
from scoreline_server.settings import Settings
from tests.server.carriers import connected
from tests.server.policies import GUARDIAN
from tests.server.profiles import profile
from tests.server.routes import ROUTE, apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, packed, reason_of
from tests.waiting import wait_until

ONCE = "limits: [{name: once, kind: frequency, at_most: 1, per: 1d, actions: [nudge, block]}]\n"
LIMITED = GUARDIAN.replace("policy: guardian", "policy: limited") + ONCE
FLAGGED = (
    GUARDIAN.replace("policy: guardian", "policy: flagged")
    + """
flags:
  odd: {extra.logit: {gte: 5}}
  indebted: {feature.debt: {gte: 50}}
"""
)
DAY = 86_400


@pytest.fixture(scope="module")
def seen() -> list[ScoredBatch]:
    """What observers saw."""
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("decisions")
    registry = Registry.create(str(folder / "registry"))
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",), extra=True)
    apply(registry)
    for text in (GUARDIAN, LIMITED, FLAGGED):
        registry.apply_policy(read_policy(text, source="test"), author="tester", message="apply")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, seen: list[ScoredBatch]) -> Iterator[Server]:
    settings = Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", poll_seconds=0.02, drain_seconds=5)
    with Server(settings, observers=[seen.append]) as running:
        yield running


@pytest.fixture(scope="module")
def stub(server: Server) -> Iterator[rpc.DecisionServiceStub]:
    with connected(server) as channel:
        yield rpc.DecisionServiceStub(channel)


def ask(*entities: scoring_pb2.Entity, policy: str = "guardian", **asked: Any) -> pb.DecideRequest:
    return pb.DecideRequest(policy=policy, entities=entities, **asked)


def counted(server: Server, family: str, **labels: str) -> float:
    """The sum of a counter's children with these labels."""
    return sum(
        numbers[0]
        for (name, values), numbers in server.metrics.counts().items()
        if name == f"scoreline_{family}" and set(labels.values()) <= set(values)
    )


def test_a_call_is_scored_and_observed_once_with_its_decisions(
    server: Server, stub: rpc.DecisionServiceStub, folder: Path, seen: list[ScoredBatch]
) -> None:
    rows = (entity("a", income=3.0, debt=10.0), entity("bad", income=1e39), entity("b", income=-3.0))
    before = counted(server, "decisions", policy="guardian")
    seen.clear()
    response = stub.Decide(ask(*rows))
    assert [decision.action for decision in response.decisions] == ["block", "", "none"]
    assert [decision.error.reason for decision in response.decisions] == ["", "NOT_FINITE", ""]
    assert response.decisions[1].error.row == 1
    first = response.decisions[0]
    assert first.decision_id == first.score.prediction_id == f"{response.call_id.hex()}-0"
    assert (first.score.model, first.score.arm) == ("linear", "linear@champion")
    assert response.revision == server.watcher.catalog.revision
    (batch,) = seen
    assert batch.decisions is not None
    assert [row and row.action for row in batch.decisions.rows] == ["block", None, "none"]
    assert counted(server, "decisions", policy="guardian") == before + 2

    def journaled() -> list[dict[str, Any]]:
        rows = [row for records in read_records([folder / "registry-journal"]) for row in records.rows()]
        return [row for row in rows if str(row["prediction_id"]).startswith(response.call_id.hex())]

    wait_until(lambda: len(journaled()) == 3)
    assert [row["decision.action"] for row in journaled()] == ["block", None, "none"]
    assert [row["error"] for row in journaled()] == [None, "NOT_FINITE", None]


def test_packed_entities_are_decided_for_alike(server: Server, stub: rpc.DecisionServiceStub) -> None:
    digest = server.watcher.catalog.route("credit").layout.digest
    block = packed(digest, [[3.0, 0.0, 10.0], [0.6, 0.0, 100.0]]).packed
    found = stub.Decide(pb.DecideRequest(policy="guardian", packed=block))
    named = stub.Decide(ask(entity("u0", income=3.0, age=0, debt=10), entity("u1", income=0.6, age=0, debt=100)))
    for one, other in zip(found.decisions, named.decisions, strict=True):
        assert (one.action, one.expected_value, one.score.score) == (
            other.action,
            other.expected_value,
            other.score.score,
        )
    schema = server.pipeline.handle(
        Call(
            "/scoreline.v1.ScoringService/GetSchema",
            scoring_pb2.GetSchemaRequest(policy="guardian").SerializeToString(),
        )
    )
    assert scoring_pb2.GetSchemaResponse.FromString(schema.message).schema_digest == digest


def test_a_trace_says_how_each_rule_and_action_was_tried(stub: rpc.DecisionServiceStub) -> None:
    (decision,) = stub.Decide(ask(entity("a", income=0.6), trace=True, channel="email", language="de")).decisions
    trace = decision.trace
    assert [(rule.rule, rule.matched) for rule in trace.rules] == [("high", False), ("middle", True)]
    (condition,) = trace.rules[0].conditions
    assert (condition.fact, condition.test, condition.holds) == ("score", "gte 0.8", False)
    assert condition.value.number == decision.score.score
    refused = {candidate.action: candidate.refused_by for candidate in trace.candidates}
    assert refused == {"nudge": "", "none": "", "block": "other_channel: push"}
    assert trace.facts["score"].number == decision.score.score
    assert (decision.message, decision.language) == ("Es fehlen 0.", "de")
    assert not stub.Decide(ask(entity("a", income=0.6))).decisions[0].HasField("trace")


@pytest.mark.parametrize(
    ("request_", "code", "reason"),
    [
        (ask(entity("a"), policy="unknown"), grpc.StatusCode.NOT_FOUND, "POLICY_NOT_FOUND"),
        (ask(policy="guardian"), grpc.StatusCode.INVALID_ARGUMENT, "NO_ENTITIES"),
        (ask(entity("a"), reasons=21), grpc.StatusCode.INVALID_ARGUMENT, "INVALID"),
        (ask(entity("a"), reasons=-1), grpc.StatusCode.INVALID_ARGUMENT, "INVALID"),
        (ask(entity("a", income=1), request_id="x" * 129), grpc.StatusCode.INVALID_ARGUMENT, "INVALID"),
        (
            ask(entity("a", income=1), time=Timestamp(seconds=1, nanos=-1)),
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID",
        ),
        (
            ask(entity("a", income=1), time=Timestamp(seconds=-(2**60))),
            grpc.StatusCode.INVALID_ARGUMENT,
            "INVALID",
        ),
        (ask(entity("a", incom=1)), grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_FEATURE"),
        (ask(entity("a")), grpc.StatusCode.INVALID_ARGUMENT, "MISSING_FEATURE"),
        (ask(entity(income=3.0), policy="limited"), grpc.StatusCode.INVALID_ARGUMENT, "MISSING_UNIT"),
    ],
)
def test_what_is_wrong_is_refused(
    stub: rpc.DecisionServiceStub, request_: pb.DecideRequest, code: grpc.StatusCode, reason: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Decide(request_)
    assert reason_of(caught.value) == (code, reason)


def test_limits_go_by_the_time_of_the_decision(stub: rpc.DecisionServiceStub) -> None:
    then = int(time.time()) - 10 * DAY

    def action(seconds: int) -> str:
        asked = ask(entity("past", income=3.0, debt=10.0), policy="limited", time=Timestamp(seconds=seconds))
        return stub.Decide(asked).decisions[0].action

    assert [action(then), action(then + DAY // 2), action(then + 2 * DAY)] == ["block", "none", "block"]


def test_a_time_after_now_is_refused(stub: rpc.DecisionServiceStub) -> None:
    late = Timestamp(seconds=int(time.time()) + DAY)
    with pytest.raises(grpc.RpcError) as raised:
        stub.Decide(ask(entity("a", income=3.0), time=late))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "time is from 1970 to now" in str(raised.value.details())


def test_flags_of_extra_outputs_and_features_are_answered_counted_and_journaled(
    server: Server, stub: rpc.DecisionServiceStub, folder: Path
) -> None:
    before = counted(server, "decision_flags", policy="flagged", flag="odd")
    rows = (entity("a", income=6.0, debt=100.0), entity("b", income=6.0), entity("c", income=1.0))
    response = stub.Decide(ask(*rows, policy="flagged"))
    assert [list(decision.flags) for decision in response.decisions] == [["indebted", "odd"], ["odd"], []]
    assert counted(server, "decision_flags", policy="flagged", flag="odd") == before + 2

    def journaled() -> list[Any]:
        found = [row for records in read_records([folder / "registry-journal"]) for row in records.rows()]
        own = [row for row in found if str(row["prediction_id"]).startswith(response.call_id.hex())]
        return [row["decision.flags"] for row in own]

    wait_until(lambda: len(journaled()) == 3)
    assert journaled() == ['["indebted","odd"]', '["odd"]', None]


def test_nothing_that_the_server_estimates_stays_taken(server: Server, stub: rpc.DecisionServiceStub) -> None:
    with pytest.raises(grpc.RpcError):
        stub.Decide(ask(entity("a")))
    stub.Decide(ask(entity("a", income=1.0)))
    wait_until(lambda: server.pipeline.queued_seconds == 0)
    assert counted(server, "calls_in_flight") == 0


def test_a_policy_with_limits_needs_a_store(folder: Path) -> None:
    settings = Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", limit_store="off", journal_dir="off")
    with Server(settings) as server:
        limited = server.pipeline.handle(
            Call(DECIDE, ask(entity("a", income=3.0), policy="limited").SerializeToString())
        )
        free = server.pipeline.handle(Call(DECIDE, ask(entity("a", income=3.0)).SerializeToString()))
    assert limited.reason == "LIMITS_OFF"
    assert "set limit_store" in limited.details
    assert pb.DecideResponse.FromString(free.message).decisions[0].action == "block"


def test_a_server_opens_no_store_of_limits_before_one_is_needed(folder: Path, tmp_path: Path) -> None:
    settings = Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", journal_dir=str(tmp_path))
    with Server(settings) as server:
        asked = ask(entity("a", income=3.0), entity("b", income=-3.0))
        assert not server.pipeline.handle(Call(DECIDE, asked.SerializeToString())).reason
        low = ask(entity("a", income=-3.0), policy="limited")
        assert not server.pipeline.handle(Call(DECIDE, low.SerializeToString())).reason
        assert not (tmp_path / FILE_NAME).exists()
        high = ask(entity("a", income=3.0), policy="limited")
        assert not server.pipeline.handle(Call(DECIDE, high.SerializeToString())).reason
        assert (tmp_path / FILE_NAME).exists()


def test_callers_may_be_denied_decisions_alone(folder: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[allow]]\nactions = ["decide"]\ncallers = ["admin"]\n')
    settings = Settings(
        registry=str(folder / "registry"),
        listen="127.0.0.1:0",
        policy_file=policy,
        journal_dir="off",
        limit_store="off",
    )
    with Server(settings) as server:
        answer = server.pipeline.handle(Call(DECIDE, ask(entity("a", income=1.0)).SerializeToString()))
    assert answer.reason == "NOT_ALLOWED"


def test_a_stopped_server_decides_nothing(folder: Path, tmp_path: Path) -> None:
    settings = Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", journal_dir=str(tmp_path))
    with Server(settings) as server:
        pass
    answer = server.pipeline.handle(Call(DECIDE, ask(entity("a", income=3.0), policy="limited").SerializeToString()))
    assert answer.reason == "STOPPING"
    assert not (tmp_path / FILE_NAME).exists()


def test_a_trace_of_profiles_is_for_callers_that_may_read_them(tmp_path: Path) -> None:
    registry = Registry.create(str(tmp_path / "registry"))
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    registry.apply_profile(profile(), author="tester", message="apply")
    apply(registry, ROUTE + "profiles: {spending: {}}\n")
    registry.apply_policy(read_policy(GUARDIAN, source="test"), author="tester", message="apply")
    asked = ask(entity("a", income=1.0), trace=True).SerializeToString()
    with Server(Settings(registry=str(tmp_path / "registry"), listen="127.0.0.1:0")) as server:
        anyone = server.pipeline.handle(Call(DECIDE, asked))
        local = server.pipeline.handle(Call(DECIDE, asked, caller=lambda: Caller("ipv4:127.0.0.1:1")))
        untraced = server.pipeline.handle(Call(DECIDE, ask(entity("a", income=1.0)).SerializeToString()))
    assert (anyone.reason, "profiles.read" in anyone.details) == ("NOT_ALLOWED", True)
    assert pb.DecideResponse.FromString(local.message).decisions[0].HasField("trace")
    assert not untraced.reason
