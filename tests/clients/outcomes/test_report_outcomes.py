"""How both clients report outcomes: order, size of the calls, retries, and what they return."""

import math
from collections.abc import Iterator

import grpc
import pytest

import scoreline
from scoreline import Outcome, RefusedOutcome
from tests.clients.conftest import QUICK, Connect, Start
from tests.clients.sums import Running, fail

ZEROS = "0" * 24
UNAVAILABLE = fail(grpc.StatusCode.UNAVAILABLE, "STORAGE_FAILED", text="the disk is full")


def outcome(value: float, place: int = 0) -> Outcome:
    return Outcome("default", value, prediction_id=f"{ZEROS}-{place}", observed_at=3 * 10**9 + 7)


def test_an_outcome_is_sent_as_it_was_given(client: scoreline.Client, running: Running) -> None:
    window = Outcome("spend", math.pi, unit="é", since=1, until=10**9 + 5, weight=0.25, observed_at=2)
    report = client.report_outcomes("credit", [outcome(1), window])
    assert report == scoreline.OutcomesReport(accepted=2, unchecked=True)
    [request] = running.sums.reports
    assert request.route == "credit"
    first, second = request.outcomes
    assert (first.name, first.value, first.prediction_id) == ("default", 1.0, f"{ZEROS}-0")
    assert (first.observed_at.seconds, first.observed_at.nanos, first.HasField("weight")) == (3, 7, False)
    assert (second.window.unit, second.weight, second.value) == ("é", 0.25, math.pi)
    assert (second.window.since.nanos, second.window.until.seconds, second.window.until.nanos) == (1, 1, 5)


def test_calls_follow_each_other_in_the_order_of_the_outcomes(client: scoreline.Client, running: Running) -> None:
    outcomes = [outcome(n) for n in range(20_001)]
    outcomes[10_000] = outcome(-1)
    outcomes[20_000] = outcome(2e6, place=7)
    report = client.report_outcomes("credit", iter(outcomes))
    assert report.accepted == 20_000
    assert report.refused == (RefusedOutcome(10_000, "INVALID", "no"),)
    assert report.unknown == (f"{ZEROS}-7",)
    assert [len(request.outcomes) for request in running.sums.reports] == [10_000, 10_000, 1]
    assert [one.value for request in running.sums.reports for one in request.outcomes][:3] == [0, 1, 2]


def test_outcomes_are_made_while_they_are_sent(client: scoreline.Client, running: Running) -> None:
    sent: list[int] = []

    def made() -> Iterator[Outcome]:
        for number in range(20_001):
            sent.append(len(running.sums.reports))
            yield outcome(number)

    client.report_outcomes("credit", made())
    assert (sent[0], sent[-1]) == (0, 1)


def test_a_call_that_failed_is_sent_again_and_alike(client: scoreline.Client, running: Running) -> None:
    running.sums.plan.extend([UNAVAILABLE, UNAVAILABLE])
    assert client.report_outcomes("credit", [outcome(1)]).accepted == 1
    first, second, third = running.sums.reports
    assert first == second == third


def test_an_error_says_how_many_were_kept_before(connect: Connect, start: Start) -> None:
    running = start()
    running.sums.plan.extend([None, UNAVAILABLE])
    client = connect(running.target, retry=scoreline.RetryPolicy(max_attempts=1))
    with pytest.raises(scoreline.UnavailableError, match="disk is full") as raised:
        client.report_outcomes("credit", [outcome(n) for n in range(10_001)])
    assert raised.value.metadata["accepted"] == "10000"


def test_a_route_that_is_no_text_is_refused_before_anything_is_sent(connect: Connect, start: Start) -> None:
    running = start()
    client = connect(running.target, retry=QUICK)
    with pytest.raises(scoreline.InvalidRequestError):
        client.report_outcomes(7, [outcome(1)])  # type: ignore[arg-type]
    assert not running.sums.reports


def test_one_outcome_that_is_no_list_is_refused_before_it_is_sent(client: scoreline.Client, running: Running) -> None:
    with pytest.raises(scoreline.InvalidRequestError, match="takes a list of outcomes"):
        client.report_outcomes("credit", outcome(1))  # type: ignore[arg-type]
    assert not running.sums.reports
