"""``python -m tests.benchmarks.registry_scale``: what commits cost in a registry of 1,000 models x 20 versions.

Prints what opening, a commit and taking in another process' commit take, and by how much they hold up another thread of
the same process. That is bounded by the processor time of the committing thread, which a busy machine does not bend.
Seen from the other side, a thread that only spins notes its largest gap between two looks at the clock, once per commit
and, because other programs make gaps too, once per pause.
"""

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Self

from scoreline_registry.documents.documents import VersionEntry
from scoreline_registry.documents.manifest import FileDigest
from scoreline_registry.history.state import State
from scoreline_registry.registry import Registry
from tests.registry.samples import Edit

COMMITS = 40

_OTHER = """
import sys, time
from scoreline_registry.registry import Registry
registry = Registry.open(sys.argv[1])
for number in range(int(sys.argv[2])):
    registry.commit(SetAlias(f"model-{number:04d}", "challenger", 1), author="other", message="")
    time.sleep(0.03)
"""


def main() -> None:
    """Runs every measurement and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, figure in measure(Path(folder), models=arguments.models, versions=arguments.versions).items():
            print(f"{name}: {figure:,.2f}")


def measure(folder: Path, *, models: int, versions: int) -> dict[str, float]:
    """Every figure by name."""
    fill(Registry.create(folder), models=models, versions=versions)
    start = time.perf_counter()
    registry = Registry.open(folder)
    opened = time.perf_counter() - start
    state = registry.latest().state
    start = time.perf_counter()
    for document in state.models.values():
        assert document.aliases
    loaded = time.perf_counter() - start
    figures = {"opening, ms": 1e3 * opened, "loading every model, ms": 1e3 * loaded}
    changes = [_swap(f"model-{number:04d}", 3) for number in range(COMMITS)]
    costs = [_costs(partial(registry.commit, Edit(change), author="bench", message="")) for change in changes]
    figures |= _spread("a commit", [wall for wall, _ in costs])
    figures |= _spread("processor time of a commit", [cpu for _, cpu in costs])
    figures["resident memory, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with Spinner() as spinner:
        figures |= _spread("gap idle", spinner.idle())
        figures |= _spread("gap while this process commits", commit(registry, spinner))
        figures |= _spread("gap while it takes in another process' commit", follow(registry, folder, spinner))
    return figures


def _costs(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of this thread's processor time."""
    wall, cpu = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - wall, time.thread_time() - cpu


def _spread(name: str, gaps: Sequence[float]) -> dict[str, float]:
    found = {
        "median": statistics.median(gaps),
        "90 % below": statistics.quantiles(gaps, n=10)[-1],
        "largest": max(gaps),
    }
    return {f"{name}, {what}, ms": 1e3 * gap for what, gap in found.items()}


def fill(registry: Registry, *, models: int, versions: int) -> None:
    """Commits documents of models whose files are not there: only what commits read and write is measured."""
    now = datetime.now(UTC)
    files = {name: FileDigest(sha256="0" * 64, bytes=1) for name in ("model.onnx", "golden.npz", "manifest.json")}

    def documents(state: State) -> State:
        for model in range(models):
            entries = {
                number: VersionEntry(
                    files=files, published_at=now, author="bench", message="a message", claim_id="0" * 32
                )
                for number in range(1, versions + 1)
            }
            filled = state.model_or_new(f"model-{model:04d}").with_entries(entries)
            state = state.with_model(filled.changed(aliases={"champion": 2}))
        return state

    registry.commit(Edit(documents), author="bench", message="fill")


class Spinner:
    """A thread that only looks at the clock."""

    def __init__(self) -> None:
        self._largest, self._ended = 0.0, False
        self._thread = threading.Thread(target=self._spin)

    def __enter__(self) -> Self:
        gc.collect()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()

    def during(self, work: Callable[[], object]) -> float:
        """The longest that the thread was kept from looking while ``work`` ran, in seconds."""
        self._largest = 0.0
        work()
        return self._largest

    def idle(self) -> list[float]:
        """The gaps of as many pauses as there are commits."""
        return [self.during(lambda: time.sleep(0.01)) for _ in range(COMMITS)]

    def _spin(self) -> None:
        last = time.perf_counter()
        while not self._ended:
            now = time.perf_counter()
            if now - last > self._largest:
                self._largest = now - last
            last = now


def commit(registry: Registry, spinner: Spinner) -> list[float]:
    """The gap of each of some commits."""
    changes = [_swap(f"model-{number:04d}", 1 + number % 2) for number in range(COMMITS)]
    return [spinner.during(partial(registry.commit, Edit(change), author="bench", message="")) for change in changes]


def _swap(name: str, version: int) -> Callable[[State], State]:
    def change(state: State) -> State:
        return state.with_model(state.models[name].changed(aliases={"champion": version, "stable": 1}))

    return change


def follow(registry: Registry, folder: Path, spinner: Spinner) -> list[float]:
    """The gap of each look that found another process' commit and read what it changed."""
    gaps, follower = [], _Follower(registry)
    other = subprocess.Popen([sys.executable, "-c", _OTHER, str(folder), str(COMMITS)])
    while other.poll() is None:
        revision = follower.known.revision
        gap = spinner.during(follower.look)
        if follower.known.revision != revision:
            gaps.append(gap)
        time.sleep(0.005)
    return gaps


class _Follower:
    """Reads what a newer revision changed, as a server does."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self.known = registry, registry.latest()

    def look(self) -> None:
        newest = self._registry.latest()
        for name, digest in newest.model_digests.items():
            if self.known.model_digests.get(name) != digest:
                assert newest.models[name]
        self.known = newest


if __name__ == "__main__":
    main()
