"""The stores of a run, each empty at first."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.benchmarks.processes import free_port
from tests.server.databases.redis_servers import running_redis


@dataclass(frozen=True)
class Place:
    """Where a store is.

    Attributes:
        url: as the setting ``profile_store`` takes it.
        size: gives the bytes that it takes: of its files, or of the server's memory.
        feast: the same as Feast's ``online_store``.
    """

    url: str
    size: Callable[[], int]
    feast: Mapping[str, str]


@contextmanager
def sqlite_place(folder: Path) -> Iterator[Place]:
    """A SQLite file in a folder that is there until the block ends."""
    home = folder / f"sqlite-{free_port()}"
    home.mkdir()
    path = home / "profiles.sqlite"
    try:
        yield Place(f"sqlite:{path}", lambda: _files(home), {"type": "sqlite", "path": str(home / "online.sqlite")})
    finally:
        shutil.rmtree(home)


@contextmanager
def redis_place(_folder: Path) -> Iterator[Place]:
    """A Redis server that logs every write to its disk, until the block ends."""
    port = free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always")
    with running_redis(*options) as server, redis.Redis.from_url(server.url) as client:
        yield Place(
            server.url,
            lambda: int(client.info("memory")["used_memory_dataset"]),
            {"type": "redis", "connection_string": f"127.0.0.1:{port}"},
        )


PLACES = {"sqlite": sqlite_place, "redis": redis_place}


def _files(home: Path) -> int:
    return sum(path.stat().st_size for path in home.iterdir())
