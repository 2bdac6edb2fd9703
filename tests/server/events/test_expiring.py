"""Entities without events are dropped after the time that their profile says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.errors import ProfileStoreError
from scoreline_server.events.definitions import Definitions
from scoreline_server.events.expiring import Expiry, expire
from scoreline_server.events.live import LiveProfiles
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from tests.server.events.spending import DAY, SPENDING, Counted, now, purchase
from tests.waiting import wait_until

KEPT_DAYS = 100


@pytest.fixture
def profiles(tmp_path: Path) -> Iterator[LiveProfiles]:
    registry = Registry.create(str(tmp_path / "registry"))
    text = SPENDING.replace("lateness: 1h", f"lateness: 1h\nkeep: {KEPT_DAYS}d")
    registry.apply_profile(read_profile(text, source="spending.yaml"), author="ann", message="first")
    store = SqliteStore(tmp_path / "profiles.sqlite", synchronous="normal")
    live = LiveProfiles(Definitions(registry), store, counting=Counted())
    events = [purchase("old", 1, now() - (KEPT_DAYS + 1) * DAY), purchase("new", 2, now() - (KEPT_DAYS - 1) * DAY)]
    live.record(live.definitions.require("spending"), events)
    yield live
    store.close()


def test_entities_older_than_the_profile_keeps_are_dropped(profiles: LiveProfiles) -> None:
    assert expire(profiles) == 1
    assert list(profiles.store.entities("spending")) == ["new"]
    assert expire(profiles) == 0


def test_a_server_drops_them_now_and_then_and_survives_a_store_that_fails(
    profiles: LiveProfiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = profiles.store.expire, []

    def failing_first(profile: str, *, before: int) -> int:
        calls.append(before)
        if len(calls) == 1:
            raise ProfileStoreError("the disk is gone")
        return real(profile, before=before)

    monkeypatch.setattr(profiles.store, "expire", failing_first)
    with capture_logs() as logs:
        expiry = Expiry(profiles, first_seconds=0.01, every_seconds=0.01)
        expiry.start()
        wait_until(lambda: list(profiles.store.entities("spending")) == ["new"])
        expiry.close()
        wait_until(lambda: not expiry._thread.is_alive())
    assert [log["event"] for log in logs][:2] == [
        "old entities of profiles could not be dropped", "old entities of profiles dropped",
    ]  # fmt: skip
