"""What is used and left of totals and budgets, as metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scoreline_registry.decisions.reservations import Counter, Usage
from scoreline_registry.registry import Registry
from scoreline_server.decisions.limit_gauges import LimitGauges
from scoreline_server.errors import LimitStoreError
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.served_policy import ServedPolicy
from tests.registry.decisions.policies import at
from tests.server.journals import catalog_of
from tests.server.policies import decided, policy, served
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity
from tests.waiting import wait_until

LIMITS = """
timezone: Europe/Berlin
limits:
  - {name: once, kind: frequency, at_most: 1, per: 1d}
  - {name: campaign, kind: total, at_most: 5, actions: [block]}
  - {name: money, kind: budget, at_most: 7, per: day}
"""
NOON = at("2026-11-18T12:00")


@pytest.fixture
def catalog(registry: Registry) -> Catalog:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    return catalog_of(registry)


class Clock:
    """A clock that a test moves."""

    now = NOON

    def __call__(self) -> int:
        return self.now


def gauges(metrics: Metrics) -> Mapping[tuple[str, ...], float]:
    """The present values of the gauges of limits."""
    names = {"scoreline_limit_used": "used", "scoreline_limit_remaining": "left"}
    return {(names[name], *labels): numbers[0] for (name, labels), numbers in metrics.counts().items() if name in names}


def test_totals_and_budgets_are_gauges_by_policy_and_limit(catalog: Catalog, tmp_path: Path) -> None:
    store, metrics, clock = SqliteLimits(tmp_path / "limits.sqlite"), Metrics(), Clock()
    policies = {"guardian": served(policy(more=LIMITS), catalog)}
    looking = LimitGauges(store, lambda: policies, counting=metrics, clock=clock)
    rows = [entity(f"c{at}", income=3.0, debt=10.0) for at in range(2)]
    decided(policies["guardian"], *rows, reserve=lambda asked, _now: store.reserve(asked, NOON // 1000), time_ns=NOON)
    looking.look()
    assert gauges(metrics) == {
        ("used", "guardian", "campaign"): 2,
        ("left", "guardian", "campaign"): 3,
        ("used", "guardian", "money"): 4.0,
        ("left", "guardian", "money"): 3.0,
    }
    # At midnight in Berlin the day's budget begins anew.
    clock.now = at("2026-11-18T23:00")
    looking.look()
    assert gauges(metrics)["left", "guardian", "money"] == 7.0
    # A policy that is gone leaves no figures behind.
    policies.clear()
    looking.look()
    assert set(gauges(metrics).values()) == {0.0}
    store.close()


def test_the_limits_that_counted_an_action_are_said(catalog: Catalog, tmp_path: Path) -> None:
    store, guardian = SqliteLimits(tmp_path / "limits.sqlite"), served(policy(more=LIMITS), catalog)
    rows = [entity(id_, income=3.0, debt=10.0) for id_ in ("a", "a")]
    for counted in (["once", "campaign", "money"], []):
        found = decided(guardian, *rows, reserve=store.reserve, request_id="r")
        assert [list(each.counted) for each in found.by_row.values()] == [counted, []]
    metrics = Metrics()
    metrics.limits_taken("guardian", ["once", "money", "once"])
    assert metrics.counts()["scoreline_limit_taken", ("guardian", "once")] == [2]
    store.close()


def test_without_totals_and_budgets_the_store_is_left_alone(catalog: Catalog, tmp_path: Path) -> None:
    store = SqliteLimits(tmp_path / "limits.sqlite")
    LimitGauges(store, lambda: {"guardian": served(policy(), catalog)}, counting=Metrics()).look()
    assert not store.path.exists()


def test_a_store_that_fails_is_said_once_and_looked_at_again(catalog: Catalog) -> None:
    class Failing:
        looks = 0

        def read(self, counters: Sequence[Counter]) -> list[Usage]:
            self.looks += 1
            if self.looks < 4:
                raise LimitStoreError("the disk is gone")
            return [Usage(1) for _ in counters]

    policies: Mapping[str, ServedPolicy] = {"guardian": served(policy(more=LIMITS), catalog)}
    metrics = Metrics()
    looking = LimitGauges(Failing(), lambda: policies, counting=metrics, every_seconds=0.001)
    with capture_logs() as logs:
        looking.start()
        wait_until(lambda: gauges(metrics))
    looking.close()
    assert [each["event"] for each in logs] == ["what is used of limits could not be read"]
