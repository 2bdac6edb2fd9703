"""A worker that is killed in the middle of an experiment changes no conclusion of its comparison."""

import os
import signal
import time
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scoreline
from scoreline import Outcome
from scoreline_registry.registry import Registry
from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.journal.reading.reader import journal_files, read_records
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import Running, running

ROUTE = """
route: credit
salt: spring
schema: {features: {income: number, age: number, debt: number}}
rules: [{split: {credit@1: 50, credit@2: 50}}]
"""
ROWS = 20
"""Of each call."""
CALLS = 40
"""In each third: before the kill, during it, and when both workers serve again."""
LOST_SECONDS = 1.0
"""What was answered so long before a kill may be lost; in fact the last 10 ms or so."""
RATES = {"credit@1": {"repaid": 0.4, "called": 0.3}, "credit@2": {"repaid": 0.6, "called": 0.3}}


@dataclass(frozen=True)
class Answered:
    """A row that was answered."""

    prediction_id: str
    arm: str
    at: float


@dataclass
class Traffic:
    """Calls of units that come once each, each on a connection of its own."""

    address: str
    rows: dict[str, Answered] = field(default_factory=dict)

    def call(self, number: int) -> None:
        """Scores the units of one call; the request id is that of the call, on every retry."""
        units = [f"unit-{number}-{row}" for row in range(ROWS)]
        income = {"income": [_chance(unit) for unit in units]}
        with scoreline.Client(self.address, timeout_seconds=60) as client:
            scores = client.score_many("credit", income, entity_ids=units, request_id=f"call-{number}")
        assert not scores.errors
        now = time.monotonic()
        arms = [f"{model}@{version}" for model, version in zip(scores.model, scores.version, strict=True)]
        for unit, id_, arm in zip(units, scores.prediction_id, arms, strict=True):
            self.rows[unit] = Answered(id_, arm, now)

    def report(self, units: Iterable[str]) -> set[str]:
        """Reports two outcomes of each unit that depend on the unit and its arm only; the ids that were unknown."""
        found = [
            Outcome(name, float(_chance(f"{name} {unit}") < RATES[row.arm][name]), prediction_id=row.prediction_id)
            for unit in units
            for row in [self.rows[unit]]
            for name in ("repaid", "called")
        ]
        with scoreline.Client(self.address, timeout_seconds=60) as client:
            report = client.report_outcomes("credit", found)
        assert (report.accepted, report.refused) == (len(found), ())
        return set(report.unknown)


@dataclass(frozen=True)
class Run:
    """What was answered, the journal of it, and when a worker was killed."""

    rows: dict[str, Answered]
    journal: Path
    comparison: Comparison
    killed_at: float | None


def _chance(text: str) -> float:
    """A number from 0 to 1 that depends on the text only."""
    return zlib.crc32(text.encode()) / 2**32


def run(folder: Path, *, kill: bool) -> Run:
    """The same traffic through two workers, of which one may be killed while calls are under way."""
    registry = Registry.create(folder / "registry")
    for weights in ((1.0, 0.0, 0.0), (2.0, 0.0, 0.0)):
        publish_linear(registry, "credit", weights)
    apply(registry, ROUTE)
    killed_at = None
    flags = ("--workers", "2", "--poll-seconds", "0.05")
    with running(folder / "registry", folder / "log", *flags) as server, ThreadPoolExecutor(4) as pool:
        server.wait_until(_both_serve)
        traffic = Traffic(server.address)
        list(pool.map(traffic.call, range(CALLS)))
        early = set(traffic.rows)
        assert traffic.report(early) == set()
        under_way = [pool.submit(traffic.call, number) for number in range(CALLS, 2 * CALLS)]
        under_way[CALLS // 4].result()
        if kill:
            killed_at = _killed(server)
        for call in under_way:
            call.result()
        server.wait_until(_both_serve)
        list(pool.map(traffic.call, range(2 * CALLS, 3 * CALLS)))
        traffic.report(traffic.rows.keys() - early)
    journal = folder / "registry-journal"
    metrics = (metric_of("repaid:rate:increase"), metric_of("called:rate:increase"))
    found = compare(Request((journal,), "credit", options=Options(metrics=metrics)))
    return Run(traffic.rows, journal, found, killed_at)


def _both_serve(status: Any) -> bool:
    return [worker["state"] for worker in status["workers"]] == ["serving"] * 2


def _killed(server: Running) -> float:
    """Kills a worker; when it was killed."""
    pid = server.status()["workers"][0]["pid"]
    now = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    server.wait_until(lambda status: pid not in [worker["pid"] for worker in status["workers"]])
    return now


def exposed(journal: Path) -> dict[str, set[str]]:
    """The assigned arms of each unit that the journal has."""
    found: dict[str, set[str]] = {}
    for records in read_records([journal]):
        columns = records.columns
        for unit, arm in zip(columns["entity_id"], columns["arm"], strict=True):
            found.setdefault(unit, set()).add(arm)
    return found


def test_a_worker_killed_in_the_middle_changes_no_conclusion(tmp_path: Path) -> None:
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    calm, killed = run(tmp_path / "calm", kill=False), run(tmp_path / "killed", kill=True)
    assert len(journal_files([calm.journal])) == 2
    assert len(journal_files([killed.journal])) == 3

    arms = {unit: row.arm for unit, row in calm.rows.items()}
    assert len(arms) == 3 * CALLS * ROWS
    assert {unit: row.arm for unit, row in killed.rows.items()} == arms

    journaled = exposed(killed.journal)
    assert exposed(calm.journal) == {unit: {arm} for unit, arm in arms.items()}
    assert journaled == {unit: {arm} for unit, arm in arms.items() if unit in journaled}
    assert killed.killed_at is not None
    lost = [row for unit, row in killed.rows.items() if unit not in journaled]
    ages = [killed.killed_at - row.at for row in lost]
    assert not [age for age in ages if age > LOST_SECONDS]

    assert calm.comparison.rows.exposures == len(arms)
    assert killed.comparison.rows.exposures == len(journaled)
    assert {arm.arm: arm.exposures for arm in killed.comparison.arms} == {
        arm: sum(found == {arm} for found in journaled.values()) for arm in RATES
    }
    assert _conclusions(killed.comparison) == _conclusions(calm.comparison)
    assert [verdict for _, _, verdict in _conclusions(killed.comparison)[0]] == ["better", "no difference shown"]
    print(f"{len(arms)} rows answered, {len(lost)} not journaled, {killed.comparison.rows.retries} retried")


def _conclusions(found: Comparison) -> tuple[list[tuple[str, str, str]], bool, list[str]]:
    """Verdicts, whether the sample ratio is sound, and what is noted as a problem."""
    assert found.sample_ratio is not None
    verdicts = [(effect.metric, effect.arm, effect.verdict) for effect in found.effects]
    return verdicts, not found.sample_ratio.mismatch, [note.text for note in found.notes if note.severity == "problem"]
