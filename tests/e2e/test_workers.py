"""Several workers under one supervisor: swaps, deaths and drains under load lose no call and no count."""

import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from onnx import helper, numpy_helper

from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from tests.e2e.load import Caller, load, raw_outcomes, scraped, total, wait_for_calls
from tests.server.routes import apply
from tests.server.toys import linear_graph, publish_linear
from tests.server.wire import entity, named
from tests.serving import Running, running
from tests.waiting import wait_until

SCORE = "/scoreline.v1.ScoringService/Score"
Status = dict[str, Any]
QUICK = ("--workers", "2", "--poll-seconds", "0.05")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with one route to one model."""
    registry = Registry.create(tmp_path / "registry")
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


def both_serve(status: Status) -> bool:
    return [worker["state"] for worker in status["workers"]] == ["serving"] * 2


def both_serve_without(pid: int, status: Status) -> bool:
    return both_serve(status) and pid not in [worker["pid"] for worker in status["workers"]]


def have_counted(calls: int, page: str) -> bool:
    """Whether all answers of these calls are counted, and their rows and times with them."""
    counts = (
        total(page, "scoreline_calls_total", method=SCORE, code="OK"),
        total(page, "scoreline_rows_total", route="credit"),
        total(page, "scoreline_call_seconds_count", method=SCORE, route="credit"),
    )
    return min(counts) >= calls


def have_read(revision: int, status: Status) -> bool:
    return all(worker["revision"] >= revision for worker in status["workers"])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def with_ballast(weights: tuple[float, ...], columns: int = 500_000) -> bytes:
    """A linear model with megabytes of weights that add nothing, so that memory is worth looking at."""
    model = linear_graph(weights)
    ballast = np.zeros((len(weights), columns), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(ballast, "ballast"))
    nodes = [
        helper.make_node("MatMul", ["clean", "ballast"], ["nothings"]),
        helper.make_node("ReduceSum", ["nothings"], ["nothing"], keepdims=0),
    ]
    for node in nodes:
        model.graph.node.insert(2, node)
    (add,) = [node for node in model.graph.node if node.op_type == "Add"]
    add.input[0] = "product"
    model.graph.node.insert(list(model.graph.node).index(add), helper.make_node("Add", ["product", "nothing"], ["fed"]))
    add.input[0] = "fed"
    return model.SerializeToString()


def swap(registry: Registry, server: Running, times: int, *, model_bytes: bytes | None = None) -> None:
    """Publishes a version, makes it champion and waits until every worker serves it; ``times`` times."""
    for _ in range(times):
        publish_linear(registry, "linear", aliases=("champion",), model_bytes=model_bytes)
        newest = registry.latest().revision
        server.wait_until(partial(have_read, newest))


def settled_memory(server: Running, crowd: list[Caller]) -> list[float]:
    """Each worker's resident megabytes: the least of some moments under load, because a swap holds two versions."""
    moments = []
    for _ in range(20):
        moments.append([worker["resident_bytes"] / 2**20 for worker in server.status()["workers"]])
        wait_for_calls(crowd, 50)
    return [round(min(worker), 1) for worker in zip(*moments, strict=True)]


def test_swaps_at_two_workers_lose_no_call(registry: Registry, tmp_path: Path) -> None:
    with running(tmp_path / "registry", tmp_path / "log", *QUICK) as server:
        server.wait_until(both_serve)
        with load(server.address) as crowd, scraped(server) as fallen:
            swap(registry, server, 5)
        assert not fallen
        for caller in crowd:
            assert caller.started == caller.answered > 10
            assert len(caller.versions) > 1
        answered = sum(caller.answered for caller in crowd)
        page = server.wait_for_page("/metrics", partial(have_counted, answered))
        assert total(page, "scoreline_calls_total", method=SCORE, code="OK") == answered
        assert total(page, "scoreline_rows_total", route="credit") == answered
        assert total(page, "scoreline_call_seconds_count", method=SCORE, route="credit") == answered
        assert total(page, "scoreline_loads_total", model="linear") == 2 * 6


@pytest.mark.acceptance
def test_fifty_swaps_under_load_lose_no_call_and_keep_no_memory(registry: Registry, tmp_path: Path) -> None:
    data = with_ballast((1.0, 0.0, 0.0))
    with running(tmp_path / "registry", tmp_path / "log", *QUICK) as server:
        server.wait_until(both_serve)
        with load(server.address) as crowd:
            swap(registry, server, 5, model_bytes=data)
            early = settled_memory(server, crowd)
            swap(registry, server, 45, model_bytes=data)
            late = settled_memory(server, crowd)
        for caller in crowd:
            assert caller.started == caller.answered > 100
        calls = sum(caller.answered for caller in crowd)
        print(f"{calls} calls; MB per worker after 5 swaps {early}, after 50 {late}")
        assert max(after / before for before, after in zip(early, late, strict=True)) <= 1.15


@pytest.mark.parametrize("deaths", [2, pytest.param(15, marks=pytest.mark.acceptance)])
def test_killed_workers_cost_no_call_and_no_count(registry: Registry, tmp_path: Path, deaths: int) -> None:
    with running(tmp_path / "registry", tmp_path / "log", *QUICK) as server:
        server.wait_until(both_serve)
        with load(server.address) as crowd, scraped(server) as fallen:
            for _ in range(deaths):
                wait_for_calls(crowd, 50)
                pid = random.choice(server.status()["workers"])["pid"]
                kill(pid)
                server.wait_until(partial(both_serve_without, pid))
                wait_for_calls(crowd, 50)
        assert not fallen
        assert [caller.failures for caller in crowd] == [[], [], []]
        answered = sum(caller.answered for caller in crowd)
        assert answered == sum(caller.started for caller in crowd)
        # Counts follow the answers, so a death takes at most the count of the last batch, which has a call of each of
        # the three callers; and a call whose answer was counted and lost with the worker is made, and counted, again.
        page = server.wait_for_page("/metrics", partial(have_counted, answered - len(crowd) * deaths))
        assert total(page, "scoreline_worker_restarts_total") == deaths
        counted = total(page, "scoreline_calls_total", method=SCORE, code="OK")
        assert counted <= answered + len(crowd) * deaths
        print(f"{deaths} deaths, {answered} calls answered, {int(counted)} counted, 0 failed")


def test_a_drain_of_two_workers_answers_every_call_that_was_accepted(registry: Registry, tmp_path: Path) -> None:
    request, stop = named(entity("ann", income=1.0)), threading.Event()
    with running(tmp_path / "registry", tmp_path / "log", *QUICK) as server, ThreadPoolExecutor() as pool:
        server.wait_until(both_serve)
        calls = [pool.submit(raw_outcomes, server.address, request, stop) for _ in range(6)]
        server.wait_for_page("/metrics", partial(have_counted, 150))
        server.process.terminate()
        assert server.process.wait(120) == 0, server.log.read_text()
        stop.set()
        outcomes = [code for call in calls for code in call.result(120)]
    assert len(outcomes) > 100
    assert set(outcomes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert len(list(server.events("stopped"))) == 2


def test_probes_tell_of_a_drain_while_calls_are_still_answered(registry: Registry, tmp_path: Path) -> None:
    config = tmp_path / "slow.toml"
    # Long enough for what is asked meanwhile, on a busy machine too.
    config.write_text("drain_delay_seconds = 6\n")
    with running(tmp_path / "registry", tmp_path / "log", "--config", str(config)) as server:
        assert server.page("/livez") == (200, "ok\n")
        assert server.page("/readyz")[0] == 200
        server.process.terminate()
        status = server.wait_until(lambda status: status["workers"][0]["state"] == "draining")
        assert status["draining"]
        assert not status["ready"]
        assert server.page("/readyz")[0] == 503
        assert server.page("/livez")[0] == 200
        assert total(server.page("/metrics")[1], "scoreline_drains_total") == 1
        with grpc.insecure_channel(server.address) as channel:
            assert rpc.ScoringServiceStub(channel).Score(named(entity("ann", income=1.0))).scores[0].version == 1
        assert server.process.wait(120) == 0


def test_a_worker_that_cannot_start_again_is_tried_until_it_can(registry: Registry, tmp_path: Path) -> None:
    with running(tmp_path / "registry", tmp_path / "log") as server:
        (tmp_path / "registry").rename(tmp_path / "elsewhere")
        kill(server.status()["workers"][0]["pid"])
        status = server.wait_until(lambda status: status["problems"] and "scoreline init" in status["problems"][0])
        assert not status["ready"]
        assert server.page("/readyz")[0] == 503
        (tmp_path / "elsewhere").rename(tmp_path / "registry")
        server.wait_until(lambda status: status["ready"])
        assert server.page("/readyz")[0] == 200


def test_a_worker_told_to_end_is_replaced(registry: Registry, tmp_path: Path) -> None:
    with running(tmp_path / "registry", tmp_path / "log", *QUICK) as server:
        pid = server.wait_until(both_serve)["workers"][1]["pid"]
        os.kill(pid, signal.SIGTERM)
        server.wait_until(lambda status: both_serve(status) and status["workers"][1]["pid"] != pid)
        assert total(server.page("/metrics")[1], "scoreline_drains_total") == 1


def test_workers_end_when_their_supervisor_is_killed(registry: Registry, tmp_path: Path) -> None:
    with running(tmp_path / "registry", tmp_path / "log", *QUICK) as server:
        pids = [worker["pid"] for worker in server.wait_until(both_serve)["workers"]]
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@pytest.mark.parametrize("taken", ["listen", "ops_listen"])
def test_a_taken_port_is_one_clear_line(registry: Registry, tmp_path: Path, taken: str) -> None:
    with running(tmp_path / "registry", tmp_path / "log") as server:
        ports = {"listen": "127.0.0.1:0", "ops_listen": "127.0.0.1:0"}
        ports[taken] = server.address if taken == "listen" else server.ops
        command = [sys.executable, "-m", "scoreline_server", "--registry", str(tmp_path / "registry"), "--workers", "2"]
        done = subprocess.run(
            [*command, "--listen", ports["listen"], "--ops-listen", ports["ops_listen"]],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert ports[taken] in line
    assert "in use" in line
