"""What was granted is counted after a kill -9, of the process that asks or of the server, and no limit is exceeded."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scoreline_registry.decisions.reservations import Counter
from scoreline_server.limit_stores.opening import open_limits
from scoreline_server.limit_stores.store import LimitStore
from tests.docs.pages import ROOT
from tests.server.databases.redis_servers import needs_redis, running_redis
from tests.server.limit_stores.asking import CAP, COST, DAY_US, THREADS, capped, now_us

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@contextmanager
def asking(url: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that asks until nothing is left or it is killed, and prints the request of each grant."""
    command = [sys.executable, "-m", "tests.server.limit_stores.asking", "capped", url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_grants(process: "subprocess.Popen[str]", number: int) -> list[str]:
    """The requests of the next grants of a process."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(number)]
    assert all(lines), "the process has ended"
    return [line.strip() for line in lines]


def other_grants(process: "subprocess.Popen[str]") -> list[str]:
    """The requests of all further grants of a process until it ended."""
    assert process.stdout is not None
    whole = process.stdout.read().split("\n")[:-1]
    process.wait()
    return [line for line in whole if line.count("-") == 2]


def opened(url: str) -> LimitStore:
    """A store that must be there."""
    store = open_limits(url, None, seconds=60)
    assert store is not None
    return store


def counted(store: LimitStore) -> int:
    """How many actions are counted, by all limits alike."""
    cap, spent, window = store.read([Counter("cap"), Counter("spent"), Counter("window")])
    assert spent.total == cap.total * COST
    assert window.used(DAY_US, now_us()) == cap.total
    return cap.total


def check(url: str, granted: list[str], *, killed: int) -> None:
    """Every grant is counted once, at most one more for each thread that was killed, and the rest may be had."""
    store = opened(url)
    found = counted(store)
    assert len(granted) <= found <= len(granted) + killed * THREADS
    # A request that was granted is not counted again.
    repeated = store.reserve([capped(request) for request in granted], now_us())
    assert all(grant.is_repeated for grant in repeated)
    assert counted(store) == found
    rest = store.reserve([capped("") for _ in range(CAP)], now_us())
    assert sum(grant.action is not None for grant in rest) == CAP - found
    assert counted(store) == CAP
    store.close()


def kill_and_check(url: str, grants: int) -> None:
    """Kills a process after some of its grants."""
    with asking(url) as process:
        granted = first_grants(process, grants)
        process.kill()
        granted += other_grants(process)
    check(url, granted, killed=1)


def test_a_killed_process_has_granted_what_is_counted_in_a_file(tmp_path: Path) -> None:
    kill_and_check(f"sqlite:{tmp_path}/limits.sqlite", 30)


@needs_redis
def test_a_killed_process_has_granted_what_is_counted_in_redis() -> None:
    with running_redis(*DURABLE) as server:
        kill_and_check(server.url, 30)


@needs_redis
def test_a_killed_redis_has_counted_what_was_granted() -> None:
    with running_redis(*DURABLE) as server, asking(server.url) as process:
        granted = first_grants(process, 30)
        server.kill()
        granted += other_grants(process)
        assert process.returncode == 1
        server.start()
        check(server.url, granted, killed=1)


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(20))
def test_processes_that_are_killed_at_random_exceed_no_limit(tmp_path: Path, seed: int) -> None:
    chance, url = random.Random(seed), f"sqlite:{tmp_path}/limits.sqlite"
    granted: list[str] = []
    with asking(url) as one, asking(url) as other:
        for process in (one, other):
            granted += first_grants(process, chance.randrange(1, 80))
            process.kill()
            granted += other_grants(process)
    check(url, granted, killed=2)


@pytest.mark.acceptance
def test_two_processes_of_which_one_is_killed_take_all_that_there_is(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/limits.sqlite"
    with asking(url) as one, asking(url) as other:
        granted = first_grants(one, 50)
        one.kill()
        granted += other_grants(one) + other_grants(other)
    assert CAP - THREADS <= len(granted) <= CAP
    store = opened(url)
    assert counted(store) == CAP
    store.close()
