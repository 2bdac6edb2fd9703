"""The lane in a process of its own: it drains at SIGTERM, and its death is the process's, which is started again."""

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from scoreline_registry.registry import Registry
from tests.e2e.load import load, wait_for_calls
from tests.server.carriers import score_by
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.serving import running

ANN = named(entity("ann", income=1.0))
IN_FLIGHT = 8

# Python runs it at the start of each process; the trigger is a file, and who removes it dies.
PLANT = """
import os, sys, threading, time

def plant(trigger):
    while True:
        lane = sys.modules.get("scoreline_server.transport.lane")
        # A module that is being imported is there before its classes are.
        if hasattr(lane, "Lane") and os.path.exists(trigger):
            os.unlink(trigger)
            # Called in every turn: this worker may be the one without a connection.
            lane.Lane._admit_all = lambda *_: 1 / 0
            return
        time.sleep(0.02)

threading.Thread(target=plant, args=(os.environ["PLANTED"],), daemon=True).start()
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry.create(str(tmp_path / "registry"))
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


def outcomes(address: str, answered: threading.Semaphore) -> tuple[int, Counter[grpc.StatusCode]]:
    """Keeps calls in flight without retries until one fails: how many were started, and what became of them."""
    started, codes = 0, Counter[grpc.StatusCode]()
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        while set(codes) <= {grpc.StatusCode.OK}:
            calls = [score_by(channel).future(ANN, timeout=60) for _ in range(IN_FLIGHT)]
            started += len(calls)
            codes.update(call.code() for call in calls)
            answered.release(IN_FLIGHT)
    return started, codes


@pytest.mark.parametrize("times", [1, pytest.param(6, marks=pytest.mark.acceptance)])
def test_sigterm_under_load_leaves_no_call_without_an_answer(registry: Registry, tmp_path: Path, times: int) -> None:
    for at in range(times):
        with running(tmp_path / "registry", tmp_path / f"log{at}") as server, ThreadPoolExecutor(4) as pool:
            answered = threading.Semaphore(0)
            callers = [pool.submit(outcomes, server.address, answered) for _ in range(4)]
            for _ in range(100):
                answered.acquire()
            server.process.terminate()
            started = sum(caller.result(120)[0] for caller in callers)
            codes = sum((caller.result()[1] for caller in callers), Counter())
            assert server.process.wait(120) == 0, server.log.read_text()
        print(f"started {started}, ended {codes.total()}: {dict(codes)}")
        assert started == codes.total()
        assert codes[grpc.StatusCode.OK] > 50
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_lane_that_dies_ends_its_worker_and_costs_no_call(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(PLANT)
    trigger = tmp_path / "trigger"
    monkeypatch.setenv("PLANTED", str(trigger))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])))
    with running(tmp_path / "registry", tmp_path / "log", "--workers", str(workers)) as server:
        with load(server.address) as crowd:
            wait_for_calls(crowd, 50)
            trigger.touch()
            (ended, *_) = server.events("worker ended, starting another")
            wait_for_calls(crowd, 50)
            server.wait_until(lambda status: [each["state"] for each in status["workers"]] == ["serving"] * workers)
            wait_for_calls(crowd, 50)
        assert [caller.failures for caller in crowd] == [[], [], []]
        assert ended["code"] == 1
        (death,) = server.events("the hot lane died")
        assert "ZeroDivisionError" in str(death)
