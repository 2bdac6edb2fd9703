"""GetComparison against a real server, by both clients: the report of scored rows and their outcomes."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

import scoreline
from scoreline import Outcome
from scoreline.v1 import analysis_pb2 as pb
from scoreline.v1 import analysis_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.rpc.authority import ANONYMOUS
from scoreline_server.rpc.comparisons import Comparisons
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.settings import Settings
from tests.clients.conftest import Awaited
from tests.server.journals import catalog_of
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import reason_of
from tests.waiting import wait_until

SPLIT = """
route: credit
schema:
  features: {income: number, age: number, debt: number}
rules:
  - split: {linear@1: 50, other@1: 50}
experiment:
  primary: paid
  metrics:
    paid: {outcome: paid, kind: rate, direction: increase}
"""
# Each comparison starts a process that imports SciPy, which takes long on a machine with much else to do.
_WAIT_SECONDS = 600.0
FEATURES: dict[str, Any] = {"income": [0.1] * 200, "age": [0.2] * 200, "debt": [0.3] * 200}


@pytest.fixture
def split(registry: Registry) -> Registry:
    for name in ("linear", "other"):
        publish_linear(registry, name)
    apply(registry, SPLIT)
    return registry


@pytest.fixture
def client(split: Registry, server: Server) -> Iterator[scoreline.Client]:
    del split
    with scoreline.Client(server.address) as opened:
        yield opened


@pytest.fixture
def awaited(server: Server) -> Iterator[Awaited]:
    opened = Awaited(server.address)
    yield opened
    opened.close()
    opened.runner.close()


def test_a_server_compares_what_it_scored_and_what_it_was_told(
    client: scoreline.Client, awaited: Awaited, tmp_path: Path
) -> None:
    scores = client.score_many("credit", FEATURES, entity_ids=[f"u{place}" for place in range(200)])
    outcomes = [Outcome("paid", place % 2, prediction_id=id_) for place, id_ in enumerate(scores.prediction_id)]
    assert client.report_outcomes("credit", outcomes).accepted == 200
    wait_for_rows(tmp_path / "registry-journal", 200)
    report = client.get_comparison("credit", timeout_seconds=_WAIT_SECONDS)
    assert (report["schema_version"], report["route"], report["rows"]["exposures"]) == (1, "credit", 200)
    assert report["plan"]["source"] == "route"
    assert {arm["arm"]: arm["metrics"][0]["labelled"] for arm in report["arms"]} == {
        arm["arm"]: arm["exposures"] for arm in report["arms"]
    }
    assert report["moves"][0]["weights"] == {"linear@1": 50, "other@1": 50}
    assert awaited.get_comparison("credit", timeout_seconds=_WAIT_SECONDS)["arms"] == report["arms"]
    with pytest.raises(scoreline.ScorelineError) as raised:
        client.get_comparison("credit", metrics=["paid:share"], timeout_seconds=_WAIT_SECONDS)
    assert (raised.value.code, raised.value.reason) == (scoreline.Code.INVALID_ARGUMENT, "INVALID")
    assert "is no metric" in raised.value.message
    with pytest.raises(scoreline.ScorelineError) as raised:
        client.get_comparison("credit", baseline="nobody@1", timeout_seconds=_WAIT_SECONDS)
    assert "there is no arm 'nobody@1'" in raised.value.message
    for compared in (client.get_comparison, awaited.get_comparison):
        with pytest.raises(scoreline.ScorelineError) as raised:
            compared("other", timeout_seconds=_WAIT_SECONDS)
        assert raised.value.reason == "ROUTE_NOT_FOUND"


def wait_for_rows(folder: Path, count: int) -> None:
    wait_until(lambda: sum(map(len, read_records([folder]))) >= count)


def test_without_a_journal_or_the_extra_it_says_what_to_do(split: Registry, tmp_path: Path) -> None:
    catalog = catalog_of(split)
    request = pb.GetComparisonRequest(route="credit")
    assert refused(Comparisons("registry", None), request, catalog).reason is ErrorReason.JOURNAL_OFF
    without = refused(Comparisons("registry", tmp_path, extra="no_such_module"), request, catalog)
    assert without.reason is ErrorReason.EXTRA_MISSING
    assert "pip install 'scoreline[analysis]'" in without.message


@pytest.mark.parametrize("nanos", [-1, 10**9])
def test_a_time_with_nanos_of_no_second_is_refused(nanos: int, split: Registry, tmp_path: Path) -> None:
    request = pb.GetComparisonRequest(route="credit", since=Timestamp(nanos=nanos))
    error = refused(Comparisons("registry", tmp_path), request, catalog_of(split))
    assert error.reason is ErrorReason.INVALID
    assert "since: has nanos outside 0 to 999,999,999" in error.message
    request = pb.GetComparisonRequest(route="credit", since=Timestamp(seconds=2**60))
    assert (
        "since: must be from 1678 to 2262"
        in refused(Comparisons("registry", tmp_path), request, catalog_of(split)).message
    )


def test_one_comparison_runs_at_a_time_and_a_stop_ends_it(split: Registry, tmp_path: Path) -> None:
    catalog = catalog_of(split)
    comparisons = Comparisons(str(tmp_path / "registry"), tmp_path)
    request = pb.GetComparisonRequest(route="credit")
    errors: list[CallError] = []
    first = threading.Thread(target=lambda: errors.append(refused(comparisons, request, catalog)))
    first.start()
    while (process := comparisons.process) is None:
        assert first.is_alive()
    second = refused(comparisons, request, catalog)
    assert second.reason is ErrorReason.OVERLOADED
    assert second.retry_after_seconds
    comparisons.close()
    first.join(30)
    assert process.returncode is not None
    assert errors[0].reason is ErrorReason.INTERNAL


def refused(comparisons: Comparisons, request: pb.GetComparisonRequest, catalog: Catalog) -> CallError:
    with pytest.raises(CallError) as raised:
        comparisons.get(request, catalog, ANONYMOUS)
    return raised.value


def test_only_allowed_callers_may_compare(split: Registry, settings: Settings, tmp_path: Path) -> None:
    del split
    policy = tmp_path / "policy.toml"
    policy.write_text('[[allow]]\nactions = ["analysis.read"]\ncallers = ["admin"]\n')
    with (
        Server(settings.model_copy(update={"policy_file": policy})) as server,
        grpc.insecure_channel(server.address) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        rpc.AnalysisServiceStub(channel).GetComparison(pb.GetComparisonRequest(route="credit"))
    assert reason_of(raised.value) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
