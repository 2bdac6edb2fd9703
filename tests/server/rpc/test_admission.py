"""What is taken in is done in time; the rest is refused at once, with a hint when to come back."""

import random
import threading

import pytest

from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.rpc.admission import Admission
from scoreline_server.rpc.pipeline import Answer

NOW = 1000.0


def admission(most: float = 1.0, slow_call_seconds: float = float("inf")) -> Admission:
    return Admission(max_queue_seconds=most, slow_call_seconds=slow_call_seconds, clock=lambda: NOW)


def takes(door: Admission, seconds: float, deadline: float | None = None) -> bool:
    try:
        door.take(seconds, deadline)
    except CallError:
        return False
    return True


def test_no_more_work_is_taken_than_the_queue_may_hold() -> None:
    door = admission(1.0)
    assert [takes(door, 0.25) for _ in range(6)] == [True] * 4 + [False] * 2
    door.done(0.25)
    assert [takes(door, 0.25) for _ in range(2)] == [True, False]
    assert door.queued_seconds == pytest.approx(1.0)


def test_work_that_would_miss_its_deadline_is_refused_while_other_work_is_taken() -> None:
    door = admission(1.0)
    assert takes(door, 0.3, NOW + 0.31)
    assert not takes(door, 0.1, NOW + 0.49)
    assert takes(door, 0.1, NOW + 0.51)
    assert not takes(door, 0.1, NOW - 5)
    assert takes(door, 0.1)


def test_a_call_that_finds_nothing_in_hand_is_taken_whatever_it_costs() -> None:
    door = admission(1.0)
    assert takes(door, 5.0)
    assert not takes(door, 0.001)
    door.done(5.0)
    assert takes(door, 5.0)


def test_a_refusal_says_when_to_come_back() -> None:
    door = admission(1.0)
    door.take(0.9, None)
    with pytest.raises(CallError) as caught:
        door.take(0.2, None)
    assert caught.value.reason is ErrorReason.OVERLOADED
    assert caught.value.retry_after_seconds == pytest.approx(0.9)
    assert caught.value.metadata["queued_seconds"] == "0.90"
    answer = Answer.failed(caught.value)
    assert answer.code.name == "RESOURCE_EXHAUSTED"
    assert b"google.rpc.RetryInfo" in dict(answer.trailers)["grpc-status-details-bin"]


def test_heavy_work_is_no_reason_to_refuse_cheap_work_nor_the_other_way_round() -> None:
    door = admission(1.0, slow_call_seconds=0.005)
    assert [takes(door, 0.5) for _ in range(3)] == [True, True, False]
    assert [takes(door, 0.004, NOW + 0.0101) for _ in range(3)] == [True, True, False]
    door.done(0.5, 0.5)
    assert takes(door, 0.5)
    assert not takes(door, 0.004, NOW + 0.0101)
    door.done(0.004, 0.004)
    assert takes(door, 0.004, NOW + 0.0101)


def test_nothing_in_hand_is_exactly_nothing_however_sums_drift() -> None:
    door, rng = admission(1e9), random.Random(7)
    works = [rng.uniform(5e-5, 0.01) for _ in range(10_000)]
    for seconds in works:
        door.take(seconds, None)
    rng.shuffle(works)
    door.done(*works[:5000])
    door.done(*works[5000:])
    assert door.queued_seconds == 0


def test_estimates_are_held_against_the_clock() -> None:
    now = [NOW]
    door = Admission(max_queue_seconds=1.0, clock=lambda: now[0])
    for _ in range(50):
        door.take(0.01, None)
        now[0] += 0.04
        door.done(0.01)
    assert takes(door, 0.01)
    assert [takes(door, 0.01, now[0] + 0.105) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("seconds", "hint"),
    [
        (0.5, 1.0),  # faster than estimated
        (1.5, 1.05),
        (3.0, 1.2),
        (2.26, 1.13),  # 1.126 rounded
        (50.0, 1.3),  # as if it had been 4 seconds
    ],
)
def test_a_tenth_of_a_batch_s_pace_is_believed_from_the_time_that_its_queue_began(seconds: float, hint: float) -> None:
    now = [NOW]
    door = Admission(max_queue_seconds=2.0, clock=lambda: now[0])
    # The time before a queue begins is no part of it.
    door.take(1.0, None)
    now[0] += seconds / 2
    door.take(1.0, None)
    now[0] += seconds / 2
    door.done(1.0)
    with pytest.raises(CallError) as caught:
        door.take(1.5, None)
    assert caught.value.retry_after_seconds == hint


def test_time_without_work_tells_nothing_of_the_pace() -> None:
    now = [NOW]
    door = Admission(max_queue_seconds=2.0, clock=lambda: now[0])
    for _ in range(3):
        door.take(1.0, None)
        now[0] += 1.0
        door.done(1.0)
        now[0] += 500.0
    door.take(1.0, None)
    with pytest.raises(CallError) as caught:
        door.take(1.5, None)
    assert caught.value.retry_after_seconds == 1.0


def test_a_call_of_exactly_the_limit_is_a_slow_one() -> None:
    door = admission(1.0, slow_call_seconds=0.75)
    assert takes(door, 0.75)
    assert not takes(door, 0.8)
    assert takes(door, 0.5)


def test_work_that_was_dropped_tells_nothing_of_the_pace() -> None:
    now = [NOW]
    door = Admission(max_queue_seconds=1.0, clock=lambda: now[0])
    for _ in range(50):
        door.take(0.01, None)
        now[0] += 0.04
        door.dropped(0.01)
    assert takes(door, 0.01)
    assert [takes(door, 0.01, now[0] + 0.0376) for _ in range(3)] == [True, True, False]


def test_threads_lose_no_work() -> None:
    door = admission(1e9)

    def busy() -> None:
        for _ in range(2000):
            door.take(0.125, None)
            door.done(0.125)
        door.take(1.0, None)

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert door.queued_seconds == 4.0


def test_calls_that_wait_for_a_store_are_no_reason_to_refuse_others() -> None:
    door, least = admission(1.0, slow_call_seconds=0.005), 2**-10
    for _ in range(1024):
        door.take(least, None, waits=True)
    with pytest.raises(CallError):
        door.take(least, None, waits=True)
    assert not takes(door, 0.01)
    assert [takes(door, least) for _ in range(1025)] == [True] * 1024 + [False]
    door.dropped(least, waits=True)
    door.take(least, None, waits=True)
    door.done(*[least] * 1024, waits=True)
    assert door.queued_seconds == pytest.approx(1.0)
    door.done(*[least] * 1024)
    assert door.queued_seconds == 0
