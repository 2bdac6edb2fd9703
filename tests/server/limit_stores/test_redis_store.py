"""The store of limits in a Redis server. It needs redis-server."""

from collections.abc import Iterator

import pytest
import redis
from structlog.testing import capture_logs

from scoreline_registry.decisions.reservations import Counter, Usage
from scoreline_server.errors import LimitStoreError
from scoreline_server.limit_stores.redis_store import RedisLimits
from scoreline_server.limit_stores.store import GRACE_US, Stats, request_digest
from tests.server.databases.redis_servers import RunningRedis, needs_redis, running_redis
from tests.server.limit_stores.contract import DAY, NOW, LimitStoreContract, asking, granted, total, window

pytestmark = needs_redis

GRACE_MS = GRACE_US // 1000
DAY_MS = DAY // 1000


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
def client(url: str) -> Iterator["redis.Redis"]:
    """A look into the server."""
    with redis.Redis.from_url(url) as opened:
        yield opened


@pytest.fixture
def store(url: str) -> Iterator[RedisLimits]:
    """A store with a long patience, because this machine may be busy."""
    opened = RedisLimits(url, seconds=60)
    yield opened
    opened.close()


class TestRedisLimits(LimitStoreContract):
    """The contract, on a real server."""


def rest_of_life(client: "redis.Redis", key: str) -> int:
    """How many milliseconds a key lives on; -1 for ever."""
    found = client.pttl(key)
    assert isinstance(found, int)
    return found


def test_keys_end_an_hour_after_the_last_of_what_they_hold(store: RedisLimits, client: "redis.Redis") -> None:
    assert granted(store, window("daily", 1), window("weekly", 1, span=7 * DAY))
    assert granted(store, window("daily", 2), total("money", 9, bucket="monday", ends=NOW + DAY))
    assert 7 * DAY_MS < rest_of_life(client, "scoreline:limits:unit:ann") <= 7 * DAY_MS + GRACE_MS
    assert DAY_MS < rest_of_life(client, "scoreline:limits:counter:5:moneymonday") <= DAY_MS + GRACE_MS


def test_what_never_ends_is_kept_for_ever(store: RedisLimits, client: "redis.Redis") -> None:
    assert granted(store, window("daily", 9))
    assert granted(store, total("campaign", 9), window("daily", 9))
    assert rest_of_life(client, "scoreline:limits:counter:8:campaign") == -1


def test_a_request_is_kept_for_ten_minutes_under_its_digest(store: RedisLimits, client: "redis.Redis") -> None:
    store.reserve([asking(request="of ann")], NOW)
    key = f"scoreline:limits:request:{request_digest('of ann').hex()}"
    assert client.keys() == [key.encode()]
    assert 0 < rest_of_life(client, key) <= 600_000


def test_a_unit_that_stays_loses_the_counters_that_have_ended(store: RedisLimits, client: "redis.Redis") -> None:
    for day in range(100):
        assert granted(store, window(f"limit-{day}", 1), now=NOW + day * DAY)
    assert client.hlen("scoreline:limits:unit:ann") < 20
    assert not granted(store, window("limit-99", 1), now=NOW + 99 * DAY)


def test_what_is_forgotten_leaves_no_key(store: RedisLimits, client: "redis.Redis") -> None:
    assert granted(store, window("daily", 1), total("campaign", 9))
    assert store.forget("ann")
    assert client.keys() == [b"scoreline:limits:counter:8:campaign"]


def test_the_size_is_counted(store: RedisLimits) -> None:
    store.reserve([asking(window("daily", 9), total("campaign", 9), request=f"r{i}") for i in range(3)], NOW)
    assert store.stats() == Stats(counters=2, requests=3)


def test_a_script_that_the_server_has_dropped_is_sent_again(store: RedisLimits, client: "redis.Redis") -> None:
    assert granted(store, total("campaign", 9))
    client.script_flush()
    assert granted(store, total("campaign", 9))


def test_a_connection_that_was_closed_is_opened_again(store: RedisLimits, client: "redis.Redis") -> None:
    assert granted(store, total("campaign", 2))
    client.client_kill_filter(_type="normal", skipme=True)
    assert granted(store, total("campaign", 2))
    assert store.read([Counter("campaign")]) == [Usage(2)]


def test_a_damaged_counter_is_said_by_a_call_that_has_changed_nothing(
    store: RedisLimits, client: "redis.Redis"
) -> None:
    assert granted(store, window("daily", 9))
    client.hset("scoreline:limits:unit:ann", "5:daily", b"\xc1")
    with pytest.raises(LimitStoreError, match="refused: "):
        store.reserve([asking(total("campaign", 9)), asking(window("daily", 9))], NOW)
    assert store.read([Counter("campaign")]) == [Usage()]
    with pytest.raises(LimitStoreError, match="damaged"):
        store.read([Counter("daily", "ann")])
    assert store.forget("ann")
    assert granted(store, window("daily", 9))


def test_a_server_that_is_away_is_said_and_comes_back() -> None:
    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        store = RedisLimits(server.url)
        assert granted(store, total("campaign", 2))
        server.kill()
        with pytest.raises(LimitStoreError, match=r"Redis at .*/socket cannot be reached: .*; see that it runs, and"):
            granted(store, total("campaign", 2))
        server.start()
        assert store.read([Counter("campaign")]) == [Usage(1)]
        assert [granted(store, total("campaign", 2)) for _ in range(2)] == [True, False]
        store.close()


def test_a_full_server_grants_nothing(store: RedisLimits, client: "redis.Redis") -> None:
    assert granted(store, total("campaign", 9))
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(LimitStoreError, match=r"refused: .*maxmemory"):
            granted(store, total("campaign", 9))
    finally:
        client.config_set("maxmemory", 0)
    assert store.read([Counter("campaign")]) == [Usage(1)]


def test_a_server_that_does_not_log_its_writes_is_warned_of_once(store: RedisLimits) -> None:
    with capture_logs() as logs:
        granted(store, total("campaign", 9))
        granted(store, total("campaign", 9))
    warning = "Redis may lose limits: it does not log writes: set appendonly yes and appendfsync always"
    assert [(each["event"], each["log_level"]) for each in logs] == [(warning, "warning")]
