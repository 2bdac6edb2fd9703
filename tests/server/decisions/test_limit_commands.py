"""The command that prints what is used of the limits of a policy."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scoreline.cli.app import scoreline
from scoreline_registry.decisions.deciding.limit_usage import LimitCounter, counters_of
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.reservations import Check, Claim, Reservation
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from tests.server.policies import GUARDIAN
from tests.server.routes import apply
from tests.server.toys import publish_linear

LIMITS = """
limits:
  - {name: once, kind: frequency, at_most: 1, per: 1d, actions: [nudge]}
  - {name: campaign, kind: total, at_most: 10000, actions: [block]}
  - {name: money, kind: budget, at_most: 500.5, per: total}
  - {name: night, kind: quiet_hours, from: "22:00", to: "08:00"}
"""
HEADING = "LIMIT     KIND    UNIT  PERIOD  USED  AT MOST  LEFT    REFUSES"

Applied = Callable[[str], Policy]


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "registry")


@pytest.fixture
def applied(registry: Registry) -> Applied:
    """Applies a policy with some limits."""
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)

    def apply_limits(limits: str) -> Policy:
        spec = read_policy(GUARDIAN + limits, source="test")
        registry.apply_policy(spec, author="ann", message="limits")
        return registry.latest().state.policies.require("guardian")

    return apply_limits


def take(policy: Policy, path: Path, *, unit: str, times: int = 1, amount: int = 1) -> None:
    """Counts an action of a unit in the counters of all limits."""

    def check(counter: LimitCounter) -> Check:
        added = amount if counter.kind == "budget" else 1
        return Check(counter.limit, counter.counter, None, added, counter.span_us, counter.ends_us)

    now = time.time_ns()
    checks = tuple(check(counter) for counter in counters_of(policy, unit=unit, time_ns=now))
    with closing(SqliteLimits(path)) as store:
        store.reserve([Reservation((Claim("nudge", checks),))] * times, now // 1000)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(scoreline, ["policy", "limits", *(str(argument) for argument in arguments)])


def printed(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_limits_are_printed_with_what_is_left(applied: Applied, address: str, tmp_path: Path) -> None:
    policy = applied(LIMITS)
    unused = run("guardian", "--registry", address)
    assert unused.stdout.splitlines() == [
        HEADING,
        "campaign  total   all           0     10,000   10,000  no",
        "money     budget  all           0     500.5    500.5   no",
    ]
    journal = tmp_path / "registry-journal"
    assert not (journal / "limits.sqlite").exists()
    take(policy, journal / "limits.sqlite", unit="ann", times=2, amount=250_250_000)
    once, campaign, money = run("guardian", "--unit", "ann", "--registry", address).stdout.splitlines()[1:]
    assert once.split()[:6] == ["once", "frequency", "ann", "1", "1", "0"]
    assert "until 20" in once
    assert campaign.split() == ["campaign", "total", "all", "2", "10,000", "9,998", "no"]
    assert money.split() == ["money", "budget", "all", "500.5", "500.5", "0", "for", "ever"]


def test_json_has_every_figure(applied: Applied, address: str, tmp_path: Path) -> None:
    take(applied(LIMITS), tmp_path / "elsewhere.sqlite", unit="ann")
    store = ("--store", f"sqlite:{tmp_path}/elsewhere.sqlite", "--registry", address)
    once, campaign, money = printed("guardian", "--unit", "ann", *store)
    assert once.pop("until").endswith("Z")
    assert once == {
        "limit": "once", "kind": "frequency", "action": "", "unit": "ann", "period": "", "used": 1, "at_most": 1,
        "remaining": 0, "refuses": True,
    }  # fmt: skip
    assert (campaign["used"], campaign["remaining"], campaign["until"]) == (1, 9999, None)
    assert (money["used"], money["at_most"]) == (1e-06, 500.5)
    assert [row["used"] for row in printed("guardian", "--unit", "bob", *store)] == [0, 1, 1e-06]


@pytest.mark.parametrize(
    ("limits", "unit", "said"),
    [
        ("", (), "policy guardian has no limits"),
        (
            'limits: [{name: night, kind: quiet_hours, from: "22:00", to: "08:00"}]',
            ("--unit", "ann"),
            "policy guardian has no limits but quiet hours, which are not counted",
        ),
        (
            "limits: [{name: once, kind: frequency, at_most: 1, per: 1d}]",
            (),
            "policy guardian limits nothing for all units together: give --unit",
        ),
    ],
)
def test_a_policy_without_such_limits_is_said(
    applied: Applied, address: str, limits: str, unit: tuple[str, ...], said: str
) -> None:
    applied(limits)
    assert run("guardian", *unit, "--registry", address).stdout == said + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("guardian", "--store", "off"), "there is no store of limits: give --store, or set limit_store"),
        (("guardian", "--store", "redis://127.0.0.1:1"), "Redis at 127.0.0.1:1 cannot be reached"),
        (("guardian", "--store", "mysql:x"), "limit_store: unknown store 'mysql'"),
        (("guardiam",), "guardiam"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    applied: Applied, address: str, arguments: tuple[str, ...], said: str
) -> None:
    applied(LIMITS)
    done = run(*arguments, "--registry", address)
    assert done.exit_code == 1
    assert said in done.output
    assert len(done.output.splitlines()) == 1
