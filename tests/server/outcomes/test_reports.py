"""ReportOutcomes against a real server: what it keeps, what it refuses, and what it says."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scoreline
from scoreline import Outcome
from scoreline.fields import LAST_NANOSECOND
from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.journal.writing.file import Disk
from scoreline_server.outcomes.reader import read_outcomes
from scoreline_server.outcomes.table import last_words
from scoreline_server.rpc.outcome_reports import decoded_outcomes
from scoreline_server.settings import Settings
from tests.clients.conftest import Awaited
from tests.server.conftest import StubOf
from tests.server.routes import ROUTE, apply
from tests.server.wire import reason_of
from tests.waiting import wait_until

ZEROS = "0" * 24
NOW = 1_793_491_200 * 10**9


def message(**fields: Any) -> pb.Outcome:
    """A right outcome, but for some fields."""
    return pb.Outcome(**{"name": "default", "value": 1.0, "prediction_id": f"{ZEROS}-0", **fields})


def request(*outcomes: pb.Outcome, route: str = "credit") -> pb.ReportOutcomesRequest:
    return pb.ReportOutcomesRequest(route=route, outcomes=outcomes)


Connect = Callable[[], scoreline.Client]


@pytest.fixture(params=[scoreline.Client, Awaited], ids=["threads", "asyncio"])
def client(request: pytest.FixtureRequest, credit: Registry, server: Server) -> Iterator[scoreline.Client]:
    """A client of either kind for the server of ``credit``."""
    del credit
    opened = request.param(server.address)
    yield opened
    opened.close()
    if isinstance(opened, Awaited):
        opened.runner.close()


def test_what_was_reported_is_in_the_file_when_the_call_returns(client: scoreline.Client, journal: Path) -> None:
    score = client.score("credit", {"income": 1.0, "age": 2.0, "debt": 3.0}, entity_id="c-17")
    outcomes = [
        Outcome("default", 1, prediction_id=score.prediction_id, observed_at=NOW),
        Outcome("spend", 12.5, unit="c-17", since=NOW, until=NOW + 1, weight=0.5),
    ]
    report = client.report_outcomes("credit", outcomes)
    assert (report.accepted, report.refused, report.unchecked) == (2, (), False)
    [block] = read_outcomes([journal], "credit")
    assert f"{block.call_ids[0].tobytes().hex()}-{block.places[0]}" == score.prediction_id
    assert (block.names, block.values.tolist(), block.weights.tolist()) == (("default", "spend"), [1, 12.5], [1, 0.5])
    assert (block.units, block.since.tolist(), block.until.tolist()) == (["c-17"], [NOW], [NOW + 1])
    assert abs(block.reported_at - time.time_ns()) < 600 * 10**9


def test_predictions_that_the_journal_does_not_have_are_told_and_kept(client: scoreline.Client, journal: Path) -> None:
    scores = client.score_many("credit", {"income": [1.0, 2.0]}, entity_ids=["a", "b"])
    call = scores.prediction_id[0][:24]
    ids = [*scores.prediction_id, f"{call}-2", f"{ZEROS}-0", f"{call}-2"]
    report = client.report_outcomes("credit", [Outcome("default", 1, prediction_id=each) for each in ids])
    assert (report.accepted, report.unknown, report.unchecked) == (5, (f"{call}-2", f"{ZEROS}-0"), False)
    assert sum(map(len, read_outcomes([journal]))) == 5


def test_a_prediction_of_another_route_is_unknown(credit: Registry, client: scoreline.Client, server: Server) -> None:
    apply(credit, ROUTE.replace("route: credit", "route: other"))
    wait_until(lambda: "other" in server.watcher.catalog.routes)
    score = client.score("credit", {"income": 1.0}, entity_id="a")
    outcome = Outcome("default", 1, prediction_id=score.prediction_id)
    assert client.report_outcomes("other", [outcome]).unknown == (score.prediction_id,)
    assert client.report_outcomes("credit", [outcome]).unknown == ()


def test_a_journal_that_cannot_be_searched_fails_no_report(
    client: scoreline.Client, server: Server, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    assert server.outcomes is not None
    monkeypatch.setattr(server.outcomes._finder._finder, "find", fail)
    report = client.report_outcomes("credit", [Outcome("default", 1, prediction_id=f"{ZEROS}-0")])
    assert report == scoreline.OutcomesReport(accepted=1, unchecked=True)
    assert sum(map(len, read_outcomes([journal]))) == 1


def test_a_correction_counts_and_the_first_word_is_kept(client: scoreline.Client, journal: Path) -> None:
    for value in (0, 1, 1):
        client.report_outcomes("credit", [Outcome("default", value, prediction_id=f"{ZEROS}-7")])
    assert [block.values.tolist() for block in read_outcomes([journal])] == [[0], [1], [1]]
    table = last_words(read_outcomes([journal]))
    assert (table.values.tolist(), table.replaced) == ([1], 2)


def test_any_number_of_outcomes_goes_in_calls_of_limited_size(client: scoreline.Client, journal: Path) -> None:
    outcomes = (Outcome("default", n, prediction_id=f"{n:024x}-0", observed_at=NOW) for n in range(20_001))
    assert client.report_outcomes("credit", outcomes).accepted == 20_001
    blocks = list(read_outcomes([journal]))
    assert [len(block) for block in blocks] == [10_000, 10_000, 1]
    assert [value for block in blocks for value in block.values.tolist()] == list(range(20_001))


def test_long_outcomes_go_in_calls_below_the_message_limit(client: scoreline.Client, journal: Path) -> None:
    outcomes = [Outcome("é" * 128, n, unit=f"{n:04}" + "\U0001f600" * 1020, since=1, until=2) for n in range(3000)]
    assert client.report_outcomes("credit", outcomes).accepted == 3000
    sizes = [len(block) for block in read_outcomes([journal])]
    assert (len(sizes), sum(sizes)) == (4, 3000)


def test_nothing_is_reported_where_there_is_nothing(client: scoreline.Client, journal: Path) -> None:
    assert client.report_outcomes("credit", []) == scoreline.OutcomesReport()
    assert list(read_outcomes([journal])) == []


def test_what_is_no_outcome_is_refused_before_it_is_sent(client: scoreline.Client, journal: Path) -> None:
    with pytest.raises(scoreline.InvalidRequestError, match="outcome 1: takes an Outcome, not dict"):
        client.report_outcomes("credit", [Outcome("a", 1, unit="u", since=1, until=2), {"name": "a"}])  # type: ignore[list-item]
    assert list(read_outcomes([journal])) == []


def test_an_outcome_from_the_future_fails_alone_with_its_index(client: scoreline.Client, journal: Path) -> None:
    future = time.time_ns() + 3 * 86_400 * 10**9
    late = time.time_ns() + 3600 * 10**9
    outcomes = [Outcome("a", n, prediction_id=f"{ZEROS}-{n}", observed_at=late) for n in range(10_002)]
    outcomes[10_001] = Outcome("a", 1, prediction_id=f"{ZEROS}-1", observed_at=future)
    report = client.report_outcomes("credit", outcomes)
    assert report.accepted == 10_001
    [refused] = report.refused
    assert (refused.index, refused.reason) == (10_001, "INVALID")
    assert refused.message.startswith("observed_at: is 3.0 days in the future")
    assert sum(map(len, read_outcomes([journal]))) == 10_001


def test_an_unknown_route_is_refused(client: scoreline.Client, journal: Path) -> None:
    with pytest.raises(scoreline.RouteNotFoundError) as raised:
        client.report_outcomes("nope", [Outcome("a", 1, prediction_id=f"{ZEROS}-1")])
    assert raised.value.metadata["accepted"] == "0"
    assert list(read_outcomes([journal])) == []


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"value": float("nan")}, "NOT_FINITE", "value"),
    ({"value": float("inf")}, "NOT_FINITE", "value"),
    ({"value": None}, "INVALID", "value"),
    ({"weight": -1.0}, "INVALID", "weight"),
    ({"weight": float("nan")}, "NOT_FINITE", "weight"),
    ({"name": ""}, "INVALID", "name"),
    ({"name": "\x00"}, "INVALID", "name"),
    ({"name": "x" * 10_000_000}, "INVALID", "name"),
    ({"prediction_id": "c-17"}, "INVALID", "prediction_id"),
    ({"prediction_id": ""}, "INVALID", "prediction_id"),
    ({"prediction_id": None}, "INVALID", "prediction_id"),
    ({"observed_at": Timestamp(seconds=-1)}, "INVALID", "observed_at"),
    ({"observed_at": Timestamp(seconds=2**62)}, "INVALID", "observed_at"),
    ({"observed_at": Timestamp(nanos=-1)}, "INVALID", "observed_at"),
    ({"observed_at": Timestamp(nanos=10**9)}, "INVALID", "observed_at"),
    ({"prediction_id": None, "window": pb.UnitWindow(unit="a", since=Timestamp(seconds=1))}, "INVALID", "until"),
    (
        {
            "prediction_id": None,
            "window": pb.UnitWindow(unit="a", since=Timestamp(seconds=2), until=Timestamp(seconds=1)),
        },
        "INVALID",
        "until",
    ),
    ({"prediction_id": None, "window": pb.UnitWindow()}, "INVALID", "prediction_id"),
    ({"prediction_id": None, "window": pb.UnitWindow(unit="x" * 1025)}, "INVALID", "unit"),
]


def test_wrong_outcomes_fail_alone_with_index_reason_and_field(
    credit: Registry, stub_of: StubOf, journal: Path
) -> None:
    outcomes = [one for fields, _, _ in WRONG for one in (message(**fields), message())]
    response = stub_of().ReportOutcomes(request(*outcomes))
    assert response.accepted == len(WRONG)
    assert [(error.index, error.reason, error.field) for error in response.errors] == [
        (2 * place, reason, field) for place, (_, reason, field) in enumerate(WRONG)
    ]
    assert all(len(error.message) < 200 for error in response.errors)
    assert sum(map(len, read_outcomes([journal]))) == len(WRONG)


def test_time_and_weight_have_defaults(credit: Registry, stub_of: StubOf, journal: Path) -> None:
    before = time.time_ns()
    assert stub_of().ReportOutcomes(request(message())).accepted == 1
    [block] = read_outcomes([journal])
    assert before <= block.observed_at[0] <= time.time_ns()
    assert block.weights.tolist() == [1.0]


def test_too_many_outcomes_are_refused_whole(credit: Registry, stub_of: StubOf, journal: Path) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub_of().ReportOutcomes(request(*[message()] * 10_001))
    assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "TOO_MANY_OUTCOMES")
    assert list(read_outcomes([journal])) == []


def test_without_a_journal_outcomes_are_refused(credit: Registry, settings: Settings) -> None:
    off = settings.model_copy(update={"journal_dir": "off"})
    with Server(off) as server, scoreline.Client(server.address) as client:
        with pytest.raises(scoreline.ScorelineError, match="set journal_dir") as raised:
            client.report_outcomes("credit", [Outcome("a", 1, prediction_id=f"{ZEROS}-1")])
        assert (raised.value.code, raised.value.reason) == (scoreline.Code.FAILED_PRECONDITION, "JOURNAL_OFF")


def test_outcomes_are_taken_without_the_hot_lane(credit: Registry, settings: Settings, journal: Path) -> None:
    with (
        Server(settings.model_copy(update={"hot_lane": False, "threads": 1})) as server,
        scoreline.Client(server.address) as client,
    ):
        assert client.report_outcomes("credit", [Outcome("a", 1, prediction_id=f"{ZEROS}-1")]).accepted == 1
    assert sum(map(len, read_outcomes([journal]))) == 1


def test_the_policy_says_who_may_report(credit: Registry, settings: Settings, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[allow]]\nactions = ["outcomes.report"]\ncallers = ["admin"]\n')
    given = settings.model_copy(update={"policy_file": policy, "admin_listen": "127.0.0.1:0"})
    outcomes = [Outcome("a", 1, prediction_id=f"{ZEROS}-1")]
    with Server(given) as server:
        with scoreline.Client(server.address) as client, pytest.raises(scoreline.AccessError):
            client.report_outcomes("credit", outcomes)
        with scoreline.Client(server.admin_address) as admin:
            assert admin.report_outcomes("credit", outcomes).accepted == 1


class HeldDisk(Disk):
    """A disk whose syncs wait until they are let go, and fail while ``error`` is set."""

    def __init__(self) -> None:
        self.go, self.syncs, self.error = threading.Event(), 0, 0

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        assert self.go.wait(60)
        if self.error:
            raise OSError(self.error, "No space left on device")
        super().sync(descriptor)


@pytest.fixture
def disk(credit: Registry, server: Server) -> HeldDisk:
    """The disk of the server's outcomes."""
    held = HeldDisk()
    assert server.outcomes is not None
    server.outcomes.log._disk = held
    return held


def test_a_full_disk_is_an_error_of_the_call_and_shown_until_it_is_over(
    disk: HeldDisk, server: Server, journal: Path
) -> None:
    disk.go.set()
    disk.error = errno.ENOSPC
    once = scoreline.RetryPolicy(max_attempts=1)
    outcomes = [Outcome("a", 1, prediction_id=f"{ZEROS}-1")]
    with scoreline.Client(server.address, retry=once) as client:
        with pytest.raises(scoreline.UnavailableError, match="none of them is: No space left") as raised:
            client.report_outcomes("credit", outcomes)
        assert raised.value.reason == "STORAGE_FAILED"
        assert "outcomes cannot be written" in client.status().problem
        assert list(read_outcomes([journal])) == []
        disk.error = 0
        assert client.report_outcomes("credit", outcomes).accepted == 1
        assert client.status().problem == ""


def test_reports_that_wait_for_the_disk_leave_a_thread_for_other_calls(disk: HeldDisk, server: Server) -> None:
    reports: list[scoreline.OutcomesReport] = []
    with scoreline.Client(server.address, timeout_seconds=60) as client:

        def report(number: int) -> None:
            reports.append(client.report_outcomes("credit", [Outcome("a", 1, prediction_id=f"{ZEROS}-{number}")]))

        threads = [threading.Thread(target=report, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: disk.syncs)
        assert client.schema("credit", refresh=True).route == "credit"
        assert client.status().problem == ""
        assert client.score("credit", {"income": 1.0, "age": 1.0, "debt": 1.0}).model == "linear"
        disk.go.set()
        for thread in threads:
            thread.join(60)
    assert [report.accepted for report in reports] == [1] * 8


def test_outcomes_are_counted_by_route(credit: Registry, server: Server) -> None:
    with scoreline.Client(server.address) as client:
        ahead = time.time_ns() + 10**15
        outcomes = [Outcome("a", 1, prediction_id=f"{ZEROS}-1"), Outcome("a", 1, unit="u", since=1, until=2),
                    Outcome("a", 1, prediction_id=f"{ZEROS}-1", observed_at=ahead)]  # fmt: skip
        client.report_outcomes("credit", outcomes)
    counts = {key: numbers[0] for key, numbers in server.metrics.counts().items()}
    assert counts["scoreline_outcomes", ("credit",)] == 2
    assert counts["scoreline_outcomes_refused", ("credit",)] == 1
    assert counts["scoreline_outcomes_unknown", ("credit",)] == 1


def test_a_call_is_sent_again_when_the_server_was_away(credit: Registry, settings: Settings, journal: Path) -> None:
    with Server(settings) as first:
        fixed = settings.model_copy(update={"listen": first.address})
        client = scoreline.Client(first.address, timeout_seconds=60)
        client.report_outcomes("credit", [Outcome("a", 1, prediction_id=f"{ZEROS}-1")])
    done: list[scoreline.OutcomesReport] = []
    thread = threading.Thread(
        target=lambda: done.append(client.report_outcomes("credit", [Outcome("a", 2, prediction_id=f"{ZEROS}-1")]))
    )
    thread.start()
    with Server(fixed):
        thread.join(60)
    client.close()
    assert done[0].accepted == 1
    assert last_words(read_outcomes([journal])).values.tolist() == [2]


TIMESTAMPS = st.builds(Timestamp, seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(-(2**31), 2**31 - 1))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
WINDOWS = st.builds(pb.UnitWindow, unit=TEXTS, since=st.none() | TIMESTAMPS, until=st.none() | TIMESTAMPS)
SUBJECTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({}),
    st.fixed_dictionaries({"prediction_id": TEXTS | st.just(f"{ZEROS}-1")}),
    st.fixed_dictionaries({"window": WINDOWS}),
)
MESSAGES = st.builds(
    lambda subject, **fields: pb.Outcome(**subject, **fields),
    SUBJECTS,
    name=TEXTS,
    value=st.none() | st.floats(),
    weight=st.none() | st.floats(),
    observed_at=st.none() | TIMESTAMPS,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGES, max_size=5))
def test_every_message_is_an_outcome_or_an_error(messages: list[pb.Outcome]) -> None:
    outcomes, errors = decoded_outcomes(messages, NOW)
    assert len(outcomes) + len(errors) == len(messages)
    assert all(error.reason in {"INVALID", "NOT_FINITE"} and error.field and error.message for error in errors)
    assert all(0 <= outcome.observed_at <= LAST_NANOSECOND for outcome in outcomes)
