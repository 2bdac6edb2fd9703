"""What is counted, under which labels, and that the page about it says what the code does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.metrics.definitions import METRIC_FAMILIES
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.processes.exposition import counted, supervisor_metrics
from scoreline_server.processes.worker_pool import WorkerPool
from scoreline_server.settings import Settings
from tests.server.routes import apply
from tests.server.test_docs import rows
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.waiting import wait_until

SCORE = "/scoreline.v1.ScoringService/Score"
GET_SCHEMA = "/scoreline.v1.ScoringService/GetSchema"


@pytest.fixture
def server(registry: Registry, settings: Settings) -> Iterator[Server]:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    with Server(settings) as running:
        yield running


def count(server: Server, name: str, **labels: str) -> float:
    # Calls are counted as soon as they have been answered, which the caller may see first.
    wait_until(lambda: not any(server.metrics.counts().get(("scoreline_calls_in_flight", ()), ())))
    families = counted(server.metrics.counts())
    return sum(s.value for f in families for s in f.samples if s.name == name and s.labels == labels)


def test_a_call_counts_its_method_code_route_rows_and_arm(server: Server, stub: rpc.ScoringServiceStub) -> None:
    stub.Score(named(*(entity(f"u{row}", income=1.0) for row in range(3))))
    assert count(server, "scoreline_calls_total", method=SCORE, code="OK") == 1
    assert count(server, "scoreline_call_seconds_count", method=SCORE, route="credit") == 1
    assert 0 < count(server, "scoreline_call_seconds_sum", method=SCORE, route="credit") < 1
    labels = {"route": "credit", "arm": "linear@champion"}
    assert count(server, "scoreline_rows_total", **labels, model="linear", version="1") == 3
    assert count(server, "scoreline_arm_seconds_count", **labels) == 1
    assert count(server, "scoreline_batch_rows_sum", route="credit") == 3
    assert count(server, "scoreline_batch_calls_count") == 1
    assert count(server, "scoreline_loads_total", model="linear") == 1
    assert count(server, "scoreline_calls_in_flight") == count(server, "scoreline_calls_queued") == 0


def test_a_failed_call_counts_its_reason(server: Server, stub: rpc.ScoringServiceStub) -> None:
    with pytest.raises(grpc.RpcError):
        stub.Score(named(entity("u", age=30.0)))
    assert count(server, "scoreline_calls_total", method=SCORE, code="INVALID_ARGUMENT") == 1
    assert count(server, "scoreline_errors_total", method=SCORE, reason="MISSING_FEATURE") == 1
    assert count(server, "scoreline_row_errors_total", route="credit", reason="MISSING_FEATURE") == 1


def test_a_row_that_fails_alone_is_no_failed_call(server: Server, stub: rpc.ScoringServiceStub) -> None:
    stub.Score(named(entity("u", income=1.0), entity("v")))
    assert count(server, "scoreline_calls_total", method=SCORE, code="OK") == 1
    assert count(server, "scoreline_errors_total", method=SCORE, reason="MISSING_FEATURE") == 0
    assert count(server, "scoreline_row_errors_total", route="credit", reason="MISSING_FEATURE") == 1


def test_what_callers_make_up_becomes_no_label(server: Server, stub: rpc.ScoringServiceStub) -> None:
    for name in ("made-up", "made-up-too"):
        with pytest.raises(grpc.RpcError):
            stub.Score(named(entity("u", income=1.0), route=name))
        with pytest.raises(grpc.RpcError):
            stub.GetSchema(pb.GetSchemaRequest(route=name))
    labels = [
        value
        for family in counted(server.metrics.counts())
        for sample in family.samples
        for value in sample.labels.values()
    ]
    assert not [value for value in labels if "made-up" in value]
    assert count(server, "scoreline_call_seconds_count", method=SCORE, route="") == 2
    assert count(server, "scoreline_errors_total", method=GET_SCHEMA, reason="ROUTE_NOT_FOUND") == 2


def test_a_refused_version_counts_as_a_failed_load(server: Server, registry: Registry) -> None:
    publish_linear(registry, "linear", golden_shift=0.5, aliases=("challenger",))
    server.watcher.refresh()
    assert count(server, "scoreline_load_failures_total", model="linear") >= 1
    assert count(server, "scoreline_loads_total", model="linear") == 1


def test_many_observations_at_once_count_as_one_by_one() -> None:
    seconds = [0.0001, 0.00011, 0.004, 0.004, 0.2, 3.0, 100.0]
    at_once, one_by_one = Metrics(), Metrics()
    at_once.calls(SCORE, seconds, code=grpc.StatusCode.OK, route="credit")
    for one in seconds:
        one_by_one.calls(SCORE, [one], code=grpc.StatusCode.OK, route="credit")
    assert at_once.counts().keys() == one_by_one.counts().keys()
    for child, numbers in at_once.counts().items():
        assert numbers == pytest.approx(one_by_one.counts()[child])
    buckets = {
        sample.labels["le"]: sample.value
        for family in counted(at_once.counts())
        for sample in family.samples
        if sample.name == "scoreline_call_seconds_bucket"
    }
    assert [buckets[bound] for bound in ("0.0001", "0.00025", "0.005", "0.25", "10.0", "+Inf")] == [1, 2, 4, 5, 6, 7]


def test_threads_lose_no_count() -> None:
    metrics, calls = Metrics(), 2_000

    def count_calls() -> None:
        for _ in range(calls):
            metrics.calls(SCORE, [0.001], code=grpc.StatusCode.OK)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(count_calls) for _ in range(4)]:
            done.result()
    assert metrics.counts()["scoreline_calls", (SCORE, "OK")] == [4 * calls]


def test_every_metric_stands_in_the_docs_with_its_type_and_labels() -> None:
    documented = {name: (kind, labels.replace("`", "")) for name, kind, labels, _ in rows("reference/metrics.md")}
    coded = {family.name: (str(family.kind), family.labels) for family in METRIC_FAMILIES.values()}
    coded |= {family.name: (family.type, tuple(family._labelnames)) for family in supervisor_metrics(WorkerPool(()))}  # type: ignore[attr-defined]
    assert documented == {
        f"{name}_total" if kind == "counter" else name: (kind, ", ".join(labels) or "none")
        for name, (kind, labels) in coded.items()
    }
