"""Decisions of a server with two workers: limits hold to the unit while one is killed, and the journal has them all."""

import json
import os
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import scoreline
from scoreline import Decision
from scoreline_registry.decisions.reservations import MICRO
from scoreline_registry.decisions.reservations import Counter as LimitCounter
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.limit_stores.opening import FILE_NAME, open_limits
from tests.e2e.load import total
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import Running, running
from tests.waiting import wait_until

CAP, BUDGET, CALLERS = 40, 50.0, 32
CAMPAIGN = f"""
policy: campaign
route: credit
salt: campaign
control: 10
actions:
  offer: {{cost: 1, benefit: 50, effect: {{reduces: 0.5}}}}
  call: {{cost: 2.5, benefit: 20, effect: {{reduces: 0.5}}}}
strategies:
  usual: {{rules: [{{name: all, choose: [offer, call]}}]}}
limits:
  - {{name: cap, kind: total, at_most: {CAP}, actions: [offer]}}
  - {{name: money, kind: budget, at_most: {BUDGET}, per: total, actions: [call]}}
"""
NUDGES = """
policy: nudges
route: credit
salt: nudges
control: 25
actions:
  nudge: {cost: 0.1, benefit: 10, effect: {reduces: 0.5}, channel: email}
strategies:
  strict: {rules: [{name: high, when: {score: {gte: 0.6}}, action: nudge}, {name: otherwise, action: none}]}
  gentle: {rules: [{name: always, action: nudge}]}
rules: [{split: {strict: 50, gentle: 50}}]
shadows: [gentle]
limits:
  - {name: once, kind: frequency, at_most: 1, per: 1d, actions: [nudge]}
  - {name: said-no, kind: suppression, outcome: returned, for: 90d, actions: [nudge]}
messages:
  nudge: {en: {default: "Your income is {{ feature.income | default(0) | number }}."}}
"""
VERSIONED = """
policy: versioned
route: credit
salt: versioned
actions: {{act: {{cost: {number}, benefit: 1, effect: {{changes: 1}}}}}}
strategies: {{s{number}: {{rules: [{{name: r{number}, action: act}}]}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("decisions")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Registry:
    registry = Registry.create(folder / "registry")
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    for text in (CAMPAIGN, NUDGES, VERSIONED.format(number=1)):
        apply_policy(registry, text)
    return registry


@pytest.fixture(scope="module")
def server(registry: Registry, folder: Path) -> Iterator[Running]:
    assert registry.latest().policies
    with running(folder / "registry", folder / "log", "--workers", "2", "--poll-seconds", "0.05") as server:
        server.wait_until(both_serve)
        yield server


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[scoreline.Client]:
    with scoreline.Client(server.address, connections=8, timeout_seconds=60) as client:
        yield client


def apply_policy(registry: Registry, text: str) -> None:
    registry.apply_policy(read_policy(text, source="test"), author="tester", message="apply")


def both_serve(status: Any) -> bool:
    return [worker["state"] for worker in status["workers"]] == ["serving"] * 2


def have_read(revision: int, status: Any) -> bool:
    return all(worker["revision"] >= revision for worker in status["workers"])


def at(seconds: int) -> datetime:
    """A time so many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)


def journaled(folder: Path, decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """The journal's rows of some decisions, in their order, once they are on disk."""

    def found() -> dict[str, dict[str, Any]]:
        rows = (row for records in read_records([folder / "registry-journal"]) for row in records.rows())
        by_id = {row["prediction_id"]: row for row in rows}
        return by_id if all(decision.decision_id in by_id for decision in decisions) else {}

    by_id = wait_until(found)
    return [by_id[decision.decision_id] for decision in decisions]


def test_caps_and_budgets_hold_to_the_unit_while_a_worker_is_killed(
    server: Running, client: scoreline.Client, folder: Path
) -> None:
    decisions: list[Decision] = []
    half = threading.Event()

    def ask(caller: int) -> None:
        for number in range(6):
            decisions.append(client.decide("campaign", {"income": 1.0}, entity_id=f"c{caller}-{number}"))
            if len(decisions) > CALLERS:
                half.set()

    with ThreadPoolExecutor(CALLERS) as pool:
        asked = [pool.submit(ask, caller) for caller in range(CALLERS)]
        assert half.wait(60)
        os.kill(server.status()["workers"][0]["pid"], signal.SIGKILL)
        for future in asked:
            future.result()
    server.wait_until(both_serve)
    taken = Counter(decision.action for decision in decisions)
    held = Counter(each.action for decision in decisions for each in decision.suppressed if each.kind == "unreachable")
    calls = int(BUDGET / 2.5)
    assert CAP - held["offer"] <= taken["offer"] <= CAP
    assert calls - held["call"] <= taken["call"] <= calls
    assert taken["none"] == len(decisions) - taken["offer"] - taken["call"]
    store = open_limits("auto", folder / "registry-journal")
    assert store is not None
    offers, money = store.read([LimitCounter("campaign/cap/total"), LimitCounter("campaign/money/budget")])
    store.close()
    assert (offers.total, money.total) == (CAP, int(BUDGET * MICRO))
    control = [decision for decision in decisions if decision.is_control]
    assert 0 < len(control) < len(decisions) / 3
    assert {decision.action for decision in control} == {"none"}
    assert {decision.withheld_action for decision in control} == {"offer"}
    refused = [decision for decision in decisions if not decision.acts and not decision.is_control]
    assert refused
    assert all([each.limit for each in decision.suppressed] == ["cap", "money"] for decision in refused)


def test_a_repeated_request_takes_its_limits_once(client: scoreline.Client) -> None:
    unit = next(
        f"r{number}"
        for number in range(100)
        if client.decide("nudges", {"income": 9.0}, entity_id=f"r{number}", request_id=f"first-{number}").acts
    )
    number = unit[1:]
    again = [client.decide("nudges", {"income": 9.0}, entity_id=unit, request_id=f"first-{number}") for _ in range(6)]
    assert {decision.action for decision in again} == {"nudge"}
    assert len({decision.decision_id for decision in again}) == 6
    assert {decision.message for decision in again} == {"Your income is 9."}
    other = client.decide("nudges", {"income": 9.0}, entity_id=unit)
    assert (other.action, [each.limit for each in other.suppressed]) == ("none", ["once"])


def test_strategies_share_the_units_and_shadows_decide_beside_them(client: scoreline.Client, folder: Path) -> None:
    units = [f"ab{number}" for number in range(60)]
    first = client.decide_many("nudges", {"income": [0.0] * 60}, entity_ids=units)
    again = client.decide_many("nudges", {"income": [0.0] * 60}, entity_ids=units)
    assert [decision.strategy for decision in first] == [decision.strategy for decision in again]
    assert set(Counter(decision.strategy for decision in first)) == {"strict", "gentle"}
    assert [decision.is_control for decision in first] == [decision.is_control for decision in again]
    for decision, row in zip(first, journaled(folder, first), strict=True):
        assert row["decision.policy"] == "nudges"
        assert row["entity_id"] in units
        assert (row["decision.action"], row["decision.strategy"]) == (decision.action, decision.strategy)
        assert json.loads(row["decision.shadows"]) == {"gentle": "nudge"}
        assert row["decision.control"] == decision.is_control
        assert (row["decision.withheld"] or "") == decision.withheld_action
        assert decision.score is not None
        assert row["score"] == pytest.approx(decision.score.score)
        if decision.strategy == "strict":
            assert decision.action == "none"


def test_an_outcome_of_a_decision_forbids_further_actions_for_its_unit(client: scoreline.Client) -> None:
    first, second, third = islice(_without_action(client), 3)
    outcomes = [scoreline.Outcome(name, 1, prediction_id=first.decision_id) for name in ("accepted", "returned")]
    outcomes += [scoreline.Outcome("returned", 0, prediction_id=third.decision_id)]
    report = client.report_outcomes("credit", outcomes)
    assert (report.accepted, report.unknown, report.refused) == (3, (), ())
    in_window = scoreline.Outcome("returned", 1, unit=second.unit, since=at(-60), until=at(60))
    assert client.report_outcomes("credit", [in_window]).accepted == 1
    for unit in (first.unit, second.unit):
        again = client.decide("nudges", {"income": 9.0}, entity_id=unit)
        assert (again.action, [each.kind for each in again.suppressed]) == ("none", ["suppression"])
    assert client.decide("nudges", {"income": 9.0}, entity_id=third.unit).action == "nudge"


class _Case(NamedTuple):
    unit: str
    decision_id: str


def _without_action(client: scoreline.Client) -> Iterator[_Case]:
    """Units that got nothing, although their strategy would have acted on a higher score."""
    for number in range(1000):
        decision = client.decide("nudges", {"income": -9.0}, entity_id=f"no{number}")
        if decision.strategy == "strict" and not decision.is_control:
            yield _Case(f"no{number}", decision.decision_id)


def test_an_answer_is_of_one_policy_while_policies_change(
    registry: Registry, server: Running, client: scoreline.Client
) -> None:
    stop = threading.Event()
    seen: list[Decision] = []

    def ask() -> None:
        while not stop.is_set():
            seen.append(client.decide("versioned", {"income": 1.0}, entity_id="a", trace=True))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for number in range(2, 6):
                apply_policy(registry, VERSIONED.format(number=number))
                server.wait_until(partial(have_read, registry.latest().revision))
        finally:
            stop.set()
        for future in asking:
            future.result()
    assert {decision.cost for decision in seen} >= {1.0, 5.0}
    for decision in seen:
        assert decision.rule == f"r{decision.cost:.0f}"
        assert decision.strategy == f"s{decision.cost:.0f}"
        assert decision.trace is not None
        assert [rule.rule for rule in decision.trace.rules] == [decision.rule]
    by_revision = {decision.score.revision: decision.cost for decision in seen if decision.score}
    assert [by_revision[revision] for revision in sorted(by_revision)] == sorted(by_revision.values())


def test_limited_actions_are_held_back_while_the_store_is_locked(
    server: Running, client: scoreline.Client, folder: Path
) -> None:
    lock = sqlite3.connect(folder / "registry-journal" / FILE_NAME, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        held = [client.decide("nudges", {"income": 9.0}, entity_id=f"down{number}") for number in range(12)]
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert {decision.action for decision in held} == {"none"}
    refused = [decision for decision in held if not decision.is_control]
    assert refused
    assert all([each.kind for each in decision.suppressed] == ["unreachable"] for decision in refused)
    failures = server.wait_for_page("/metrics", lambda page: total(page, "scoreline_limit_failures_total") > 0)
    assert total(failures, "scoreline_decisions_total", policy="nudges", control="true") > 0
    wait_until(lambda: client.decide("nudges", {"income": 9.0}, entity_id=f"up{os.urandom(4).hex()}").acts)


def test_a_policy_that_is_not_there_says_which_are(client: scoreline.Client) -> None:
    with pytest.raises(scoreline.NotFoundError, match="campaign, nudges, versioned"):
        client.decide("unknown", {"income": 1.0}, entity_id="a")
    assert [policy.problem for policy in client.status().policies] == ["", "", ""]
