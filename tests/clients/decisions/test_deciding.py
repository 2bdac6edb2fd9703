"""Clients of both kinds decide for one entity or many, and what fails stays in its place."""

import csv
import io
import json
import secrets

import numpy as np
import polars as pl
import pytest
from google.protobuf.message import Message

import scoreline
from scoreline import Code, Entity
from scoreline.calls.transport import Send
from scoreline.channel.channels import endpoint
from scoreline.channel.grpc_transport import GrpcTransport
from scoreline.v1 import decisions_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from tests.clients.cli.test_cli import run
from tests.clients.conftest import QUICK, Connect
from tests.server.routes import ROUTE, apply
from tests.waiting import wait_until

HIGH, MIDDLE, LOW = {"income": 3.0, "debt": 10.0}, {"income": 0.6, "debt": 1.0}, {"income": -3.0}


@pytest.fixture
def client(connect: Connect, server: Server) -> scoreline.Client:
    return connect(server.address, retry=QUICK, timeout_seconds=30)


def test_one_entity_gets_its_action_message_and_score(client: scoreline.Client) -> None:
    decision = client.decide("guardian", MIDDLE, entity_id="a", language="de", trace=True, context={"channel": "x"})
    assert (decision.action, decision.acts, decision.channel) == ("nudge", True, "email")
    assert (decision.message, decision.language) == ("Es fehlen 1.", "de")
    assert decision.score is not None
    assert decision.score.score == pytest.approx(1 / (1 + np.exp(-0.6)))
    assert decision.decision_id == decision.score.prediction_id
    assert decision.expected_value == pytest.approx(20 * 0.5 * decision.score.score - 0.5)
    assert (decision.strategy, decision.rule, decision.propensity, decision.suppressed) == ("strict", "middle", 1.0, ())
    assert decision.trace is not None
    assert [(rule.rule, rule.matched) for rule in decision.trace.rules] == [("high", False), ("middle", True)]
    assert decision.trace.facts["score"] == pytest.approx(decision.score.score)
    assert not client.decide("guardian", LOW, entity_id="a").acts


def test_wrong_entities_fail_as_they_do_when_they_are_scored(client: scoreline.Client) -> None:
    with pytest.raises(scoreline.EntityFailedError) as failed:
        client.decide("guardian", {"debt": 1.0}, entity_id="a")
    assert (failed.value.reason, failed.value.row) == ("MISSING_FEATURE", 0)
    with pytest.raises(scoreline.InvalidRequestError, match="no feature 'incom'; the nearest it has is 'income'"):
        client.decide("guardian", {"incom": 1.0})
    for name in ("language", "channel"):
        with pytest.raises(scoreline.InvalidRequestError, match=f"'{name}' takes text, not int"):
            client.decide("guardian", {"income": 1.0}, **{name: 5})  # type: ignore[arg-type]
    with pytest.raises(scoreline.InvalidRequestError, match="reasons takes a number from 0 to 20"):
        client.decide("guardian", HIGH, reasons=21)
    with pytest.raises(scoreline.NotFoundError, match="served: guardian, limited"):
        client.decide("nobody", HIGH)
    with pytest.raises(scoreline.EntityFailedError) as unit:
        client.decide("limited", HIGH)
    assert unit.value.reason == "MISSING_UNIT"


def test_many_entities_are_decided_for_in_their_order(client: scoreline.Client) -> None:
    incomes = np.tile([3.0, 0.6, -3.0, np.nan], 200)
    frame = pl.DataFrame({"id": [f"c{at}" for at in range(800)], "income": incomes, "debt": np.full(800, 10.0)})
    decisions = client.decide_many("guardian", frame, entity_ids="id")
    assert len(decisions) == 800
    for at, decision in enumerate(decisions):
        if at % 4 == 3:
            assert isinstance(decision.error, scoreline.EntityFailedError)
            assert (decision.error.row, decision.error.reason) == (at, "MISSING_FEATURE")
            assert decision.score is None
        else:
            assert decision.error is None
            assert decision.action == ("block", "nudge", "none")[at % 4]
    assert len({decision.decision_id.partition("-")[0] for decision in decisions if decision.decision_id}) == 4
    assert client.decide_many("guardian", []) == []


def test_rows_that_cannot_be_encoded_fail_in_their_place(client: scoreline.Client) -> None:
    rows = [Entity(entity_id="a", features=HIGH), Entity(features={"incom": 1.0}), Entity(features=LOW)]
    first, second, third = client.decide_many("guardian", rows)
    assert (first.action, third.action) == ("block", "none")
    assert isinstance(second.error, scoreline.InvalidRequestError)
    with pytest.raises(scoreline.NotFoundError):
        client.decide_many("nobody", rows)


def test_a_changed_schema_is_fetched_again(client: scoreline.Client, registry: Registry, server: Server) -> None:
    assert client.decide("guardian", HIGH, entity_id="a").acts
    new = f"f{secrets.token_hex(4)}"
    apply(registry, ROUTE.replace("debt: number", f"debt: number, {new}: number"))
    wait_until(lambda: server.watcher.catalog.revision == registry.latest().revision)
    assert client.decide("guardian", {**HIGH, new: 1.0}, entity_id="a").acts
    assert new in client.policy_schema("guardian").names


class _Unsure(GrpcTransport):
    """Loses the answer of every second call."""

    def __init__(self, target: str) -> None:
        super().__init__(endpoint(target, tls=None, metadata=(), connections=1))
        self.sent: list[pb.DecideRequest] = []

    def send(self, call: Send) -> Message:
        answer = super().send(call)
        if isinstance(call.request, pb.DecideRequest):
            self.sent.append(call.request)
            if len(self.sent) % 2:
                raise scoreline.UnavailableError("the answer was lost", code=Code.UNAVAILABLE)
        return answer


def test_a_retry_is_granted_what_was_granted_to_the_lost_call(server: Server) -> None:
    transport, unit = _Unsure(server.address), secrets.token_hex(4)
    with scoreline.Client(transport=transport, retry=QUICK) as client:
        assert client.decide("limited", HIGH, entity_id=unit).action == "block"
        first, second = transport.sent
        assert first.request_id == second.request_id != ""
        again = client.decide("limited", HIGH, entity_id=unit)
    assert (again.action, [each.limit for each in again.suppressed]) == ("none", ["once"])


def test_the_command_decides_for_one_entity_and_for_a_file(server: Server) -> None:
    one = run("decide", "guardian", "--id", "c-1", "--set", "income=0.6", "--set", "debt=1", "--trace",
              "--server", server.address)  # fmt: skip
    assert one.returncode == 0, one.stderr
    assert "You owe 1." in one.stdout
    assert "rule high: did not match (score gte 0.8 does not hold for 0.645656)" in one.stdout
    text = io.StringIO()
    csv.writer(text).writerows([["entity_id", "income"], ["a", 3.0], ["b", ""], ["c", -3.0]])
    many = run("decide", "guardian", "--input", "-", "--format", "csv", "--json", "--server", server.address,
               text=text.getvalue())  # fmt: skip
    rows = [json.loads(line) for line in many.stdout.splitlines()]
    assert [row.get("action") for row in rows] == ["block", None, "none"]
    assert (rows[0]["entity_id"], rows[0]["score"]["model"], rows[1]["error"]["reason"]) == (
        "a",
        "linear",
        "MISSING_FEATURE",
    )
    assert (many.returncode, many.stderr.strip().splitlines()[-1]) == (
        1,
        "Error: 1 of 3 entities could not be decided for",
    )
    wrong = run("decide", "guardian", "--server", server.address)
    assert (wrong.returncode, "give either --set" in wrong.stderr) == (2, True)
