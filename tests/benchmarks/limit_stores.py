"""``python -m tests.benchmarks.limit_stores``: how fast the stores of limits grant reservations.

Each reservation is for one action of a random customer with three limits: by day, a campaign's total, and a budget.
Callers reserve one after the other, as decisions do it: through ``TimedLimits``, whose calls they share. Redis logs
every write (appendfsync always). CPU time is this process's: for Redis that of the client.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import numpy as np
from rich.console import Console
from rich.table import Table

from scoreline_registry.decisions.reservations import MOST, Check, Claim, Counter, Reservation
from scoreline_server.limit_stores.opening import open_limits
from scoreline_server.limit_stores.store import LimitStore
from scoreline_server.limit_stores.timed_reserving import TimedLimits
from tests.docs.pages import ROOT
from tests.server.databases.redis_servers import running_redis

UNITS = 100_000
DAY_US = 86_400_000_000
CALLERS = 32

Reserve = Callable[[Reservation, int], bool]


class Uncounted:
    """Metrics that nobody reads."""

    def limits_reserved(self, seconds: float) -> None:
        """Nothing."""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each part")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.url:
        print(json.dumps(shared(opened(arguments.url), CALLERS // 2, arguments.seconds)))
        return
    figures: dict[str, Mapping[str, float]] = {}
    for name, url in urls():
        figures[name] = measure(url, arguments.seconds)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table("what", *figures)
    for row in next(iter(figures.values())):
        table.add_row(row, *(f"{of[row]:,.0f}" for of in figures.values()))
    Console().print(table)


def urls() -> Iterator[tuple[str, str]]:
    """A name and a url of each store, which is there until the next is asked for."""
    with tempfile.TemporaryDirectory() as folder:
        yield "SQLite", f"sqlite:{folder}/full.sqlite"
        yield "SQLite, synchronous=normal", f"sqlite:{folder}/normal.sqlite?synchronous=normal"
    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        yield "Redis, appendfsync always", server.url


def opened(url: str) -> LimitStore:
    """The store."""
    store = open_limits(url, None, seconds=60)
    assert store is not None
    return store


def measure(url: str, seconds: float) -> Mapping[str, float]:
    """Every figure of a store by name."""
    with closing(opened(url)) as store:
        store.reserve([asked("warm", 1)], now_us())
        figures = alone(store, seconds)
        one = shared(store, CALLERS, seconds)
    command = [sys.executable, "-m", "tests.benchmarks.limit_stores", "--url", url, "--seconds", str(seconds)]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    two = [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]
    return {
        **figures,
        **{f"{CALLERS} callers: {name}": value for name, value in one.items()},
        f"2 processes of {CALLERS // 2} callers: grants/s": sum(each["grants/s"] for each in two),
        f"2 processes of {CALLERS // 2} callers: p50 µs": max(each["p50 µs"] for each in two),
        f"2 processes of {CALLERS // 2} callers: p99 µs": max(each["p99 µs"] for each in two),
    }


def alone(store: LimitStore, seconds: float) -> dict[str, float]:
    """One caller: through the shared calls, and the store by itself."""
    direct, cpu = spent(lambda one, now: store.reserve([one], now)[0].action is not None, seconds)
    refused, _ = spent(lambda one, now: store.reserve([one], now)[0].action is None, seconds, left=0)
    with closing(TimedLimits(store, seconds=60, counting=Uncounted())) as limits:
        timed, _ = spent(lambda one, now: limits.reserve([one], now) is not None, seconds)
    return {
        "the store alone: p50 µs": percentile(direct, 50),
        "the store alone: p99 µs": percentile(direct, 99),
        "the store alone: CPU µs": cpu,
        "a refusal: p50 µs": percentile(refused, 50),
        "1 caller: p50 µs": percentile(timed, 50),
        "1 caller: p99 µs": percentile(timed, 99),
    }


def shared(store: LimitStore, callers: int, seconds: float) -> dict[str, float]:
    """Callers on threads, whose reservations share calls."""
    cpu = time.process_time()
    with closing(TimedLimits(store, seconds=60, counting=Uncounted())) as limits, ThreadPoolExecutor(callers) as pool:
        begin = threading.Barrier(callers)

        def call(number: int) -> list[float]:
            begin.wait()
            return spent(lambda one, now: limits.reserve([one], now) is not None, seconds, seed=number)[0]

        taken = [each for part in pool.map(call, range(callers)) for each in part]
    return {
        "grants/s": len(taken) / seconds,
        "p50 µs": percentile(taken, 50),
        "p99 µs": percentile(taken, 99),
        "CPU µs": 1e6 * (time.process_time() - cpu) / len(taken),
    }


def spent(reserve: Reserve, seconds: float, *, left: int = 1, seed: int = 0) -> tuple[list[float], float]:
    """The time of each of the reservations in some seconds, and the mean CPU time in microseconds."""
    chance, taken, cpu = random.Random(seed), [], time.process_time()
    deadline = time.perf_counter() + seconds
    for _ in count():
        one = asked(f"customer-{chance.randrange(UNITS):07}", left)
        begun = time.perf_counter()
        assert reserve(one, now_us())
        ended = time.perf_counter()
        taken.append(ended - begun)
        if ended > deadline:
            break
    return taken, 1e6 * (time.process_time() - cpu) / len(taken)


def asked(unit: str, left: int) -> Reservation:
    """One action with three limits; refused where nothing is ``left``."""
    checks = (
        Check("daily", Counter("guardian/daily/frequency", unit), 1000 * left, 1, DAY_US),
        Check("campaign", Counter("guardian/campaign/total"), MOST * left),
        Check("money", Counter("guardian/money/budget", bucket="2026-11-22"), MOST, 500_000, None, 1 << 52),
    )
    return Reservation((Claim("nudge", checks),))


def now_us() -> int:
    """The clock."""
    return time.time_ns() // 1000


def percentile(seconds: list[float], of: float) -> float:
    """In microseconds."""
    return 1e6 * float(np.percentile(seconds, of))


if __name__ == "__main__":
    main()
