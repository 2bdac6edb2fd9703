"""A Redis or Valkey server as a store sees it: connections, scripts, what it may lose, and its failures in words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import redis
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as SlowError
from redis.retry import Retry

from scoreline_server.databases.store_kind import StoreKind

_log = structlog.get_logger()

Part: TypeAlias = str | bytes | int


class RedisServer:
    """A server that is connected to at the first call, and looked at then: what it may lose is logged as a warning.

    A call is sent again, once, where its connection was lost, such as one that the server has closed.
    """

    def __init__(
        self, url: str, kind: StoreKind, scripts: Mapping[str, str], *, read_seconds: float, write_seconds: float
    ) -> None:
        """``scripts`` are the texts of Lua scripts by their names. Raises StoreError for a wrong address."""
        self._kind, self._error = kind, kind.error
        self._readers = self._client(url, read_seconds)
        self._writers = self._client(url, write_seconds)
        given = self._writers.connection_pool.connection_kwargs
        self.place = str(given.get("path") or f"{given.get('host', 'localhost')}:{given.get('port', 6379)}")
        self._scripts = {name: self._writers.register_script(text) for name, text in scripts.items()}
        self._looked = False

    def run(self, script: str, keys: Sequence[str], args: Sequence[Part]) -> Any:
        """Runs a script, whose changes are one step. Raises StoreError."""
        with self.writing():
            return self._scripts[script](keys=keys, args=args)

    def read(self, script: str, keys: Sequence[str]) -> Any:
        """Runs a script that changes nothing, and waits as long as a read may take. Raises StoreError."""
        with self._used(self._readers) as client:
            return self._scripts[script](keys=keys, client=client)

    def writing(self) -> AbstractContextManager["redis.Redis"]:
        """A client for what is no script. Raises StoreError where it fails within the block."""
        return self._used(self._writers)

    def close(self) -> None:
        """Closes the connections."""
        self._readers.close()
        self._writers.close()

    @contextmanager
    def _used(self, client: "redis.Redis") -> Iterator["redis.Redis"]:
        try:
            if not self._looked:
                self._look()
                self._looked = True
            yield client
        except (LostError, SlowError) as error:
            raise self._error(
                f"Redis at {self.place} cannot be reached: {error}; see that it runs, and check {self._kind.setting}"
            ) from error
        except RedisError as error:
            raise self._error(f"Redis at {self.place} refused: {error}") from error

    def _look(self) -> None:
        pipeline = self._writers.pipeline(transaction=False)
        for section in ("cluster", "persistence", "memory"):
            pipeline.info(section)
        pipeline.config_get("appendfsync")
        cluster, persistence, memory, fsync = (_known(each) for each in pipeline.execute(raise_on_error=False))
        if cluster.get("cluster_enabled"):
            raise self._error(f"Redis at {self.place} is a cluster, which cannot change several keys in one step")
        for risk in risks(persistence, memory, fsync):
            _log.warning(f"Redis may lose {self._kind.content}: {risk}", server=self.place)

    def _client(self, url: str, seconds: float) -> "redis.Redis":
        try:
            return redis.Redis.from_url(
                url,
                socket_timeout=seconds,
                socket_connect_timeout=seconds,
                retry=Retry(NoBackoff(), 1, supported_errors=(LostError,)),
                protocol=2,
            )
        except (ValueError, TypeError) as error:
            scheme = url.partition(":")[0]
            raise self._error(f"{self._kind.setting}: wrong {scheme} address: {error}") from error


def risks(persistence: Mapping[str, Any], memory: Mapping[str, Any], fsync: Mapping[str, Any]) -> Iterator[str]:
    """What a server may lose, by INFO and CONFIG GET; a server that does not say is not suspected."""
    if persistence.get("aof_enabled") == 0:
        yield "it does not log writes: set appendonly yes and appendfsync always"
    elif fsync.get("appendfsync", "always") != "always":
        yield f"its appendfsync is {fsync['appendfsync']}: set appendfsync always"
    if memory.get("maxmemory") and memory.get("maxmemory_policy", "noeviction") != "noeviction":
        yield f"its maxmemory-policy is {memory['maxmemory_policy']}: set maxmemory-policy noeviction"


def _known(answer: Any) -> Mapping[str, Any]:
    """The answer to a question about the server; empty where this user may not ask. Raises what else went wrong."""
    if isinstance(answer, ResponseError):
        return {}
    if isinstance(answer, Exception):
        raise answer
    return dict(answer)
