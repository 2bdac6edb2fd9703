"""``python -m tests.benchmarks.profile_stores``: how fast the stores of profiles take and give events, and their size.

Purchases of random entities are appended in calls of different sizes. Entities with more than 16 pending events are
folded, to states of 1,000 bytes, as a recorder does it. The events of calls of one size come after those of the one
before. CPU time is this process's: for Redis that of the client. Redis logs every write (appendfsync always).
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import redis
from rich.console import Console
from rich.table import Table

from scoreline_registry.profiles.events import Event
from scoreline_server.profile_stores.redis_store import RedisStore
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import Fold, ProfileStore, Stored
from tests.server.databases.redis_servers import running_redis

PROFILE = "spending"
LATENESS = 3_600_000_000
PENDING, LEFT = 16, 4
STATE = random.Random(0).randbytes(1000)
CATEGORIES = ("groceries", "travel", "electronics", "restaurants", "clothing")
SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=200_000, help="in calls of 1,000; others get fewer")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    figures: dict[str, dict[str, float]] = {}
    with sqlite_of(os.environ.get("BENCH_DIR")) as (embedded, size):
        figures["sqlite"] = measure(embedded, size, entities=arguments.entities, events=arguments.events)
    with redis_of() as (served, size):
        figures["redis"] = measure(served, size, entities=arguments.entities, events=arguments.events)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table("what", *figures, title=f"{arguments.entities:,} entities, {arguments.events:,} events")
    for name in figures["sqlite"]:
        table.add_row(name, *(f"{of[name]:,.1f}" for of in figures.values()))
    Console().print(table)


@contextmanager
def sqlite_of(parent: str | None) -> Iterator[tuple[ProfileStore, Callable[[], int]]]:
    """An embedded store, and what gives the size of its files."""
    with tempfile.TemporaryDirectory(dir=parent) as folder, closing(SqliteStore(Path(folder) / "p.sqlite")) as store:
        yield store, lambda: sum(path.stat().st_size for path in Path(folder).iterdir())


@contextmanager
def redis_of() -> Iterator[tuple[ProfileStore, Callable[[], int]]]:
    """A store in a Redis server, and what gives the server's memory."""
    with (
        running_redis("--appendonly", "yes", "--appendfsync", "always") as server,
        closing(RedisStore(server.url)) as store,
        redis.Redis.from_url(server.url) as client,
    ):
        yield store, lambda: int(client.info("memory")["used_memory_dataset"])


def measure(store: ProfileStore, size: Callable[[], int], *, entities: int, events: int) -> dict[str, float]:
    """Every figure by name."""
    chance = random.Random(1)
    names = [f"customer-{number:07}" for number in range(entities)]
    figures: dict[str, float] = {}
    numbers = iter(range(1 << 62))
    for call, count in ((1000, events), (100, events // 10), (1, events // 100)):
        made = [purchase(chance, chance.choice(names), number) for number in (next(numbers) for _ in range(count))]
        figures |= _appends(store, made, call)
    for first in range(0, entities, 1000):
        read = store.read(PROFILE, names[first : first + 1000])
        store.fold(PROFILE, [fold_of(name, stored, left=2) for name, stored in read.items() if not stored.folded])
    for count, repeats in ((1, 5000), (100, 500)):
        asked = [chance.sample(names, count) for _ in range(repeats)]
        taken = [_seconds(partial(store.read, PROFILE, each)) for each in asked]
        for quantile in (50, 99):
            figures[f"read of {count}: p{quantile} µs"] = 1e6 * float(np.percentile(taken, quantile))
    figures["bytes per entity"] = size() / entities
    figures["of which ids, states, events"] = store.stats(PROFILE).bytes / entities
    return figures


def purchase(chance: random.Random, entity: str, number: int) -> Event:
    """An event of one second after the one before."""
    amount, category = round(chance.expovariate(0.02), 2), chance.choice(CATEGORIES)
    fields: dict[str, float | str] = {"amount": amount, "category": category, "method": "card"}
    return Event(entity, f"order-{number:09}", START + number * SECOND, "purchase", fields)


def fold_of(entity: str, stored: Stored, *, left: int) -> Fold:
    """A fold of all pending events but the last, or of none where there are no more."""
    events = stored.pending[: max(len(stored.pending) - left, 0)]
    return Fold(entity, stored.version, len(events), STATE, events[-1].place if events else (START, ""))


def _appends(store: ProfileStore, events: Sequence[Event], call: int) -> dict[str, float]:
    """Events per second of appends alone and with their folds."""
    clock, cpu, folding = time.perf_counter(), time.process_time(), 0.0
    for first in range(0, len(events), call):
        part = events[first : first + call]
        store.append(PROFILE, part, lateness=LATENESS)
        begun = time.perf_counter()
        if crowded := store.crowded(PROFILE, list({event.entity for event in part}), more_than=PENDING):
            read = store.read(PROFILE, crowded)
            store.fold(PROFILE, [fold_of(name, stored, left=LEFT) for name, stored in read.items()])
        folding += time.perf_counter() - begun
    spent, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return {
        f"appends of {call}: events/s": len(events) / (spent - folding),
        f"appends of {call} and folds: events/s": len(events) / spent,
        f"appends of {call} and folds: CPU µs per event": 1e6 * cpu / len(events),
    }


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
