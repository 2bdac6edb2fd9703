"""Two servers share a store of profiles, while the profile changes and is rolled back."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import scoreline
from scoreline_registry.history.rollback import RollbackProfile
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.server.events.spending import SPENDING
from tests.waiting import wait_until

CHANGED = SPENDING.replace(
    "  purchases: {aggregate: count, events: purchase}",
    "  purchases: {aggregate: count, events: purchase, window: 2h}\n"
    "  spent: {aggregate: sum, events: purchase, field: amount}",
)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry.create(str(tmp_path / "registry"))
    registry.apply_profile(read_profile(SPENDING, source="spending.yaml"), author="ann", message="first")
    return registry


@pytest.fixture
def clients(registry: Registry, tmp_path: Path) -> Iterator[tuple[scoreline.Client, scoreline.Client]]:
    settings = Settings(
        registry=str(tmp_path / "registry"), listen="127.0.0.1:0", poll_seconds=0.02, drain_seconds=5,
        profile_store=f"sqlite:{tmp_path / 'profiles.sqlite'}", profile_read_seconds=30,
    )  # fmt: skip
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(settings)) for _ in range(2)]
        one, other = (stack.enter_context(scoreline.Client(server.address)) for server in servers)
        yield one, other


def test_both_know_each_others_events_and_a_rollback_brings_the_features_back(
    registry: Registry, clients: tuple[scoreline.Client, scoreline.Client]
) -> None:
    one, other = clients
    first, start = registry.latest(), time.time_ns() - 3 * 3600 * 10**9
    record(one, 0, start)
    assert other.profile("spending", "ann").features["purchases"] == 1
    registry.apply_profile(read_profile(CHANGED, source="spending.yaml"), author="ann", message="changed")
    wait_until(lambda: all("spent" in client.profile("spending", "ann").features for client in clients))
    record(other, 1, time.time_ns() - 10**9)
    changed = one.profile("spending", "ann").features
    assert (changed["purchases"], changed["purchases_30d"]) == (1, 2)
    registry.commit(RollbackProfile("spending", first), author="ann", message="back")
    wait_until(lambda: all("spent" not in client.profile("spending", "ann").features for client in clients))
    record(one, 2, time.time_ns())
    for client in clients:
        features = client.profile("spending", "ann").features
        assert (features["purchases"], features["purchases_30d"]) == (3, 3)


def record(client: scoreline.Client, number: int, at: int) -> None:
    client.record("spending", "ann", {"type": "purchase", "amount": 2.0, "id": f"p-{number}", "time": at})
    assert client.flush_events().kept == 1
