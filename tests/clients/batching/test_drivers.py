"""Threads and tasks that share calls, over a transport whose answers the test holds."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.message import Message

from scoreline import DeadlineError, Entity, InvalidRequestError, RetryPolicy, UnavailableError
from scoreline.batching.asyncio_driver import AioCoalescer
from scoreline.batching.threading_driver import Coalescer
from scoreline.calls.call_options import CallOptions
from scoreline.calls.flows import Flows
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Send
from scoreline.v1 import scoring_pb2 as pb
from tests.clients.batching.callers import NEVER, Callers, Script, Tasks, TaskTransport, Threads, ThreadTransport
from tests.waiting import wait_until

Start = Callable[..., Callers]


@pytest.fixture(params=[Threads, Tasks], ids=["threads", "tasks"])
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Makes callers; a batch is sent beyond the open calls by a test that sets a delay only."""
    made: list[Callers] = []

    def make(script: Script, **options: Any) -> Callers:
        made.append(request.param(script, **{"max_delay_seconds": NEVER, **options}))
        return made[-1]

    yield make
    for callers in made:
        release(*callers.script.holds)
        callers.close()


def with_two_held_calls(start: Start, script: Script, **options: Any) -> Callers:
    """Callers of whom two have made calls that are held, so that others wait."""
    callers = start(script, **options)
    for count in (1, 2):
        callers.start(entity_id="held")
        wait_until(lambda count=count: len(script.calls) == count)  # type: ignore[misc]
    return callers


def holds(count: int) -> list[threading.Event]:
    return [threading.Event() for _ in range(count)]


def release(*held: threading.Event) -> None:
    for event in held:
        event.set()


def test_those_who_wait_share_the_next_calls_of_at_most_64(start: Start) -> None:
    script = Script(holds(2))
    callers = with_two_held_calls(start, script)
    asked = [callers.start(features={"income": float(row)})[0] for row in range(100)]
    wait_until(lambda: callers.waiting == 100)
    release(*script.holds)
    assert [future.result().score for future in asked] == [float(row) for row in range(100)]
    # The two calls that follow the held ones begin on two threads.
    assert (script.sizes[:2], sorted(script.sizes[2:])) == ([1, 1], [36, 64])
    assert script.most_at_once == 2


def test_a_shared_call_is_made_again_as_it_was(start: Start) -> None:
    def away_once(request: pb.ScoreRequest) -> None:
        if len(script.calls) == 3:
            raise UnavailableError("away")

    script = Script(holds(2), fail=away_once)
    callers = with_two_held_calls(start, script)
    asked = callers.start(20, features={"income": 3.0})
    wait_until(lambda: callers.waiting == 20)
    release(script.holds[0])
    assert [future.result().score for future in asked] == [3.0] * 20
    release(script.holds[1])
    assert script.sizes == [1, 1, 20, 20]
    assert script.requests[2] == script.requests[3]
    assert script.requests[2].request_id


def test_a_row_that_fails_its_call_costs_a_number_of_calls_that_grows_with_the_logarithm(start: Start) -> None:
    def poisoned(request: pb.ScoreRequest) -> None:
        if "poison" in request.packed.entity_ids:
            raise InvalidRequestError("poison", reason="WRONG_INDEX")

    script = Script(holds(2), fail=poisoned)
    callers = with_two_held_calls(start, script)
    asked = [callers.start(entity_id="poison" if row == 11 else "ok")[0] for row in range(32)]
    wait_until(lambda: callers.waiting == 32)
    release(script.holds[0])
    errors = [future.exception() for future in asked]
    release(script.holds[1])
    assert [row for row, error in enumerate(errors) if error is not None] == [11]
    assert sorted(script.sizes[2:]) == [1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32]


def test_each_caller_has_its_own_deadline_and_the_call_the_latest(start: Start) -> None:
    script = Script(holds(3))
    callers = with_two_held_calls(start, script)
    patient = callers.start(3)
    hasty = callers.start(4, timeout_seconds=0.2)
    release(script.holds[0])
    assert {str(future.exception()) for future in hasty} == {"no answer to Score within 0.2 s"}
    assert {type(future.exception()) for future in hasty} == {DeadlineError}
    release(*script.holds)
    assert [future.result().score for future in patient] == [0.0] * 3
    assert min(call.timeout_seconds for call in script.calls) > NEVER / 2


def test_calls_that_hang_do_not_hold_up_the_others(start: Start) -> None:
    script = Script(holds(2))
    callers = with_two_held_calls(start, script, max_delay_seconds=0.01)
    assert [future.result().score for future in callers.start(6, features={"income": 1.0})] == [1.0] * 6
    release(*script.holds)


def test_an_unexpected_error_reaches_every_member(start: Start) -> None:
    def broken(request: pb.ScoreRequest) -> None:
        if len(request.packed.entity_ids) > 1:
            raise RuntimeError("a defect")

    script = Script(holds(2), fail=broken)
    callers = with_two_held_calls(start, script)
    asked = callers.start(5)
    wait_until(lambda: callers.waiting == 5)
    release(script.holds[0])
    assert [repr(future.exception()) for future in asked] == ["RuntimeError('a defect')"] * 5
    assert callers.start()[0].result().score == 0.0
    release(script.holds[1])


@pytest.fixture
def tasks() -> Iterator[Callable[..., Tasks]]:
    made: list[Tasks] = []

    def make(script: Script, **options: Any) -> Tasks:
        made.append(Tasks(script, **options))
        return made[-1]

    yield make
    for callers in made:
        release(*callers.script.holds)
        callers.close()


def test_a_call_goes_on_while_one_of_its_callers_stays(tasks: Callable[..., Tasks]) -> None:
    script = Script(holds(3))
    callers = with_two_held_calls(tasks, script, max_delay_seconds=NEVER)
    asked = callers.start(5)
    wait_until(lambda: callers.waiting == 5)
    release(script.holds[0])
    wait_until(lambda: len(script.calls) == 3)
    for future in asked[:4]:
        assert future.cancel()
    release(*script.holds)
    assert asked[4].result().score == 0.0
    assert script.cancelled == 0


def test_a_call_that_all_its_callers_left_is_cancelled(tasks: Callable[..., Tasks]) -> None:
    script = Script(holds(3))
    callers = with_two_held_calls(tasks, script, max_delay_seconds=NEVER)
    asked = callers.start(5)
    wait_until(lambda: callers.waiting == 5)
    release(script.holds[0])
    wait_until(lambda: len(script.calls) == 3)
    for future in asked:
        assert future.cancel()
    wait_until(lambda: script.cancelled == 1)
    release(*script.holds)


def test_a_call_that_is_cancelled_before_it_begins_leaves_its_place_to_others() -> None:
    script = Script(holds(1))
    flows = Flows(RetryingCalls(timeout_seconds=NEVER, retry=RetryPolicy()))

    async def crowd() -> list[float]:
        coalescer = AioCoalescer(flows, TaskTransport(script), max_open=1, max_delay_seconds=NEVER)

        async def call() -> float:
            return (await coalescer.score(CallOptions(route="credit"), Entity())).score

        async def called(count: int) -> list[asyncio.Task[float]]:
            tasks = [asyncio.create_task(call()) for _ in range(count)]
            while coalescer.waiting < count - 1:
                await asyncio.sleep(0)
            return tasks

        first = await called(9)
        release(*script.holds)
        await asyncio.gather(*first)
        # After a shared call, callers of one turn of the loop wait for one another, the first of them too.
        early = await called(3)
        for task in early:
            task.cancel()
        await asyncio.gather(*early, return_exceptions=True)
        return await asyncio.gather(*(call() for _ in range(4)))

    assert asyncio.run(crowd()) == [0.0] * 4


class Interrupting(ThreadTransport):
    """A transport whose first shared call is met by Ctrl-C in the thread that makes it."""

    interrupted = 0

    def send(self, call: Send) -> Message:
        count = len(call.request.packed.entity_ids) if isinstance(call.request, pb.ScoreRequest) else 0
        if count > 1 and not self.interrupted:
            self.interrupted = count
            raise KeyboardInterrupt
        return super().send(call)


def test_when_the_caller_who_makes_a_shared_call_is_interrupted_another_makes_it() -> None:
    script = Script(holds(2))
    flows = Flows(RetryingCalls(timeout_seconds=NEVER, retry=RetryPolicy()))
    coalescer = Coalescer(flows, Interrupting(script), max_open=2, max_delay_seconds=NEVER)
    outcomes: list[str] = []

    def call() -> None:
        try:
            coalescer.score(CallOptions(route="credit"), Entity())
            outcomes.append("scored")
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    callers = [threading.Thread(target=call) for _ in range(12)]
    for caller in callers:
        caller.start()
    wait_until(lambda: coalescer.waiting == 10)
    release(*script.holds)
    for caller in callers:
        caller.join()
    assert sorted(outcomes) == ["interrupted"] + ["scored"] * 11
