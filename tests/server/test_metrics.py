"""What is counted, under which labels, and that the page about it says what the code does."""

from collections.abc import Iterator

import grpc
import pytest
from prometheus_client import CollectorRegistry
from tests.server.conftest import apply
from tests.server.test_docs import rows
from tests.server.toys import publish_linear
from tests.server.wire import entity, named

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.fleet import Fleet
from scoreline_server.metrics import BatchHistogram, Metrics
from scoreline_server.settings import Settings
from scoreline_server.totals import known

SCORE = "/scoreline.v1.ScoringService/Score"
GET_SCHEMA = "/scoreline.v1.ScoringService/GetSchema"


@pytest.fixture
def server(registry: Registry, settings: Settings) -> Iterator[Server]:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    with Server(settings) as running:
        yield running


def count(server: Server, name: str, **labels: str) -> float:
    return server.metrics.registry.get_sample_value(name, labels) or 0


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
        for family in server.metrics.registry.collect()
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
    values = [0.5, 1, 1, 3, 7, 100, 1]
    histograms = [BatchHistogram("h", "h", registry=CollectorRegistry(), buckets=(1, 2, 4, 8)) for _ in range(2)]
    for value in values:
        histograms[0].observe(value)
    histograms[1].observe_many(values)
    one_by_one, at_once = ([(s.name, s.labels, s.value) for m in h.collect() for s in m.samples] for h in histograms)
    kept = [sample for sample in at_once if not sample[0].endswith("_created")]
    assert kept == [sample for sample in one_by_one if not sample[0].endswith("_created")]
    assert ("h_bucket", {"le": "1.0"}, 4) in at_once


def test_every_metric_stands_in_the_docs_with_its_type_and_labels() -> None:
    documented = {name: (kind, labels.replace("`", "")) for name, kind, labels, _ in rows("metrics.md")}
    families = [*Metrics().registry._collector_to_names, *known(Fleet(()))]
    coded = {}
    for family in families:
        kind = getattr(family, "type", None) or getattr(family, "_type")  # noqa: B009 - metrics have it, families not
        name = getattr(family, "name", None) or getattr(family, "_name")  # noqa: B009
        labels = ", ".join(getattr(family, "_labelnames")) or "none"  # noqa: B009
        coded[f"{name}_total" if kind == "counter" else name] = (kind, labels)
    assert documented == coded
