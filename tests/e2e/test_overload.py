"""More calls than can be scored: what is answered in time stays near the most that can be, and the rest is told so."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import scoreline
from scoreline_registry.registry import Registry
from tests.benchmarks.overload import DEADLINE_SECONDS, MODEL_SECONDS
from tests.e2e.conftest import Running, running
from tests.e2e.load import total
from tests.e2e.open_loop import OpenLoop, Outcome
from tests.server.burns import burning_model
from tests.server.conftest import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named

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


def scored(server: Running) -> float:
    """How many calls were answered with scores so far."""
    return total(server.page("/metrics")[1], "scoreline_calls_total", code="OK")


def offered(server: Running, rate: float, seconds: float) -> Outcome:
    """What becomes of calls at a rate."""
    before = scored(server)
    with OpenLoop(server.address, BODY, deadline_seconds=DEADLINE_SECONDS) as crowd:
        outcome = crowd.run(rate, seconds)
    answered = scored(server) - before
    assert outcome.ended == outcome.sent
    p50, p99 = 1000 * np.percentile(outcome.taken or [0], [50, 99])
    print(
        f"offered {rate:.0f}/s: in time {outcome.goodput:.0f}/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
        f"scored for nobody {answered - len(outcome.taken):.0f} of {answered:.0f}"
    )
    return outcome


@pytest.mark.acceptance
def test_three_times_the_load_leaves_the_server_serving(server: Running) -> None:
    """That it is most of the peak is for ``make bench`` to say; here it must not collapse, and be none the worse."""
    peak = max(offered(server, rate, 2.0).goodput for rate in (0.4 / MODEL_SECONDS, 0.6 / MODEL_SECONDS))
    assert offered(server, 3 * peak, 6.0).goodput > 0.3 * peak
    assert offered(server, 0.3 * peak, 1.0).goodput > 0.2 * peak


def test_callers_of_the_sdk_come_back_when_told_and_are_all_answered(server: Running) -> None:
    """60 callers at once want far more than the queue holds within their first tries' time."""
    scores: list[float] = []
    failures: list[scoreline.ScorelineError] = []

    def call() -> None:
        with scoreline.Client(server.address, timeout_seconds=20) as client:
            for _ in range(5):
                try:
                    scores.append(client.score("credit", {"income": 0.0}, entity_id="ann").score)
                except scoreline.ScorelineError as error:
                    failures.append(error)

    # What fills the queue to its end meanwhile.
    flood = threading.Thread(target=offered, args=(server, 3 / MODEL_SECONDS, 2.0))
    flood.start()
    time.sleep(0.5)
    callers = [threading.Thread(target=call) for _ in range(20)]
    for caller in callers:
        caller.start()
    for caller in [*callers, flood]:
        caller.join(60)
    assert failures == []
    assert scores == pytest.approx([0.5] * 100)
    refused = total(server.page("/metrics")[1], "scoreline_errors_total", reason="OVERLOADED")
    assert refused > 0
