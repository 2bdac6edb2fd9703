"""More calls than can be scored: every call ends, in an answer or a refusal, and the server scores on."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from grpc import StatusCode as Code

import scoreline
from scoreline_registry.registry import Registry
from tests.benchmarks.overload import DEADLINE_SECONDS, MODEL_SECONDS
from tests.e2e.load import total
from tests.e2e.open_loop import OpenLoop
from tests.server.burns import burning_model
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.serving import Running, running
from tests.waiting import PATIENCE_SECONDS, wait_until

BODY = named(entity("ann", income=1.0)).SerializeToString()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """A server of a model that takes about 2 ms a row."""
    registry = Registry.create(str(tmp_path / "registry"))
    slow = burning_model((1.0, 0.0, 0.0), MODEL_SECONDS)
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=slow)
    apply(registry)
    with running(tmp_path / "registry", tmp_path / "log") as server:
        yield server


def refused(server: Running) -> float:
    """How many calls were refused so far because the queue was full."""
    return total(server.page("/metrics")[1], "scoreline_errors_total", reason="OVERLOADED")


def test_of_three_times_the_load_every_call_ends_and_the_server_scores_after_it(server: Running) -> None:
    """The share that is answered in time is measured by ``make bench``."""
    with OpenLoop(server.address, BODY, deadline_seconds=DEADLINE_SECONDS) as crowd:
        outcome = crowd.run(3 / MODEL_SECONDS, 3.0)
    assert set(outcome.codes) <= {Code.OK, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED}
    assert refused(server) > 0
    with scoreline.Client(server.address, timeout_seconds=PATIENCE_SECONDS) as client:
        assert client.score("credit", {"income": 0.0}).score == pytest.approx(0.5)


def test_callers_of_the_sdk_come_back_when_told_and_are_all_answered(server: Running) -> None:
    done = threading.Event()

    def flood() -> None:
        with OpenLoop(server.address, BODY, deadline_seconds=DEADLINE_SECONDS) as crowd:
            while not done.is_set():
                crowd.run(3 / MODEL_SECONDS, 0.5)

    def call() -> list[float]:
        with scoreline.Client(server.address, timeout_seconds=PATIENCE_SECONDS) as client:
            return [client.score("credit", {"income": 0.0}, entity_id="ann").score for _ in range(5)]

    with ThreadPoolExecutor(21) as pool:
        flooding = pool.submit(flood)
        try:
            wait_until(lambda: refused(server) > 0)
            callers = [pool.submit(call) for _ in range(20)]
            scores = [score for caller in callers for score in caller.result()]
        finally:
            done.set()
        flooding.result()
    assert scores == pytest.approx([0.5] * 100)
