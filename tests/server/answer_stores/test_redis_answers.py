"""Answers that workers share in a Redis: what they find, and what a Redis that is away costs."""

from collections.abc import Iterator
from contextlib import closing

import grpc
import pytest
import redis

from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.registry import Registry
from scoreline_server.answer_stores.memory import MemoryAnswers
from scoreline_server.answer_stores.redis_answers import RedisAnswers
from scoreline_server.answer_stores.tiers import TieredAnswers
from scoreline_server.app import Server
from scoreline_server.errors import StartError
from scoreline_server.settings import Settings
from tests.server.databases.redis_servers import RunningRedis, needs_redis, running_redis
from tests.server.routes import ROUTE, apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.waiting import wait_until

pytestmark = needs_redis

KEYS = [bytes([at]) * 32 for at in range(3)]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningRedis]:
    with running_redis() as running:
        yield running


@pytest.fixture(autouse=True)
def empty(server: RunningRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()


def started(server: RunningRedis, *, read_seconds: float = 5.0) -> RedisAnswers:
    answers = RedisAnswers(server.url, read_seconds=read_seconds)
    answers.start()
    wait_until(lambda: answers.is_up)
    return answers


def test_answers_are_shared_and_expire(server: RunningRedis) -> None:
    with closing(started(server)) as ours, closing(started(server)) as theirs:
        ours.put({KEYS[0]: b"1", KEYS[1]: b"2"}, keep_seconds=60)
        wait_until(lambda: theirs.get(KEYS) == [b"1", b"2", None])
    with redis.Redis.from_url(server.url) as client:
        assert 0 < client.ttl(b"scoreline:answer:" + KEYS[0]) <= 60


def test_what_the_far_store_has_is_copied_to_the_near_one(server: RunningRedis) -> None:
    near = MemoryAnswers(1 << 20)
    with closing(started(server)) as far:
        far.put({KEYS[0]: b"1"}, keep_seconds=60)
        wait_until(lambda: far.get(KEYS[:1]) == [b"1"])
        tiers = TieredAnswers(near, far)
        assert tiers.get(KEYS) == [b"1", None, None]
        assert near.get(KEYS) == [b"1", None, None]
        tiers.put({KEYS[1]: b"2"}, keep_seconds=60)
        assert tiers.get(KEYS) == [b"1", b"2", None]
        wait_until(lambda: far.get(KEYS) == [b"1", b"2", None])


def test_a_server_that_goes_and_comes_back_is_found_again() -> None:
    with running_redis() as server, closing(started(server)) as answers:
        server.kill()
        assert answers.get(KEYS) == [None] * 3
        answers.put({KEYS[0]: b"1"}, keep_seconds=60)
        server.start()
        wait_until(lambda: answers.is_up)


def test_a_server_that_hangs_is_waited_for_once() -> None:
    with running_redis() as server, closing(started(server, read_seconds=0.05)) as answers:
        with server.halted():
            assert answers.get(KEYS) == [None] * 3
            assert not answers.is_up
            assert answers.get(KEYS) == [None] * 3
        wait_until(lambda: answers.is_up)


@pytest.mark.parametrize("url", ["memcached://host", "redis://host:port"])
def test_a_wrong_address_is_an_error_at_the_start(url: str) -> None:
    with pytest.raises(StartError, match="answer_cache_url: wrong address"):
        RedisAnswers(url, read_seconds=1)


def test_two_servers_answer_each_others_rows_and_go_on_without_redis(registry: Registry, settings: Settings) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry, ROUTE + "cache: {keep: 1h, from_microseconds: 0}\n")
    with running_redis() as own:
        shared = settings.model_copy(
            update={"answer_cache_url": own.url, "answer_cache_bytes": 0, "answer_cache_read_seconds": 5.0}
        )
        with Server(shared) as first, Server(shared.model_copy(update={"journal_dir": "off"})) as second:
            # Rows of their own show that both have found Redis, and that the answers are written.
            wait_until(lambda: bool(score(first, 1.0)) and hits(first) > 0)
            wait_until(lambda: bool(score(second, 2.0)) and hits(second) > 0)
            assert second.watcher.catalog.route("credit").waits
            before = hits(second)
            assert score(second, 1.0) == score(first, 1.0)
            assert hits(second) == before + 1
            own.kill()
            assert score(second, 1.0) == score(first, 1.0)
            assert score(second, 3.0) > score(second, 2.0)


def score(server: Server, income: float) -> float:
    with grpc.insecure_channel(server.address) as channel:
        stub = rpc.ScoringServiceStub(channel)
        return stub.Score(named(entity("ann", income=income))).scores[0].score


def hits(server: Server) -> float:
    found = {name: value for (name, _), (value, *_) in server.metrics.counts().items()}
    return found.get("scoreline_answer_cache_hits", 0.0)
