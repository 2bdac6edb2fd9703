"""What a store has acknowledged is there after a kill -9, once: of a process that appends, or of the server."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scoreline_server.profile_stores.opening import open_store
from scoreline_server.profile_stores.store import ProfileStore, Receipt
from tests.docs.pages import ROOT
from tests.server.databases.redis_servers import needs_redis, running_redis
from tests.server.profile_stores.appending import CONSUMER, call_of
from tests.server.profile_stores.reference import all_ids

P = "spending"


@contextmanager
def appending(url: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that appends to a store until it is killed, and prints the number of each acknowledged call."""
    command = [sys.executable, "-m", "tests.server.profile_stores.appending", "loop", url, P]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def acknowledged(process: "subprocess.Popen[str]", calls: int) -> int:
    """The number of the last of some more calls that a process has acknowledged."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(calls)]
    assert all(lines), "the process has ended"
    return int(lines[-1])


def last_acknowledged(process: "subprocess.Popen[str]", known: int) -> int:
    """The number of the last call that a process has acknowledged before it ended."""
    assert process.stdout is not None
    whole = process.stdout.read().split("\n")[:-1]
    process.wait()
    return int(whole[-1]) if whole else known


def check(store: ProfileStore, last: int) -> int:
    """Each event of the acknowledged calls is stored once, the offset is that of the last stored call; its number."""
    stored = store.read(P, list(store.entities(P)))
    times = Counter(id_ for each in stored.values() for id_ in all_ids(each))
    stored_last = store.offsets(CONSUMER)["topic", 0] - 1
    assert last <= stored_last <= last + 1
    assert times == Counter(each.id for call in range(stored_last + 1) for each in call_of(call))
    assert Receipt.KEPT not in store.append(P, call_of(last), lateness=10_000)
    return stored_last


def opened(url: str) -> ProfileStore:
    """A store that must be there."""
    store = open_store(url, None)
    assert store is not None
    return store


def kill_and_check(url: str, calls: int) -> int:
    """Kills a process after some acknowledged calls; the number of the last call that is stored."""
    with appending(url) as process:
        known = acknowledged(process, calls)
        process.kill()
        last = last_acknowledged(process, known)
    store = opened(url)
    try:
        return check(store, last)
    finally:
        store.close()


def test_a_killed_process_has_lost_nothing_in_a_file(tmp_path: Path) -> None:
    assert kill_and_check(f"sqlite:{tmp_path}/profiles.sqlite", 40) >= 39


@needs_redis
def test_a_killed_process_has_lost_nothing_in_redis() -> None:
    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server:
        assert kill_and_check(server.url, 40) >= 39


@needs_redis
def test_a_killed_redis_has_lost_nothing() -> None:
    with running_redis("--appendonly", "yes", "--appendfsync", "always") as server, appending(server.url) as process:
        known = acknowledged(process, 40)
        server.kill()
        last = last_acknowledged(process, known)
        assert process.returncode == 1
        server.start()
        store = opened(server.url)
        assert check(store, last) >= 39
        store.close()


@pytest.mark.acceptance
@pytest.mark.parametrize("seed", range(20))
def test_two_processes_that_are_killed_at_random_have_lost_nothing(tmp_path: Path, seed: int) -> None:
    chance, url = random.Random(seed), f"sqlite:{tmp_path}/profiles.sqlite"
    with appending(url) as one, appending(url) as other:
        known = {process: acknowledged(process, chance.randrange(1, 200)) for process in (one, other)}
        for process in known:
            process.kill()
        last = max(last_acknowledged(*each) for each in known.items())
    store = opened(url)
    stored = store.read(P, list(store.entities(P)))
    times = Counter(id_ for each in stored.values() for id_ in all_ids(each))
    assert max(times.values()) == 1
    assert times.keys() >= {each.id for call in range(last + 1) for each in call_of(call)}
    store.close()
