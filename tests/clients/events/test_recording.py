"""How both clients record events: together, in order, once, and with word of those that were refused."""

import logging
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

import grpc
import numpy as np
import pytest

import scoreline
from scoreline import Event, ProfileState, RefusedEvent, RetryPolicy
from scoreline.v1 import profiles_pb2
from scoreline.v1 import scoring_pb2 as pb
from tests.clients.conftest import QUICK, Connect, Start
from tests.clients.sums import Running, Sums, fail

UNAVAILABLE = fail(grpc.StatusCode.UNAVAILABLE, "PROFILE_STORE_FAILED")
NO_RETRY = RetryPolicy(max_attempts=1)


def purchase(amount: float = 1.0, **more: object) -> dict[str, object]:
    return {"type": "purchase", "amount": amount, **more}


def test_recorded_events_are_kept_once_a_flush_returns(client: scoreline.Client, running: Running) -> None:
    ids = [client.record("spending", f"c-{at % 3}", purchase(at)) for at in range(50)]
    report = client.flush_events()
    assert (report.kept, report.repeated, report.refused) == (50, 0, ())
    sent = [each for call in running.sums.ledger.calls for each in call.events]
    assert [each.event.id for each in sent] == ids
    assert [each.event.fields["amount"].number for each in sent] == list(range(50))
    assert {call.profile for call in running.sums.ledger.calls} == {"spending"}
    assert client.flush_events() == scoreline.EventsReport()


def test_events_that_come_while_a_call_is_open_are_sent_together(connect: Connect, running: Running) -> None:
    entered, go = threading.Event(), threading.Event()

    def hold(_context: grpc.ServicerContext) -> None:
        entered.set()
        assert go.wait(60)

    running.sums.ledger.plan.append(hold)
    client = connect(running.target, retry=QUICK)
    client.record("spending", "c-17", purchase())
    if isinstance(client, scoreline.Client):
        assert entered.wait(60)
    for _ in range(30):
        client.record("spending", "c-17", purchase())
    go.set()
    assert client.flush_events().kept == 31
    assert len(running.sums.ledger.calls) <= 3


def test_a_repeated_call_counts_nothing_twice(client: scoreline.Client, running: Running) -> None:
    running.sums.ledger.lost = 2
    for at in range(5):
        client.record("spending", "c-17", purchase(at))
    report = client.flush_events()
    assert report.kept + report.repeated == 5
    assert report.repeated > 0
    assert len(running.sums.ledger.kept) == 5


def test_a_server_that_comes_back_gets_what_a_flush_could_not_send(connect: Connect, start: Start) -> None:
    running = start()
    running.sums.ledger.plan.extend([UNAVAILABLE] * 10_000)
    client = connect(running.target, retry=NO_RETRY)
    client.record("spending", "c-17", purchase())
    with pytest.raises(scoreline.ScorelineError) as raised:
        client.flush_events(timeout_seconds=0.2)
    assert raised.value.metadata["unsent"] == "1"
    running.sums.ledger.plan.clear()
    assert client.flush_events().kept == 1


def test_refused_events_are_told_to_the_callers_function_and_in_the_report(connect: Connect, running: Running) -> None:
    told: list[RefusedEvent] = []

    def tell(events: Sequence[RefusedEvent]) -> None:
        told.extend(events)
        raise RuntimeError("the next events are sent all the same")

    client = connect(running.target, retry=QUICK, on_refused_events=tell)
    client.record("spending", "c-17", purchase(-1.0, id="wrong"))
    client.record("spending", "c-18", Event("late", id="old"))
    client.record("spending", "c-19", purchase())
    report = client.flush_events()
    assert [(each.id, each.entity_id, each.reason, each.field) for each in report.refused] == [
        ("wrong", "c-17", "INVALID_EVENT", "amount"), ("old", "c-18", "LATE", "time"),
    ]  # fmt: skip
    assert (report.kept, report.refused_count) == (1, 2)
    assert tuple(told) == report.refused


def test_events_of_an_unknown_profile_are_refused_and_others_go_on(client: scoreline.Client, running: Running) -> None:
    running.sums.ledger.plan.append(fail(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", text="no profile 'spnding'"))
    client.record("spnding", "c-17", purchase(id="a"))
    assert [each.message for each in client.flush_events().refused] == ["no profile 'spnding'"]
    client.record("spending", "c-17", purchase())
    assert client.flush_events().kept == 1


def test_a_full_queue_says_so(connect: Connect, start: Start) -> None:
    running = start()
    running.sums.ledger.plan.extend([UNAVAILABLE] * 10_000)
    client = connect(running.target, retry=NO_RETRY, max_queued_events=2)
    client.record("spending", "c-17", purchase())
    client.record("spending", "c-17", purchase())
    with pytest.raises(scoreline.OverloadedError, match="2 events wait to be recorded") as raised:
        client.record("spending", "c-17", purchase(), timeout_seconds=0.05)
    assert raised.value.reason == "EVENT_QUEUE_FULL"
    running.sums.ledger.plan.clear()
    client.record("spending", "c-17", purchase())
    assert client.flush_events().kept == 3


def test_what_cannot_be_an_event_is_refused_before_it_is_queued(client: scoreline.Client, running: Running) -> None:
    for entity_id, event in (("c-17", {"amount": 1.0}), ("", purchase()), ("c-17", purchase(float("inf")))):
        with pytest.raises(scoreline.InvalidRequestError):
            client.record("spending", entity_id, event)
    assert client.flush_events() == scoreline.EventsReport()
    assert not running.sums.ledger.calls


def test_leaving_the_block_sends_what_is_queued(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    with scoreline.Client(running.target, retry=QUICK) as client:
        client.record("spending", "c-17", purchase())
        with caplog.at_level(logging.WARNING, "scoreline"):
            client.record("spending", "c-17", purchase(-1.0))
            client.close()
    assert len(running.sums.ledger.kept) == 1
    assert "1 events were not added, the last with INVALID_EVENT: amount: not so" in caplog.text
    with pytest.raises(scoreline.ClosedError):
        client.record("spending", "c-17", purchase())


def test_closing_raises_where_events_are_lost_and_not_over_another_error(running: Running) -> None:
    running.sums.ledger.plan.extend([UNAVAILABLE] * 10_000)
    client = scoreline.Client(running.target, retry=NO_RETRY, timeout_seconds=0.1)
    client.record("spending", "c-17", purchase())
    with pytest.raises(scoreline.ScorelineError):
        client.close()
    client.close()
    own = scoreline.Client(running.target, retry=NO_RETRY, timeout_seconds=0.1)
    own.record("spending", "c-17", purchase())
    with pytest.raises(ZeroDivisionError):
        leave_with(own)


def leave_with(client: scoreline.Client) -> None:
    with client:
        _ = 1 / 0


def test_many_threads_record_through_one_client(running: Running) -> None:
    with scoreline.Client(running.target, retry=QUICK) as client:

        def record(thread: int) -> None:
            for at in range(100):
                client.record("spending", f"c-{thread}", purchase(at))

        threads = [threading.Thread(target=record, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.flush_events().kept == 800
    by_entity: dict[str, list[float]] = {}
    for (_, entity, _), event in running.sums.ledger.kept.items():
        by_entity.setdefault(entity, []).append(event.fields["amount"].number)
    assert all(amounts == list(range(100)) for amounts in by_entity.values())


def test_an_event_is_scored_with_its_entity(client: scoreline.Client, running: Running) -> None:
    score = client.score("credit", {"income": 5.0}, entity_id="c-17", event=purchase(42.0))
    assert (score.score, score.profile_state) == (5.0, ProfileState.NONE)
    client.score("credit", entity_id="c-18", event=Event("visit"))
    client.score_many("credit", {"income": [1.0, 2.0]}, events=[None, purchase(7.0)])
    first, second, third = (request.packed.events for request in running.sums.requests)
    assert (first[0].type, first[0].fields["amount"].number) == ("purchase", 42.0)
    assert [each.type for each in second] == ["visit"]
    assert [each.type for each in third] == ["", "purchase"]
    assert not running.sums.ledger.calls


@pytest.mark.parametrize("many", [False, True])
def test_a_score_says_whether_the_profile_was_read(connect: Connect, start: Start, many: bool) -> None:
    class Stated(Sums):
        def _answer(self, request: pb.ScoreRequest) -> pb.ScoreResponse:
            answer = super()._answer(request)
            answer.packed.profile_states = bytes([2, 3, 1][: len(request.packed.entity_ids)])
            return answer

    client = connect(start(Stated()).target)
    if not many:
        assert client.score("credit", {"income": 1.0}).profile_state is ProfileState.NEW
        return
    scores = client.score_many("credit", {"income": [1.0, 2.0, 3.0]})
    np.testing.assert_array_equal(scores.profile_state, [2, 3, 1])
    assert [score.profile_state.name for score in scores] == ["NEW", "UNREACHABLE", "READ"]


def test_a_profile_is_read_as_the_server_answers_it(client: scoreline.Client, running: Running) -> None:
    answer = profiles_pb2.GetEntityProfileResponse(state=pb.PROFILE_STATE_READ, pending_count=2)
    answer.time.FromDatetime(datetime(2026, 11, 21, tzinfo=UTC))
    answer.features["spent"].number = 3.5
    answer.features["page"].text = "cart"
    answer.features["gone"].SetInParent()
    answer.sequences["steps"].steps.add(features={"amount": 1.0}, categories={"category": "food"})
    answer.neighbors["referrers"].entity_ids.extend(["c-1", "c-2"])
    running.sums.ledger.profile = answer
    read = client.profile("spending", 17, time=1_795_262_400 * 10**9, event={"type": "visit"})
    assert read.features == {"gone": None, "page": "cart", "spent": 3.5}
    assert (read.time, read.state) == (datetime(2026, 11, 21, tzinfo=UTC), ProfileState.READ)
    assert read.sequences == {"steps": ({"amount": 1.0, "category": "food"},)}
    assert read.neighbors == {"referrers": ("c-1", "c-2")}
    assert (read.newest_event_time, read.pending_count) == (None, 2)
    [request] = running.sums.ledger.reads
    assert (request.profile, request.entity_id, request.time.seconds, request.event.type) == (
        "spending",
        "17",
        1_795_262_400,
        "visit",
    )


def test_an_entity_is_forgotten_in_one_profile_or_in_all(client: scoreline.Client, running: Running) -> None:
    forgotten = client.forget("c-17")
    assert (forgotten.profiles, forgotten.remaining) == (("spending",), ("the journal keeps its rows",))
    client.forget("c-17", profile="spending")
    assert [request.profile for request in running.sums.ledger.forgotten] == ["", "spending"]
    with pytest.raises(scoreline.InvalidRequestError, match="entity_id"):
        client.forget("")


@pytest.mark.parametrize("away", [False, True])
def test_a_program_that_ends_without_a_flush_sends_its_events_or_ends_all_the_same(start: Start, away: bool) -> None:
    running = start()
    if away:
        running.server.stop(0).wait()
    program = (
        "import sys, scoreline\n"
        "client = scoreline.Client(sys.argv[1], timeout_seconds=0.5)\n"
        "for at in range(20):\n"
        "    client.record('spending', 'c-17', {'type': 'purchase', 'amount': at})\n"
    )
    done = subprocess.run([sys.executable, "-c", program, running.target], check=True, capture_output=True, timeout=60)
    lost = b"20 events were not recorded before the program ended" in done.stderr
    assert (len(running.sums.ledger.kept), lost) == ((0, True) if away else (20, False))
