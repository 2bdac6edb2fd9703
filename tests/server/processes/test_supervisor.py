"""The parts of a supervisor that are values: waits, ports, what several workers amount to, and counts beyond death."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scoreline_server.cpu_count import quota_cores, usable_cores
from scoreline_server.errors import StartError
from scoreline_server.processes.backoff import Backoff
from scoreline_server.processes.exposition import Exposition
from scoreline_server.processes.ports import bound, reserved
from scoreline_server.processes.reports import Report, RouteReport, WorkerConfig, WorkerState
from scoreline_server.processes.runtime import runtime_folder
from scoreline_server.processes.serve import worker_count
from scoreline_server.processes.worker_pool import WorkerPool, WorkerSlot
from scoreline_server.settings import Settings, read_settings


def serving(**routes: RouteReport) -> Report:
    newest = max((route.adopted_revision for route in routes.values()), default=0)
    return Report(WorkerState.SERVING, revision=newest, routes=routes, models=1)


def pool(*reports: Report, draining: bool = False) -> WorkerPool:
    return WorkerPool(tuple(WorkerSlot(number, report) for number, report in enumerate(reports)), draining=draining)


def test_waits_double_up_to_a_limit_and_are_spread() -> None:
    backoff = Backoff(first_seconds=0.1, most_seconds=30, stable_seconds=30)
    assert [backoff.wait_seconds(failures, 1.0) for failures in (1, 2, 3, 9, 10, 10_000)] == pytest.approx(
        [0.1, 0.2, 0.4, 25.6, 30, 30]
    )
    assert backoff.wait_seconds(1, 0.0) == pytest.approx(0.05)


def test_failures_are_counted_anew_after_a_long_life() -> None:
    backoff = Backoff(stable_seconds=30)
    assert backoff.failures(4, lived_seconds=29) == 5
    assert backoff.failures(4, lived_seconds=30) == 1


def test_a_server_is_ready_while_one_worker_serves_and_it_does_not_drain() -> None:
    starting, down = Report(WorkerState.STARTING), Report(WorkerState.DOWN)
    assert pool(serving(), down).ready
    assert not pool(starting, down).ready
    assert not pool(serving(), serving(), draining=True).ready
    assert not pool(Report(WorkerState.DRAINING)).ready


def test_of_several_workers_the_one_that_lags_speaks_for_a_route() -> None:
    ahead = serving(credit=RouteReport(7), churn=RouteReport(7))
    behind = serving(credit=RouteReport(5, "linear@2 was not loaded"), churn=RouteReport(7))
    merged = pool(ahead, behind, Report(WorkerState.DOWN, problem="no registry"))
    assert merged.routes == {"credit": RouteReport(5, "linear@2 was not loaded"), "churn": RouteReport(7)}
    assert merged.revision == 7
    assert merged.problems == ["route credit: linear@2 was not loaded", "worker 2 is down: no registry"]
    assert json.loads(json.dumps(merged.status()))["routes"]["credit"]["adopted_revision"] == 5


def test_reports_and_orders_survive_their_pipe(tmp_path: Path) -> None:
    report = Report(
        WorkerState.SERVING, "127.0.0.1:1", "", 3, {"credit": RouteReport(3)}, 1, {"linear@2": "golden\nrows"}
    )
    assert Report.read(report.line()) == report
    assert report.line().count(b"\n") == 1
    settings = Settings(
        registry="elsewhere", tls_certificate_file=tmp_path / "c", tls_key_file=tmp_path / "k", workers=3
    )
    config = WorkerConfig(1, settings, tmp_path, reuse_port=True)
    assert WorkerConfig.read(config.line()) == config


def test_an_order_is_stronger_than_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = WorkerConfig(0, Settings(threads=2), tmp_path, reuse_port=False).line()
    monkeypatch.setenv("SCORELINE_THREADS", "9")
    assert WorkerConfig.read(line).settings.threads == 2


def test_a_reserved_port_is_refused_to_others_and_open_to_workers() -> None:
    with reserved("127.0.0.1:0") as address, bound(address) as worker:
        worker.listen()
        with pytest.raises(StartError, match="in use"), reserved(address):
            pass


@pytest.mark.parametrize("listen", ["50051", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "no such host:1"])
def test_an_address_that_is_none_is_one_clear_error(listen: str) -> None:
    with pytest.raises(StartError, match="cannot listen on"), reserved(listen):
        pass


def test_workers_share_a_port_of_tcp_only() -> None:
    assert worker_count(Settings(workers="auto")) == usable_cores() >= 1
    assert worker_count(Settings(listen="unix:/tmp/s")) == 1
    with pytest.raises(StartError, match="cannot share unix:"):
        worker_count(Settings(listen="unix:/tmp/s", workers=2))


def test_workers_is_a_number_or_auto() -> None:
    assert read_settings(workers="3").workers == 3
    assert read_settings(workers="auto").workers == "auto"
    with pytest.raises(StartError, match="workers"):
        read_settings(workers="many")
    with pytest.raises(StartError, match="workers"):
        read_settings(workers="0")


def test_a_quota_bounds_the_cores() -> None:
    assert quota_cores("250000 100000\n") == 2
    assert quota_cores("50000 100000\n") == 0
    with pytest.raises(ValueError):
        quota_cores("max 100000\n")


def test_a_runtime_folder_is_private_and_temporary(tmp_path: Path) -> None:
    with runtime_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_killed_server_is_removed_by_the_next_one_and_no_other(tmp_path: Path) -> None:
    killed, foreign = tmp_path / "scoreline-killed", tmp_path / "scoreline-notes"
    for folder in (killed, foreign):
        folder.mkdir()
    (killed / "owner.lock").touch()
    with runtime_folder(tmp_path) as first, runtime_folder(tmp_path) as second:
        assert {first, second, foreign} == set(tmp_path.iterdir())


COUNTING = """
import os, sys
from pathlib import Path
import grpc
from scoreline_server.metrics.recorder import Metrics
metrics = Metrics(Path(sys.argv[1]))
metrics.calls("/x/Score", [0.001, 3.0], code=grpc.StatusCode.OK)
metrics.queued(4)
print(os.getpid(), flush=True)
os.kill(os.getpid(), 9)
"""


def counted(folder: Path) -> int:
    """Counts in a process that dies without a word; its id."""
    command = [sys.executable, "-c", COUNTING, str(folder)]
    return int(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def samples(page: bytes) -> dict[str, float]:
    families = text_string_to_metric_families(page.decode())
    return {s.name: s.value for family in families for s in family.samples if s.labels.get("le", "0.001") == "0.001"}


def test_totals_outlive_the_workers_that_counted_them(tmp_path: Path) -> None:
    exposition = Exposition(tmp_path)
    exposition.spawned(1)  # a worker that has not counted yet
    for worker in (1, 2, 3):
        pid = counted(tmp_path)
        exposition.spawned(pid)
        for dead in (False, True):
            if dead:
                exposition.reap(pid)
            page = samples(exposition.page(WorkerPool(())))
            assert page["scoreline_calls_total"] == page["scoreline_call_seconds_count"] == 2 * worker
            assert page["scoreline_call_seconds_bucket"] == worker
            assert page["scoreline_call_seconds_sum"] == pytest.approx(3.001 * worker)
            assert page.get("scoreline_calls_queued") == (None if dead else 4)
    assert not list(tmp_path.iterdir())


def test_a_name_that_was_being_written_at_death_is_left_out(tmp_path: Path) -> None:
    exposition, pid = Exposition(tmp_path), counted(tmp_path)
    exposition.spawned(pid)
    (names,) = tmp_path.glob("*.names")
    names.write_bytes(names.read_bytes() + b'["scoreline_loa')
    assert samples(exposition.page(WorkerPool(())))["scoreline_calls_total"] == 2
