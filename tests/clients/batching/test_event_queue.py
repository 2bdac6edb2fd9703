"""The queue of events: what is sent together, in which order, and what becomes of it."""

from scoreline import ClosedError, DeadlineError, InvalidRequestError, NotFoundError, OverloadedError, UnavailableError
from scoreline.batching.event_queue import MAX_CALL_BYTES, MAX_LISTED, EventBatch, EventQueue
from scoreline.encoding.events import Event, recorded
from scoreline.v1 import profiles_pb2 as pb


def event(name: str, *, size: int = 0) -> pb.EntityEvent:
    fields = {f"f{at}": "x" * 200 for at in range(size // 200)}
    return recorded("c-17", Event("visit", fields, id=name), now=0)


def filled(*names: str, profile: str = "p", **options: int) -> EventQueue:
    queue = EventQueue(**options)
    for name in names:
        queue.put(profile, event(name))
    return queue


def opened(queue: EventQueue) -> EventBatch:
    batch = queue.next_batch()
    assert batch is not None
    return batch


def names(batch: EventBatch) -> list[str]:
    return [message.event.id for message in batch.messages]


def test_one_call_is_open_at_a_time_and_those_that_come_meanwhile_are_sent_together() -> None:
    queue = filled("a")
    first = opened(queue)
    queue.put("p", event("b"))
    queue.put("p", event("c"))
    assert queue.next_batch() is None
    queue.answered(first, pb.RecordEventsResponse(kept_count=1))
    second = opened(queue)
    assert (names(first), names(second)) == (["a"], ["b", "c"])
    queue.answered(second, pb.RecordEventsResponse(kept_count=1, repeated_indices=[1]))
    assert queue.next_batch() is None
    report = queue.report()
    assert (report.kept, report.repeated, report.refused) == (2, 1, ())
    assert queue.report().kept == 0


def test_a_call_is_of_one_profile_whose_events_wait_the_longest() -> None:
    queue = EventQueue()
    for profile, name in (("p", "a"), ("q", "b"), ("p", "c"), ("q", "d")):
        queue.put(profile, event(name))
    first = opened(queue)
    assert (first.profile, names(first)) == ("p", ["a", "c"])
    assert not queue.is_settled(1)
    queue.answered(first, pb.RecordEventsResponse())
    assert queue.is_settled(1)
    assert not queue.is_settled(2)
    second = opened(queue)
    assert (second.profile, names(second)) == ("q", ["b", "d"])
    queue.answered(second, pb.RecordEventsResponse())
    assert queue.is_settled(4)


def test_calls_have_so_many_events_and_bytes() -> None:
    queue = filled("a", "b", "c", max_call_events=2)
    first = opened(queue)
    queue.answered(first, pb.RecordEventsResponse())
    assert [names(first), names(opened(queue))] == [["a", "b"], ["c"]]
    large = EventQueue()
    for at in range(3):
        large.put("p", event(str(at), size=MAX_CALL_BYTES * 2 // 5))
    assert names(opened(large)) == ["0", "1"]


def test_the_queue_is_full_until_events_have_their_answer() -> None:
    queue = filled("a", "b", max_events=2)
    batch = opened(queue)
    assert queue.is_full
    queue.answered(batch, pb.RecordEventsResponse())
    assert not queue.is_full


def test_events_that_were_not_kept_are_named_in_their_order() -> None:
    queue = filled("a", "b", "c")
    wrong = pb.EventError(index=0, reason="WRONG_TYPE", message="amount: no", field="amount")
    refused = queue.answered(opened(queue), pb.RecordEventsResponse(kept_count=1, late_indices=[2], errors=[wrong]))
    assert [(each.id, each.reason, each.field) for each in refused] == [
        ("a", "WRONG_TYPE", "amount"),
        ("c", "LATE", "time"),
    ]
    assert (refused[0].profile, refused[0].entity_id, refused[0].type) == ("p", "c-17", "visit")
    report = queue.report()
    assert report.refused == tuple(refused)
    assert (report.kept, report.refused_count) == (1, 2)


def test_events_of_a_call_that_may_be_answered_later_are_sent_again_first() -> None:
    for error in (UnavailableError("gone"), DeadlineError("late"), OverloadedError("full", reason="OVERLOADED"),
                  ClosedError("closed")):  # fmt: skip
        queue = filled("a", "b")
        batch = opened(queue)
        queue.put("p", event("c"))
        assert queue.failed(batch, error) == []
        assert queue.error is error
        assert not queue.is_settled(1)
        again = opened(queue)
        assert names(again) == ["a", "b", "c"]
        queue.answered(again, pb.RecordEventsResponse(kept_count=3))
        assert queue.error is None
        assert queue.report().kept == 3


def test_events_of_a_call_that_cannot_succeed_are_refused() -> None:
    for error in (NotFoundError("no profile p", reason="NOT_FOUND"), InvalidRequestError("no")):
        queue = filled("a", "b")
        refused = queue.failed(opened(queue), error)
        assert [(each.id, each.reason, each.message) for each in refused] == [
            (name, error.reason or "INVALID_ARGUMENT", error.message) for name in "ab"
        ]
        assert queue.is_settled(2)


def test_a_call_that_is_too_large_is_halved_until_one_event_is() -> None:
    queue, too_large = filled("a", "b", "c", "d"), OverloadedError("too large")
    queue.failed(opened(queue), too_large)
    assert queue.error is None
    halved = opened(queue)
    assert names(halved) == ["a", "b"]
    queue.failed(halved, too_large)
    alone = opened(queue)
    assert [each.id for each in queue.failed(alone, too_large)] == ["a"]
    assert names(opened(queue)) == ["b"]


def test_a_report_lists_the_newest_refused_events_and_counts_all() -> None:
    queue = filled(*map(str, range(MAX_LISTED + 5)))
    queue.failed(opened(queue), NotFoundError("no"))
    report = queue.report()
    assert (report.refused_count, len(report.refused), report.refused[0].id) == (MAX_LISTED + 5, MAX_LISTED, "5")
