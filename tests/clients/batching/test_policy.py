"""The batching policy, with a clock that a test sets."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from scoreline import DeadlineError, Reason, Score, ScorelineError, UnavailableError
from scoreline.batching.policy import MAX_QUEUE_DELAY_SECONDS, Batch, Effects, Queue, Waiter, noting_errors
from scoreline.calls.retrying import Deadline
from scoreline.calls.transport import Flow, Method, Pause, Send
from scoreline.decoding.results import DataQuality
from scoreline.encoding.row import EncodedRow
from scoreline.v1 import scoring_pb2 as pb

DELAY = MAX_QUEUE_DELAY_SECONDS


def waiter(*, at: float = 0.0, ends: float = 1e9, size: int = 4, name: str = "") -> Waiter[str]:
    return Waiter(EncodedRow("", bytes(size)), Deadline(ends - at, ends), queued_at=at, wake=name)


def queue(**options: Any) -> Queue[str]:
    return Queue(max_open=2, **options)


def busy(**options: Any) -> Queue[str]:
    """A queue with as many open calls as may be."""
    full = queue(**options)
    assert full.admit()
    assert full.admit()
    return full


def a_score(value: float = 0.5) -> Score:
    return Score(
        score=value, band=None, points=None, extras={}, model="credit", version=1, arm="a", reason=Reason.STATIC,
        prediction_id="p-0", revision=1, model_digest="", quality=DataQuality(),
    )  # fmt: skip


def sent(effects: Effects[str]) -> list[list[Waiter[str]]]:
    return [list(batch.members) for batch in effects.send]


def test_a_caller_who_finds_a_free_call_makes_it_alone() -> None:
    assert [queue().admit() for _ in range(2)] == [True, True]
    full = busy()
    assert not full.admit()
    full.returned_alone(0.0)
    assert full.admit()


def test_those_who_wait_when_a_call_returns_go_together() -> None:
    full = busy()
    waiters = [waiter() for _ in range(5)]
    for one in waiters:
        assert sent(full.join(one)) == []
    assert sent(full.returned_alone(0.0)) == [waiters]
    assert (full.open, len(full.waiting), sent(full.returned_alone(0.0))) == (2, 0, [])


def test_a_batch_has_at_most_64_rows() -> None:
    full = busy()
    for _ in range(100):
        full.join(waiter())
    assert [len(members) for members in sent(full.returned_alone(0.0))] == [64]
    assert [len(members) for members in sent(full.returned_alone(0.0))] == [36]


def test_a_batch_has_at_most_a_mebibyte() -> None:
    full = busy()
    for _ in range(5):
        full.join(waiter(size=400_000))
    batches = iter(lambda: full.take_batch(0.0), None)
    assert [len(batch.members) for batch in batches if batch] == [2, 2, 1]


def test_a_caller_who_left_is_not_sent() -> None:
    full = busy()
    first, second = waiter(), waiter()
    full.join(first)
    full.join(second)
    full.leave(first)
    assert sent(full.returned_alone(0.0)) == [[second]]


def test_a_queue_that_all_have_left_sends_nothing() -> None:
    full = busy()
    only = waiter()
    full.join(only)
    full.leave(only)
    assert sent(full.returned_alone(0.0)) == []
    assert full.admit()


@pytest.mark.parametrize(("is_sent", "attempts"), [(False, 0), (True, 1)])
def test_a_wait_that_is_over_says_how_long_it_was_and_whether_a_call_was_made(is_sent: bool, attempts: int) -> None:
    full = busy()
    hasty, patient = waiter(ends=3.0), waiter(ends=4.0)
    full.join(hasty)
    full.join(patient)
    if is_sent:
        full.returned_alone(0.0)
    assert full.check(hasty, 3.0).wake == (hasty,)
    assert isinstance(hasty.result, DeadlineError)
    assert (str(hasty.result), hasty.result.attempts) == ("no answer to Score within 3 s", attempts)


def test_who_leads_a_call_needs_no_timer_because_the_call_has_its_deadline() -> None:
    full = busy(max_delay_seconds=1.0)
    follower, leader = waiter(ends=3.0), waiter(ends=4.0)
    for one in (follower, leader):
        full.join(one)
    effects = full.check(leader, 1.0)
    assert sent(effects) == [[follower, leader]]
    assert effects.timer_at is None
    assert full.check(leader, 2.0).timer_at is None
    assert full.check(follower, 2.0).timer_at == 3.0


def test_each_member_gets_its_outcome_once() -> None:
    full = busy()
    waiters = [waiter(name=str(place)) for place in range(3)]
    for one in waiters:
        full.join(one)
    (batch,) = full.returned_alone(0.0).send
    outcomes: list[Score | ScorelineError] = [a_score(0.1), UnavailableError("away"), a_score(0.3)]
    effects = full.returned(batch, outcomes, 0.0)
    assert list(effects.wake) == waiters
    assert [one.result for one in waiters] == outcomes
    assert full.open == 1


def test_waiters_are_sent_beyond_the_open_calls_when_none_was_sent_for_too_long() -> None:
    full = busy()
    first, second = waiter(at=3.0), waiter(at=3.0 + DELAY / 2)
    assert full.join(first).timer_at == 3.0 + DELAY
    full.join(second)
    early = full.check(first, 3.0 + DELAY / 2)
    assert (sent(early), early.timer_at) == ([], 3.0 + DELAY)
    assert sent(full.check(first, 3.0 + DELAY)) == [[first, second]]
    assert full.open == 3


def test_the_queue_delay_counts_from_the_last_batch() -> None:
    full = busy()
    for at in (3.0, 9.0):
        full.join(waiter(at=at))
    assert full.flush_deadline == 3.0 + DELAY
    full.max_rows = 1
    full.take_batch(8.0)
    assert full.flush_deadline == 9.0 + DELAY
    full.join(waiter(at=9.0))
    full.take_batch(9.5)
    assert full.flush_deadline == 9.5 + DELAY


def test_a_deadline_ends_one_wait_and_not_the_call() -> None:
    full = busy()
    patient, hasty = waiter(ends=60.0), waiter(ends=1.0)
    full.join(patient)
    full.join(hasty)
    (batch,) = full.returned_alone(0.0).send
    assert batch.leader is patient
    assert full.check(hasty, 0.9).timer_at == 1.0
    effects = full.check(hasty, 1.0)
    assert (list(effects.wake), list(effects.cancel)) == ([hasty], [])
    assert isinstance(hasty.result, DeadlineError)
    assert list(full.returned(batch, [a_score(), a_score()], 2.0).wake) == [patient]


def test_a_wait_that_ends_in_the_queue_is_an_error_without_an_attempt() -> None:
    full = busy()
    only = waiter(ends=0.01)
    full.join(only)
    assert list(full.check(only, 0.01).wake) == [only]
    assert isinstance(only.result, DeadlineError)
    assert only.result.attempts == 0


def test_a_caller_without_a_server_gets_the_error_of_the_last_attempt() -> None:
    full = busy()
    leader, hasty = waiter(ends=60.0), waiter(ends=1.0)
    full.join(leader)
    full.join(hasty)
    (batch,) = full.returned_alone(0.0).send
    batch.error = UnavailableError("no server")
    batch.error.__cause__ = OSError("refused")
    full.check(hasty, 1.0)
    assert type(hasty.result) is UnavailableError
    assert hasty.result is not batch.error
    assert hasty.result.__cause__ is batch.error.__cause__


def test_a_call_that_all_its_callers_left_is_cancelled() -> None:
    full = busy()
    first, second = waiter(), waiter()
    full.join(first)
    full.join(second)
    (batch,) = full.returned_alone(0.0).send
    assert list(full.leave(first).cancel) == []
    assert list(full.leave(second).cancel) == [batch]
    full.failed(batch, ScorelineError("cancelled"), 0.0)
    assert full.open == 1


def test_when_the_leader_is_interrupted_the_others_join_again_in_front() -> None:
    full = busy()
    leader, other, later = waiter(ends=2e9), waiter(), waiter()
    full.join(leader)
    full.join(other)
    full.returned_alone(0.0)
    full.join(later)
    assert sent(full.interrupted(leader, 0.0)) == [[other, later]]
    assert other.leads


def test_an_interrupted_caller_who_does_not_lead_breaks_no_call() -> None:
    full = busy()
    leader, other = waiter(ends=2e9), waiter()
    full.join(leader)
    full.join(other)
    (batch,) = full.returned_alone(0.0).send
    assert full.interrupted(other, 0.0) == Effects()
    assert list(full.returned(batch, [a_score(), a_score()], 0.0).wake) == [leader]


def test_after_a_shared_call_an_event_loop_s_callers_wait_for_one_another() -> None:
    shared = queue(joins_crowds=True)
    shared.waiting.extend([waiter(), waiter()])
    (batch,) = shared.flush(0.0).send
    shared.returned(batch, [a_score(), a_score()], 0.0)
    assert not shared.admit()
    only = waiter()
    assert shared.join(only).flush_soon
    assert sent(shared.flush(0.0)) == [[only]]
    assert shared.admit()


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, every caller gets one outcome and every call is closed."""

    @initialize(joins_crowds=st.booleans())
    def start(self, joins_crowds: bool) -> None:
        self.queue = queue(joins_crowds=joins_crowds, max_rows=4)
        self.now, self.alone = 0.0, 0
        self.waiters: list[Waiter[str]] = []
        self.woken: list[Waiter[str]] = []
        self.flying: list[Batch[str]] = []

    def execute(self, effects: Effects[str]) -> None:
        self.flying.extend(effects.send)
        self.woken.extend(effects.wake)
        for batch in effects.cancel:
            self.end(batch)
        if effects.flush_soon:
            self.execute(self.queue.flush(self.now))

    def end(self, batch: Batch[str]) -> None:
        self.flying.remove(batch)
        self.execute(self.queue.returned(batch, [a_score()] * len(batch.members), self.now))

    @rule()
    def call(self) -> None:
        if self.queue.admit():
            self.alone += 1
        else:
            self.waiters.append(waiter(at=self.now, ends=self.now + 0.2))
            self.execute(self.queue.join(self.waiters[-1]))

    @precondition(lambda self: self.flying)
    @rule()
    def return_a_batch(self) -> None:
        self.end(self.flying[0])

    @precondition(lambda self: self.alone)
    @rule()
    def return_alone(self) -> None:
        self.alone -= 1
        self.execute(self.queue.returned_alone(self.now))

    @rule()
    def let_time_pass(self) -> None:
        self.now += DELAY
        self.execute(self.queue.check_all(self.now))

    @precondition(lambda self: any(not one.left for one in self.waiters))
    @rule()
    def leave(self) -> None:
        self.execute(self.queue.leave(next(one for one in self.waiters if not one.left)))

    @precondition(lambda self: self.flying)
    @rule()
    def interrupt(self) -> None:
        self.execute(self.queue.interrupted(self.flying.pop(0).leader, self.now))

    @invariant()
    def open_calls_are_counted(self) -> None:
        assert self.queue.open == self.alone + len(self.flying)
        assert self.queue.open >= self.queue.max_open or not self.queue.waiting

    def teardown(self) -> None:
        while self.flying or self.alone:
            if self.flying:
                self.return_a_batch()
            else:
                self.return_alone()
        assert self.queue.open == len(self.queue.in_flight) == len(self.queue.waiting) == 0
        assert all(one.left or one in self.woken for one in self.waiters)
        assert len(self.woken) == len(set(self.woken))


TestAnyOrder = AnyOrder.TestCase


def test_a_flow_s_failures_are_noted_until_an_attempt_succeeds() -> None:
    request, away = Send(Method.SCORE, pb.ScoreRequest(), 1.0), UnavailableError("away")

    def call() -> Flow[str]:
        try:
            yield request
        except UnavailableError:
            yield Pause(0.1)
            return str((yield request))
        return "at once"

    batch: Batch[str] = Batch([waiter()], waiter())
    flow = noting_errors(call(), batch)
    assert next(flow) is request
    assert flow.throw(away) == Pause(0.1)
    assert batch.error is away
    assert flow.send(None) is request
    assert batch.error is away
    with pytest.raises(StopIteration) as done:
        flow.send("answer")
    assert done.value.value == "answer"
    assert not batch.error
