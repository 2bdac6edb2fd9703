"""``python -m tests.benchmarks.growth``: what commits, adoptions and a worker cost with 10, 1,000 and 5,000 versions.

For each number of versions one model is made with that many, served by one worker under load, and its champion is moved
back and forth. Printed are the milliseconds, the bytes and the files that a commit writes, for moved aliases and for
published versions; how long the worker takes to adopt a commit; and its memory before and after all commits. Bytes and
files are exact; times and memory are those of this machine.
"""

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import scoreline
from scoreline_registry.documents.documents import VersionEntry, encode, sha256_hex
from scoreline_registry.documents.manifest import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, FileDigest
from scoreline_registry.history.commits import Commit
from scoreline_registry.history.state import State
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_registry.storage import LocalStorage
from tests.benchmarks.processes import Program, program
from tests.registry.samples import Edit
from tests.server.toys import publish_linear

VERSIONS = (10, 1000, 5000)
WARM_UP = 200
PUBLICATIONS = 64
ADOPTIONS = 40

_ROUTE = "{route: credit, schema: {like: linear@1}, rules: [{split: {linear@champion: 100}}]}"


class CountingStorage(LocalStorage):
    """A store that counts the files and bytes that are written."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.files = self.bytes = 0

    def put_if_absent(self, key: str, data: bytes) -> bool:
        written = super().put_if_absent(key, data)
        self.files += written
        self.bytes += len(data) * written
        return written


@dataclass
class Subject:
    """A registry of one model with some number of versions, and the worker that serves it."""

    versions: int
    place: Path
    storage: CountingStorage
    registry: Registry
    worker: Program
    address: str
    moves: int = 0
    seen: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, name: str, work: Callable[[], object]) -> None:
        """Does one piece of work, and notes its milliseconds, its processor time and what it wrote."""
        files, size = self.storage.files, self.storage.bytes
        began, used = time.perf_counter(), time.thread_time()
        work()
        self.seen[f"{name}, processor ms"].append(1e3 * (time.thread_time() - used))
        self.seen[f"{name}, ms"].append(1e3 * (time.perf_counter() - began))
        self.seen[f"{name}, bytes written"].append(self.storage.bytes - size)
        self.seen[f"{name}, files written"].append(self.storage.files - files)

    def move(self) -> Commit:
        """Moves the champion between the first and the last version, to a state that never was."""
        self.moves += 1
        aliases = {"champion": 1 if self.moves % 2 else self.versions, "first": 1, "last": self.versions}
        labels = {"moves": f"{self.moves:08d}"}

        def moved(state: State) -> State:
            return state.with_model(state.models["linear"].changed(aliases=aliases, labels=labels))

        return self.registry.commit(Edit(moved), author="bench", message=f"move {self.moves:08d}")

    def adopt(self, observer: scoreline.Client) -> None:
        """Moves the champion, and notes how long the worker takes to serve it, poll included."""
        revision = self.move().revision
        committed = time.perf_counter()
        while observer.status().revision < revision:
            time.sleep(0.001)
        self.seen["adopting a commit, ms"].append(1e3 * (time.perf_counter() - committed))

    def open(self) -> None:
        """Opens the registry anew, and notes how long that takes."""
        began = time.perf_counter()
        Registry.open(self.place).latest()
        self.seen["opening the registry, ms"].append(1e3 * (time.perf_counter() - began))

    def weigh(self, when: str) -> None:
        """Notes the worker's memory."""
        self.seen[f"worker's memory {when}, MB"].append(self.worker.memory_megabytes())

    def figures(self) -> dict[str, float]:
        """The mean of what is exact, the median of what is not."""
        found = {name: _figure(name, values) for name, values in self.seen.items()}
        growth = found["worker's memory after, MB"] / found["worker's memory before, MB"]
        return {**found, "worker's memory, after / before": growth}


def main() -> None:
    """Measures all numbers of versions in turns; prints the figures and how they grow from first to last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, nargs="+", default=VERSIONS)
    parser.add_argument("--commits", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        subjects = [stack.enter_context(subject(Path(folder), versions)) for versions in arguments.versions]
        measure(subjects, arguments.commits)
        figures = [one.figures() for one in subjects]
    print(f"{'':40}", *(f"{versions:>12,}" for versions in arguments.versions), f"{'growth':>8}")
    for name in figures[0]:
        row = [one[name] for one in figures]
        print(f"{name:40}", *(f"{value:12,.2f}" for value in row), f"{row[-1] / row[0]:8.2f}")


def measure(subjects: Sequence[Subject], commits: int) -> None:
    """Commits, adopts, publishes and opens in turns, so that what else the machine does meets all alike."""
    for name, when, rounds in (("", "before", WARM_UP), ("moving an alias", "after", commits)):
        for _ in range(rounds):
            for one in subjects:
                one.note(name, one.move) if name else one.move()
        for one in subjects:
            one.weigh(when)
    for _ in range(ADOPTIONS):
        for one in subjects:
            with scoreline.Client(one.address) as observer:
                one.adopt(observer)
            one.open()
    for _ in range(PUBLICATIONS):
        for one in subjects:
            one.note("publishing", partial(publish_linear, one.registry, "linear"))


@contextmanager
def subject(folder: Path, versions: int) -> Iterator[Subject]:
    """A filled registry, a worker that serves it, and a caller that keeps the worker busy."""
    place = folder / f"registry-{versions}"
    storage = CountingStorage(place)
    registry = Registry.create(storage)
    fill(registry, place, versions)
    with serving(place, folder / f"server-{versions}.log") as (worker, address), asking(address):
        yield Subject(versions, place, storage, registry, worker, address)


def _figure(name: str, values: Sequence[float]) -> float:
    return statistics.fmean(values) if name.endswith("written") else statistics.median(values)


def fill(registry: Registry, place: Path, versions: int) -> None:
    """One model of which the first and the last version can be served, and a route to its champion."""
    publish_linear(registry, "linear", aliases=("champion", "first"))
    contents = {name: registry.read_file("linear", 1, name) for name in (MODEL_FILE, GOLDEN_FILE)}
    contents[MANIFEST_FILE] = encode(registry.manifest("linear", 1))
    files = {name: FileDigest(sha256=sha256_hex(data), bytes=len(data)) for name, data in contents.items()}
    entry = VersionEntry(
        files=files, published_at=datetime.now(UTC), author="bench", message="a message", claim_id="0" * 32
    )

    def filled(state: State) -> State:
        model = state.models["linear"].with_entries(dict.fromkeys(range(2, versions + 1), entry))
        return state.with_model(model.changed(aliases={"champion": 1, "first": 1, "last": versions}))

    for name, data in contents.items():
        path = place / "models" / "linear" / str(versions) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    registry.commit(Edit(filled), author="bench", message="fill")
    registry.apply_route(read_route(_ROUTE, source="bench"), author="bench", message="route")


@contextmanager
def serving(place: Path, log: Path) -> Iterator[tuple[Program, str]]:
    """A worker of its own, and its address."""
    command = [sys.executable, "-m", "scoreline_server", "--registry", str(place), "--listen", "127.0.0.1:0"]
    options = ["--ops-listen", "127.0.0.1:0", "--poll-seconds", "0.02", "--log-level", "error"]
    with program([*command, *options], log=log) as worker:
        address = worker.line()
        assert address, log.read_text()
        yield worker, address


@contextmanager
def asking(address: str) -> Iterator[None]:
    """A caller that scores about 50 times a second while the block runs."""
    stop = threading.Event()

    def ask() -> None:
        with scoreline.Client(address) as client:
            while not stop.wait(0.02):
                with suppress(scoreline.DeadlineError):
                    client.score("credit", {"income": 1.0}, entity_id="ann")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
