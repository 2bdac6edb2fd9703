"""Callers of one process who share calls get what each would have got alone."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scoreline
from scoreline import Entity, RetryPolicy
from scoreline.batching import policy
from scoreline.batching.policy import PATIENCE_SECONDS, Line, Traveller
from scoreline.batching.threads import Coalescer
from scoreline.calls.attempts import Attempts, Deadline
from scoreline.calls.call_options import Ask
from scoreline.calls.flows import Flows
from scoreline.calls.transport import Method, Send
from scoreline.encoding.row import Row
from scoreline.v1 import scoring_pb2 as pb
from tests.clients import crowds
from tests.clients.conftest import Start
from tests.clients.crowds import Moody, Question, ask_as_tasks, ask_as_threads, shown
from tests.clients.sums import Running, fail, make_schema
from tests.clients.sums import start as start_server

HELD = {"features": {}, "entity_id": "held"}


@pytest.fixture(scope="module")
def moody() -> Iterator[Running]:
    """A server for tests that leave no trace in it."""
    sums = Moody()
    sums.release.set()
    running = start_server(sums)
    yield running
    running.server.stop(0).wait()


@pytest.fixture(params=[ask_as_tasks, ask_as_threads], ids=["tasks", "threads"])
def ask(request: pytest.FixtureRequest) -> crowds.Ask:
    found: crowds.Ask = request.param
    return found


@pytest.fixture
def sums(start: Start) -> Moody:
    """A server of this test's own, which holds calls with the id "held" until it is told to release them."""
    server = Moody()
    server.target = start(server).target
    return server


def sizes(server: Moody) -> list[int]:
    """How many entities each call had."""
    return [len(request.packed.entity_ids) for request in server.requests]


numbers = st.fixed_dictionaries(
    {}, optional={"income": st.floats(-1e6, 1e6), "age": st.one_of(st.none(), st.integers(0, 99)), "incom": st.just(1)}
)
questions = st.fixed_dictionaries(
    {"features": numbers},
    optional={
        "entity_id": st.sampled_from(["a", "b", "bad", "poison", "fat", "\ud800"]),
        "extras": st.sampled_from([[], ["members"]]),
        "context": st.sampled_from([{}, {"segment": "premium"}, {"vip": True}]),
        "timeout_seconds": st.sampled_from([5.0, 30.0, float("nan")]),
        "request_id": st.sampled_from([None, None, "own"]),
    },
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(questions, min_size=1, max_size=24))
def test_together_everyone_gets_what_it_would_have_got_alone(
    ask: crowds.Ask, moody: Running, asked: list[Question]
) -> None:
    # Extras of a row depend on its place in the call with this server: only even rows have any.
    together = ask(moody.target, asked)
    alone = ask(moody.target, asked, coalesce=False)
    for one, other in zip(map(shown, together), map(shown, alone), strict=True):
        if one.get("extras") == {}:
            other["extras"] = {}
        assert one == other


def test_a_crowd_travels_in_few_calls_of_at_most_64(ask: crowds.Ask, sums: Moody) -> None:
    threading.Timer(0.2, sums.release.set).start()
    asked = [HELD, HELD, *({"features": {"income": float(row)}} for row in range(150))]
    scores = ask(sums.target, asked)
    assert [score.score for score in scores[2:]] == [float(row) for row in range(150)]
    assert sum(sizes(sums)) == 152
    assert 32 < max(sizes(sums)) <= 64
    assert len(sizes(sums)) <= 16


def test_no_more_than_two_calls_are_open_per_connection(
    ask: crowds.Ask, sums: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "PATIENCE_SECONDS", 60.0)  # a busy machine may try anyone's
    sums.plan.extend([lambda context: time.sleep(0.02)] * 99)
    ask(sums.target, [{"features": {"income": float(row)}} for row in range(100)])
    assert sums.most_at_once == 2


def test_a_lone_caller_travels_alone(ask: crowds.Ask, sums: Moody) -> None:
    for _ in range(3):
        ask(sums.target, [{"features": {"income": 1.0}}])
    assert sizes(sums) == [1, 1, 1]


def test_sharing_can_be_switched_off(ask: crowds.Ask, sums: Moody) -> None:
    ask(sums.target, [{"features": {}}] * 20, coalesce=False)
    assert sizes(sums) == [1] * 20


def test_a_request_id_of_the_caller_s_own_reaches_the_server(ask: crowds.Ask, sums: Moody) -> None:
    ask(sums.target, [{"features": {}, "request_id": f"r-{row}"} for row in range(9)])
    assert {request.request_id for request in sums.requests} == {f"r-{row}" for row in range(9)}


def test_a_shared_call_is_made_again_as_it_was(ask: crowds.Ask, sums: Moody) -> None:
    threading.Timer(0.03, sums.release.set).start()
    sums.plan.extend([None, None, fail(grpc.StatusCode.UNAVAILABLE)])
    asked = [HELD, HELD, *({"features": {"income": float(row)}, "entity_id": f"c-{row}"} for row in range(20))]
    scores = ask(sums.target, asked)
    assert [score.score for score in scores[2:]] == [float(row) for row in range(20)]
    by_id: dict[str, list[bytes]] = {}
    for request in sums.requests:
        by_id.setdefault(request.request_id, []).append(request.SerializeToString(deterministic=True))
    (tries,) = (requests for requests in by_id.values() if len(requests) > 1)
    assert tries[0] == tries[1]


def test_one_bad_apple_costs_few_calls(ask: crowds.Ask, sums: Moody) -> None:
    threading.Timer(0.03, sums.release.set).start()
    asked = [HELD, HELD, *({"features": {}, "entity_id": "poison" if row == 11 else "ok"} for row in range(32))]
    outcomes = ask(sums.target, asked)
    assert [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Exception)] == [13]
    assert len(sums.requests) <= 2 + 2 + 2 * 5 + 1


def test_a_layout_that_changed_is_learned_by_everyone(ask: crowds.Ask, sums: Moody) -> None:
    def change(context: grpc.ServicerContext) -> None:
        sums.schema = make_schema(numbers=("age", "income"), digest="layout-2")

    sums.plan.append(change)
    scores = ask(sums.target, [{"features": {"income": 1.0, "age": 2.0}} for _ in range(30)])
    assert [score.score for score in scores] == [3.0] * 30


def test_each_caller_has_its_own_deadline_and_the_call_the_latest(ask: crowds.Ask, sums: Moody) -> None:
    threading.Timer(0.5, sums.release.set).start()
    patient = {**HELD, "timeout_seconds": 20.0}
    hasty = [{**HELD, "timeout_seconds": 0.15} for _ in range(4)]
    outcomes = ask(sums.target, [patient, patient, *hasty, patient])
    assert [str(outcome) for outcome in outcomes[2:6]] == ["no answer to Score within 0.15 s"] * 4
    assert {type(outcome) for outcome in outcomes[2:6]} == {scoreline.DeadlineError}
    assert [outcome.score for outcome in (*outcomes[:2], outcomes[6])] == [0.0] * 3
    assert max(sizes(sums)) >= 3
    assert min(sums.deadlines[2:]) > 10


def test_a_caller_without_a_server_hears_why_not_only_that_time_is_over(ask: crowds.Ask, start: Start) -> None:
    running = start()
    asked = [{"features": {}, "timeout_seconds": 0.5}] * 12
    running.sums.plan.extend([fail(grpc.StatusCode.UNAVAILABLE)] * 9999)
    outcomes = ask(running.target, asked, retry=RetryPolicy(max_backoff_seconds=0.1))
    assert {type(outcome) for outcome in outcomes} == {scoreline.UnavailableError}


def test_calls_that_hang_do_not_hold_up_the_others(ask: crowds.Ask, sums: Moody) -> None:
    hanging = [{**HELD, "timeout_seconds": 2.0}] * 2
    quick = [{"features": {"income": 1.0}, "timeout_seconds": 1.0}] * 6
    outcomes = ask(sums.target, [*hanging, *quick])
    sums.release.set()
    assert [type(outcome).__name__ for outcome in outcomes] == ["DeadlineError"] * 2 + ["Score"] * 6


async def held_group(client: scoreline.AsyncClient, sums: Moody, count: int) -> list[asyncio.Task[Any]]:
    """Callers who share a call that the server holds."""
    await client.schema("credit")
    asked = [asyncio.create_task(client.score("credit", {}, entity_id="held")) for _ in range(2 + count)]
    async with asyncio.timeout(5):
        while len(sums.deadlines) < 3:
            await asyncio.sleep(0.005)
    return asked


def test_a_call_goes_on_while_one_of_its_callers_stays(sums: Moody) -> None:
    async def crowd() -> None:
        async with scoreline.AsyncClient(sums.target) as client:
            asked = await held_group(client, sums, 5)
            for task in asked[2:6]:
                task.cancel()
            await asyncio.sleep(0.1)
            assert not sums.cancelled.is_set()
            sums.release.set()
            assert (await asked[6]).score == 0.0
            assert [task.cancelled() for task in asked[2:6]] == [True] * 4

    asyncio.run(crowd())


def test_a_call_that_all_its_callers_left_is_cancelled(sums: Moody) -> None:
    async def crowd() -> None:
        async with scoreline.AsyncClient(sums.target) as client:
            asked = await held_group(client, sums, 5)
            for task in asked[2:]:
                task.cancel()
            assert await asyncio.to_thread(sums.cancelled.wait, 3)
            sums.release.set()
            await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(crowd())


class Interrupting:
    """A transport whose first shared call is met by Ctrl-C in the thread that makes it."""

    def __init__(self) -> None:
        self.interrupted = 0
        self.gate = threading.Event()

    def send(self, call: Send) -> Message:
        if call.method is Method.SCHEMA:
            return make_schema()
        assert isinstance(call.request, pb.ScoreRequest)
        count = len(call.request.packed.entity_ids)
        if count == 1:
            self.gate.wait(5)
        elif not self.interrupted:
            self.interrupted = count
            raise KeyboardInterrupt
        arm = pb.ServedArm(model="credit")
        packed = pb.PackedScores(scores=bytes(4 * count), served=[arm], served_index=bytes(2 * count))
        packed.reasons = b"\1" * count
        return pb.ScoreResponse(packed=packed)

    def pause(self, seconds: float) -> None:
        raise AssertionError

    def close(self) -> None:
        """Nothing is open."""


def test_when_the_caller_who_makes_a_shared_call_is_interrupted_another_makes_it() -> None:
    transport = Interrupting()
    flows = Flows(Attempts(timeout_seconds=5, retry=RetryPolicy()))
    coalescer = Coalescer(flows, transport, most_open=2)
    outcomes: list[str] = []

    def call() -> None:
        try:
            coalescer.score(Ask(route="credit"), Entity())
            outcomes.append("scored")
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    callers = [threading.Thread(target=call) for _ in range(12)]
    for caller in callers:
        caller.start()
    threading.Timer(0.2, transport.gate.set).start()
    for caller in callers:
        caller.join(10)
    assert sorted(outcomes) == ["interrupted"] + ["scored"] * 11


def traveller(size: int, now: float = 0.0) -> Traveller[None]:
    return Traveller(Row("", bytes(size)), Deadline(1.0, now + 1.0), queued=now, wake=None)


def test_a_group_is_cut_by_bytes_too() -> None:
    line: Line[None] = Line()
    line.waiting.extend(traveller(400_000) for _ in range(5))
    groups = iter(lambda: line.board(64, 0.0), None)
    assert [len(group.members) for group in groups if group] == [2, 2, 1]
    assert line.open == 3


def test_who_has_left_is_not_taken_along() -> None:
    line: Line[None] = Line()
    first, second = traveller(4), traveller(4)
    line.waiting.extend([first, second])
    first.left = True
    group = line.board(64, 0.0)
    assert group is not None
    assert group.members == [second]
    assert line.board(64, 0.0) is None


def test_a_line_is_patient_from_when_it_last_moved() -> None:
    line: Line[None] = Line()
    line.waiting.extend([traveller(4, 3.0), traveller(4, 9.0)])
    assert line.impatient_at == 3.0 + PATIENCE_SECONDS
    line.board(1, 8.0)
    assert line.impatient_at == 9.0 + PATIENCE_SECONDS
