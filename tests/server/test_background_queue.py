"""The one queue behind the journal and the shadows: bounds, order, and what a close drops."""

import threading

import pytest

from scoreline_server.background_queue import BackgroundQueue
from scoreline_server.failure_log import log_failure
from tests.waiting import wait_until


class Worker:
    """Takes all items once it may; keeps what it was given and what was dropped."""

    def __init__(self, *, capacity: int = 10, drains: bool = True, may_work: bool = True) -> None:
        self.done: list[str] = []
        self.dropped: list[str] = []
        self.calls = 0
        self.finished = threading.Event()
        self.may_work = threading.Event()
        self.failure: Exception | None = None
        if may_work:
            self.may_work.set()
        self.queue: BackgroundQueue[str] = BackgroundQueue(
            "test", self.work, capacity=capacity, on_drop=self.dropped.extend, gather_seconds=0.0,
            idle_seconds=0.01, drains=drains, finish=self.finished.set,
        )  # fmt: skip

    def work(self) -> None:
        self.calls += 1
        assert self.may_work.wait(20)
        self.done += self.queue.take()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure


def test_items_are_worked_on_in_order_and_close_drains_the_rest() -> None:
    worker = Worker()
    worker.queue.put("early", 1)
    worker.queue.start()
    worker.queue.put("late", 1)
    assert worker.queue.close(20)
    assert (worker.done, worker.dropped) == (["early", "late"], [])
    assert worker.finished.is_set()


def test_items_beyond_the_capacity_are_dropped_and_room_comes_back() -> None:
    worker = Worker(capacity=3)
    for item, size in (("a", 2), ("b", 2), ("c", 1)):
        worker.queue.put(item, size)
    assert worker.dropped == ["b"]
    assert worker.queue.take() == ["a", "c"]
    worker.queue.put("d", 3)
    assert worker.queue.take() == ["d"]


def test_items_are_taken_while_they_fit_to_those_before() -> None:
    worker = Worker()
    for item in ("a1", "a2", "b1", "a3"):
        worker.queue.put(item, 1)
    taken = [worker.queue.take(lambda taken, item: not taken or item[0] == taken[0][0]) for _ in range(4)]
    assert taken == [["a1", "a2"], ["b1"], ["a3"], []]


def test_a_close_drops_what_is_left_and_what_comes_later() -> None:
    worker = Worker(drains=False)
    worker.queue.put("left", 1)
    assert worker.queue.close(20)
    worker.queue.put("late", 1)
    assert (worker.done, worker.dropped) == ([], ["left", "late"])


def test_a_close_says_that_the_thread_takes_longer() -> None:
    worker = Worker(may_work=False)
    worker.queue.put("slow", 1)
    worker.queue.start()
    wait_until(lambda: worker.calls == 1)
    assert not worker.queue.close(0)
    worker.may_work.set()
    assert worker.finished.wait(20)


def test_work_is_also_done_without_items_and_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    worker = Worker()
    worker.failure = RuntimeError("planted")
    worker.queue.start()
    wait_until(lambda: worker.calls >= 3)
    worker.queue.put("after", 1)
    assert worker.queue.close(20)
    assert worker.done == ["after"]
    assert log_failure.flush(20)
    assert "planted" in capsys.readouterr().out
