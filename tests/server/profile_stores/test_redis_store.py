"""The store in a Redis server. It needs redis-server."""

from collections.abc import Iterator

import pytest
import redis
from structlog.testing import capture_logs

from scoreline_registry.profiles.events import Event
from scoreline_server.databases.redis_server import risks
from scoreline_server.errors import DamagedEntitiesError, ProfileStoreError
from scoreline_server.profile_stores.redis_store import RedisStore
from scoreline_server.profile_stores.store import Offset, Receipt
from tests.server.databases.redis_servers import RunningRedis, needs_redis, running_redis
from tests.server.profile_stores.contract import LATENESS, P, ProfileStoreContract
from tests.server.profile_stores.reference import event

pytestmark = needs_redis


@pytest.fixture(scope="module")
def server() -> Iterator[RunningRedis]:
    """One server for the module."""
    with running_redis("--appendonly", "no") as running:
        yield running


@pytest.fixture
def url(server: RunningRedis) -> str:
    """The server without any keys."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture
def store(url: str) -> Iterator[RedisStore]:
    """A store with a long patience, because this machine may be busy."""
    opened = RedisStore(url, read_seconds=60, write_seconds=60)
    yield opened
    opened.close()


class TestRedisStore(ProfileStoreContract):
    """The contract, on a real server."""


def kept(store: RedisStore, event_id: str) -> list[Receipt]:
    """The receipt of one new event of ann's."""
    return store.append(P, [event("ann", event_id, 1)], lateness=LATENESS)


def test_what_is_forgotten_leaves_no_key(store: RedisStore, url: str) -> None:
    kept(store, "e1")
    store.append(P, [event("bob", "e", 1)], lateness=LATENESS)
    assert store.forget(P, "ann")
    with redis.Redis.from_url(url) as client:
        assert sorted(client.keys()) == [
            b"scoreline:profile:spending:entities",
            b"scoreline:profile:spending:entity:bob",
        ]
        assert client.zrange(f"scoreline:profile:{P}:entities", 0, -1) == [b"bob"]


def test_a_script_that_the_server_has_dropped_is_sent_again(store: RedisStore, url: str) -> None:
    kept(store, "e1")
    with redis.Redis.from_url(url) as client:
        client.script_flush()
    assert kept(store, "e2") == [Receipt.KEPT]


def test_a_connection_that_was_closed_is_opened_again(store: RedisStore, url: str) -> None:
    kept(store, "e1")
    store.read(P, ["ann"])
    with redis.Redis.from_url(url) as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert kept(store, "e2") == [Receipt.KEPT]
    assert len(store.read(P, ["ann"])["ann"].pending) == 2


def test_damaged_entities_are_named_by_a_call_that_has_changed_nothing(store: RedisStore, url: str) -> None:
    kept(store, "e1")
    with redis.Redis.from_url(url) as client:
        client.hset(f"scoreline:profile:{P}:entity:bob", "m", b"\xc1")
        client.set(f"scoreline:profile:{P}:entity:dan", "text")
    events = [event(name, each, 1) for name in ("bob", "cleo", "dan", "eve") for each in ("e1", "e2")]
    with pytest.raises(DamagedEntitiesError, match="pending events of 2 entities are damaged: forget") as raised:
        store.append(P, events, lateness=LATENESS, offsets=[Offset("c", "t", 0, 5)])
    assert raised.value.entities == {"bob", "dan"}
    assert list(store.entities(P)) == ["ann"]
    assert store.offsets("c") == {}
    assert store.forget(P, "dan")
    assert store.append(P, events[2:], lateness=LATENESS) == [Receipt.KEPT] * 6


def test_a_server_that_is_away_is_said_and_comes_back() -> None:
    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        store = RedisStore(server.url)
        kept(store, "e1")
        server.kill()
        with pytest.raises(ProfileStoreError, match=r"Redis at .*/socket cannot be reached: .*; see that it runs"):
            kept(store, "e2")
        with pytest.raises(ProfileStoreError, match=r"cannot be reached"):
            store.read(P, ["ann"])
        server.start()
        assert [each.id for each in store.read(P, ["ann"])["ann"].pending] == ["e1"]
        assert kept(store, "e2") == [Receipt.KEPT]
        store.close()


def test_a_server_that_hangs_is_waited_for_as_long_as_was_said(server: RunningRedis, url: str) -> None:
    patient = RedisStore(url, read_seconds=0.05)
    kept(patient, "e1")
    with server.halted(), pytest.raises(ProfileStoreError, match="cannot be reached: Timeout"):
        patient.read(P, ["ann"])
    assert len(patient.read(P, ["ann"])["ann"].pending) == 1
    patient.close()


def test_a_full_server_refuses_events(store: RedisStore, url: str) -> None:
    kept(store, "e1")
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(ProfileStoreError, match=r"refused: .*maxmemory"):
                kept(store, "e2")
        finally:
            client.config_set("maxmemory", 0)
    assert [each.id for each in store.read(P, ["ann"])["ann"].pending] == ["e1"]


def test_a_server_that_does_not_log_its_writes_is_warned_of_once(store: RedisStore) -> None:
    with capture_logs() as logs:
        kept(store, "e1")
        kept(store, "e2")
    warning = "Redis may lose profiles: it does not log writes: set appendonly yes and appendfsync always"
    assert [(each["event"], each["log_level"]) for each in logs] == [(warning, "warning")]


@pytest.mark.parametrize(
    ("persistence", "memory", "fsync", "found"),
    [
        ({"aof_enabled": 1}, {"maxmemory": 0}, {"appendfsync": "always"}, []),
        ({}, {}, {}, []),
        ({"aof_enabled": 1}, {}, {"appendfsync": "everysec"}, ["its appendfsync is everysec: set appendfsync always"]),
        ({"aof_enabled": 1}, {"maxmemory": 9, "maxmemory_policy": "noeviction"}, {}, []),
        (
            {"aof_enabled": 1},
            {"maxmemory": 9, "maxmemory_policy": "allkeys-lru"},
            {},
            ["its maxmemory-policy is allkeys-lru: set maxmemory-policy noeviction"],
        ),
    ],
)
def test_what_a_server_may_lose_is_known_by_its_settings(
    persistence: dict[str, object], memory: dict[str, object], fsync: dict[str, object], found: list[str]
) -> None:
    assert list(risks(persistence, memory, fsync)) == found


def test_a_user_who_may_not_ask_for_settings_is_served(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.acl_setuser("app", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-info", "-config"])
    store = RedisStore(url.replace("unix://", "unix://app:any@"))
    with capture_logs() as logs:
        assert kept(store, "e1") == [Receipt.KEPT]
    assert logs == []
    store.close()


def test_a_password_is_not_said(url: str) -> None:
    store = RedisStore(url.replace("unix://", "unix://app:geheim@"))
    with redis.Redis.from_url(url) as client:
        client.acl_setuser(
            "app", enabled=True, passwords=["+other"], keys=["*"], commands=["+@all"], reset_passwords=True
        )
    with pytest.raises(ProfileStoreError, match=r"cannot be reached: .*username-password") as raised:
        kept(store, "e1")
    assert "geheim" not in str(raised.value)


def test_a_cluster_is_refused() -> None:
    with running_redis("--cluster-enabled", "yes") as server:
        store = RedisStore(server.url)
        with pytest.raises(ProfileStoreError, match="is a cluster, which cannot change several keys in one step"):
            store.append(P, [Event("ann", "e", 1, "click", {})], lateness=0)
        store.close()
