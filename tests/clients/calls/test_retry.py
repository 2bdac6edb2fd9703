"""Which failures are met by another attempt, when, and what never is."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

import scoreline
from scoreline import Code, RetryPolicy, ScorelineError
from scoreline.calls.call_options import CallOptions
from scoreline.calls.flows import Flows
from scoreline.calls.retry import RetryBudget
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Method, Pause, Send, run
from scoreline.v1 import scoring_pb2 as pb
from tests.clients.conftest import Connect, Start
from tests.clients.sums import Running, fail, hold, make_schema, outage
from tests.waiting import PATIENCE_SECONDS, wait_until

Client = scoreline.Client
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED"])
def test_a_server_that_goes_away_is_asked_again_with_the_same_id(client: Client, running: Running, code: str) -> None:
    running.sums.plan.extend([fail(grpc.StatusCode[code])] * 2)
    assert client.score("credit", {"income": 1.0}).score == 1.0
    ids = [request.request_id for request in running.sums.requests]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert ids[0]


def test_a_full_server_is_asked_again_when_it_says_so(client: Client, running: Running) -> None:
    running.sums.plan.append(fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", retry_after=0.2))
    assert client.score("credit", {"income": 1.0}).score == 1.0
    assert len(running.sums.requests) == 2


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "INTERNAL", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED"])
def test_other_failures_are_not_tried_again(client: Client, running: Running, code: str) -> None:
    running.sums.plan.append(fail(grpc.StatusCode[code]))
    with pytest.raises(ScorelineError) as caught:
        client.score("credit", {"income": 1.0})
    assert (len(running.sums.requests), caught.value.attempts) == (1, 1)


def test_attempts_end(connect: Connect, running: Running) -> None:
    client = connect(running.target, retry=RetryPolicy(max_attempts=3, initial_backoff_seconds=0.001))
    running.sums.plan.extend([fail(UNAVAILABLE)] * 5)
    with pytest.raises(scoreline.UnavailableError) as caught:
        client.score("credit", {"income": 1.0})
    assert (len(running.sums.requests), caught.value.attempts) == (3, 3)


def test_a_hint_beyond_the_deadline_is_not_waited_for(client: Client, running: Running) -> None:
    client.schema("credit")
    running.sums.plan.append(fail(grpc.StatusCode.RESOURCE_EXHAUSTED, retry_after=1000.5))
    with pytest.raises(scoreline.OverloadedError) as caught:
        client.score("credit", {"income": 1.0}, timeout_seconds=900)
    assert caught.value.retry_after_seconds == pytest.approx(1000.5)


def port_of(server: Running) -> int:
    return int(server.target.split(":")[1])


def test_a_server_that_comes_back_on_its_port_is_found(connect: Connect, start: Start) -> None:
    first = start()
    retry = RetryPolicy(max_backoff_seconds=0.3)
    client = connect(first.target, retry=retry, timeout_seconds=PATIENCE_SECONDS)
    assert client.score("credit", {"income": 1.0}).score == 1.0
    first.server.stop(0).wait()
    with ThreadPoolExecutor(1) as pool:
        with outage(port_of(first)) as broken_off:
            call = pool.submit(client.score, "credit", {"income": 2.0})
            wait_until(lambda: broken_off() > 0)
        start(port=port_of(first))
        assert call.result().score == 2.0


def test_an_outage_of_the_server_loses_nobody_s_call(start: Start) -> None:
    first = start()
    stop, answered = threading.Event(), [0] * 8

    def call(caller: int, client: Client) -> None:
        while not stop.is_set():
            assert client.score("credit", {"income": float(caller)}).score == caller
            answered[caller] += 1

    with Client(first.target, timeout_seconds=PATIENCE_SECONDS) as client, ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(call, caller, client) for caller in range(8)]
        try:
            wait_until(lambda: all(answered))
            first.server.stop(0).wait()
            with outage(port_of(first)) as broken_off:
                wait_until(lambda: broken_off() > 2)
                before = list(answered)
            start(port=port_of(first))
            wait_until(lambda: all(now > then for now, then in zip(answered, before, strict=True)))
        finally:
            stop.set()
        for each in callers:
            each.result()


def test_a_route_that_is_not_ready_is_not_waited_for(client: Client, running: Running) -> None:
    running.sums.plan.extend([fail(UNAVAILABLE, "ROUTE_NOT_READY")] * 9)
    with pytest.raises(scoreline.UnavailableError) as caught:
        client.score("credit", {"income": 1.0})
    assert caught.value.attempts == 4


def test_calls_that_a_stopping_server_breaks_off_are_made_again(connect: Connect, start: Start) -> None:
    first = start()
    retry = RetryPolicy(max_backoff_seconds=0.3)
    client = connect(first.target, retry=retry, timeout_seconds=PATIENCE_SECONDS)
    client.schema("credit")
    first.sums.plan.append(hold)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.score, "credit", {"income": 2.0})
        wait_until(lambda: first.sums.requests)
        first.server.stop(0).wait()
        start(port=port_of(first))
        assert call.result().score == 2.0


def test_no_server_at_all_is_unavailable_and_says_where(connect: Connect) -> None:
    client = connect("127.0.0.1:1", retry=RetryPolicy(max_attempts=2), timeout_seconds=2)
    with pytest.raises(scoreline.UnavailableError, match=r"127\.0\.0\.1:1"):
        client.schema("credit")


AT_ONCE = RetryPolicy(initial_backoff_seconds=1e-6, max_backoff_seconds=1e-6)
LATER = 20


async def later_calls(client: scoreline.AsyncClient) -> None:
    """Makes so many calls one after the other that a retry of an earlier one would be among them."""
    for _ in range(LATER):
        assert (await client.score("credit", {"income": 2.0})).score == 2.0


async def arrival(running: Running, count: int) -> None:
    """Waits until so many Score calls have reached the server."""
    await asyncio.to_thread(wait_until, lambda: len(running.sums.requests) >= count)


def test_a_call_that_its_caller_cancels_is_not_made_again(running: Running) -> None:
    async def cancel() -> None:
        async with scoreline.AsyncClient(running.target, retry=AT_ONCE) as client:
            await client.schema("credit")
            running.sums.plan.append(hold)
            task = asyncio.create_task(client.score("credit", {"income": 1.0}))
            await arrival(running, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await later_calls(client)

    asyncio.run(cancel())
    assert len(running.sums.requests) == 1 + LATER


def test_cancelling_score_many_ends_its_open_calls(running: Running) -> None:
    async def cancel() -> None:
        async with scoreline.AsyncClient(running.target, retry=AT_ONCE) as client:
            await client.schema("credit")
            running.sums.plan.extend([hold] * 2)
            task = asyncio.create_task(client.score_many("credit", {"income": np.ones(9000)}))
            await arrival(running, 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await later_calls(client)

    asyncio.run(cancel())
    assert len(running.sums.requests) == 2 + LATER


def test_closing_an_asyncio_client_ends_its_calls_with_an_error_not_a_cancellation(running: Running) -> None:
    async def close() -> None:
        client = scoreline.AsyncClient(running.target)
        await client.schema("credit")
        running.sums.plan.append(hold)
        task = asyncio.create_task(client.score("credit", {"income": 1.0}))
        await arrival(running, 1)
        await client.close()
        with pytest.raises(scoreline.ClosedError):
            await task

    asyncio.run(close())


def test_closing_a_client_ends_the_calls_of_other_threads(running: Running) -> None:
    client = Client(running.target)
    client.schema("credit")
    running.sums.plan.append(hold)
    caught: list[ScorelineError] = []

    def call() -> None:
        try:
            client.score("credit", {"income": 1.0})
        except ScorelineError as error:
            caught.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    asyncio.run(arrival(running, 1))
    client.close()
    caller.join()
    assert [type(error) for error in caught] == [scoreline.ClosedError]


def test_eight_threads_share_one_client(running: Running) -> None:
    failures: list[str] = []

    def call(worker: int, client: Client) -> None:
        for value in range(worker * 1000, worker * 1000 + 40):
            score = client.score("credit", {"income": float(value), "status": "x" * worker}).score
            if score != value + 10 * worker:
                failures.append(f"{value}: {score}")

    with Client(running.target, connections=2) as client:
        workers = [threading.Thread(target=call, args=(worker, client)) for worker in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert failures == []
    assert sum(len(request.packed.entity_ids) for request in running.sums.requests) == 320


@given(
    attempt=st.integers(1, 9), jitter=st.floats(0, 1, exclude_max=True), hint=st.one_of(st.none(), st.floats(0.01, 9))
)
def test_a_wait_grows_within_its_bounds_and_never_undercuts_the_hint(
    attempt: int, jitter: float, hint: float | None
) -> None:
    policy = RetryPolicy(max_attempts=10, initial_backoff_seconds=0.1, max_backoff_seconds=1.0)
    wait = policy.wait_seconds(scoreline.UnavailableError("", retry_after_seconds=hint), attempt, jitter)
    backoff = min(0.1 * 2 ** (attempt - 1), 1.0)
    assert wait is not None
    assert max(backoff / 2, hint or 0) <= wait <= max(backoff, (hint or 0) * 1.1)


def test_an_empty_budget_stops_retries_until_answers_fill_it() -> None:
    budget = RetryBudget(RetryPolicy(budget=2, budget_per_answer=0.5))
    assert [budget.take() for _ in range(3)] == [True, True, False]
    budget.answered()
    assert not budget.take()
    budget.answered()
    assert budget.take()


@pytest.mark.parametrize(
    "options",
    [{"max_attempts": 0}, {"initial_backoff_seconds": 0}, {"max_backoff_seconds": 0.001}, {"multiplier": 0.5}],
)
def test_a_policy_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RetryPolicy(**options)


class Script:
    """A transport that fails as told and whose clock moves by what is waited."""

    def __init__(self, schema: pb.GetSchemaResponse, failures: list[ScorelineError]) -> None:
        self.schema, self.failures = schema, failures
        self.now, self.sent, self.waits = 0.0, list[Send](), list[float]()

    def send(self, call: Send) -> Message:
        if call.method is Method.SCHEMA:
            return self.schema
        self.sent.append(call)
        raise self.failures.pop(0)

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def close(self) -> None:
        """Nothing is open."""


def test_back_off_doubles_and_each_attempt_has_only_the_time_that_is_left() -> None:
    script = Script(make_schema(), [scoreline.UnavailableError("gone") for _ in range(9)])
    policy = RetryPolicy(max_attempts=9, initial_backoff_seconds=0.1, max_backoff_seconds=0.5)
    flows = Flows(RetryingCalls(timeout_seconds=1.0, retry=policy, clock=lambda: script.now, jitter=lambda: 0.999999))
    with pytest.raises(scoreline.UnavailableError) as caught:
        run(flows.score(CallOptions(route="credit"), scoreline.Entity()), script)
    assert script.waits == pytest.approx([0.1, 0.2, 0.4], rel=1e-4)
    assert [call.timeout_seconds for call in script.sent] == pytest.approx([1.0, 0.9, 0.7, 0.3], rel=1e-4)
    assert (caught.value.attempts, caught.value.code) == (4, Code.UNAVAILABLE)


def test_a_hint_is_waited_for_unless_the_deadline_comes_first() -> None:
    full = [scoreline.OverloadedError("full", retry_after_seconds=hint) for hint in (0.4, 0.7)]
    script = Script(make_schema(), [*full])
    calls = RetryingCalls(timeout_seconds=1.0, retry=RetryPolicy(), clock=lambda: script.now, jitter=lambda: 0.5)
    with pytest.raises(scoreline.OverloadedError) as caught:
        run(Flows(calls).score(CallOptions(route="credit"), scoreline.Entity()), script)
    assert script.waits == pytest.approx([0.42])
    assert caught.value is full[1]


def test_one_client_s_retries_draw_on_one_budget() -> None:
    script = Script(make_schema(), [scoreline.UnavailableError("gone") for _ in range(99)])
    policy = RetryPolicy(budget=5, budget_per_answer=0)
    flows = Flows(RetryingCalls(timeout_seconds=99.0, retry=policy, clock=lambda: script.now))
    for _ in range(10):
        with pytest.raises(scoreline.UnavailableError):
            run(flows.score(CallOptions(route="credit"), scoreline.Entity()), script)
    assert len(script.sent) == 10 + 5


def test_a_flow_asks_and_waits_without_doing_either_itself() -> None:
    flow = Flows(RetryingCalls(timeout_seconds=1.0, retry=RetryPolicy())).score(
        CallOptions(route="credit"), scoreline.Entity()
    )
    first = next(flow)
    assert isinstance(first, Send)
    assert first.method is Method.SCHEMA
    assert isinstance(flow.throw(scoreline.UnavailableError("gone")), Pause)


def test_a_policy_may_have_no_budget_at_all() -> None:
    assert not RetryBudget(RetryPolicy(budget=0)).take()


@pytest.mark.parametrize("field", ["multiplier", "budget", "budget_per_answer"])
def test_a_policy_of_nan_is_refused(field: str) -> None:
    given: Any = {field: float("nan")}
    with pytest.raises(ValueError, match="multiplier must be"):
        scoreline.RetryPolicy(**given)
