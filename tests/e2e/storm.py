"""Writers that are killed and started again, while others collect, verify and score."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from scoreline_registry.errors import ConflictError
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_registry.upkeep.garbage_collection import collect
from scoreline_registry.upkeep.verification import verify

ROOT = Path(__file__).parents[2]


@dataclass
class Writers:
    """Some writers of one registry. ``committed`` is what those that were killed had said that they committed."""

    folder: Path
    count: int
    kills: int = 0
    committed: list[str] = field(default_factory=list)
    _running: list[subprocess.Popen[str]] = field(default_factory=list)
    _outputs: list[Path] = field(default_factory=list)

    def start(self) -> None:
        """Starts them all."""
        self._running = [self._started() for _ in range(self.count)]

    def kill(self, chance: random.Random) -> None:
        """Ends one of them, in the middle of whatever it does, and starts another."""
        place = chance.randrange(self.count)
        self._end(place)
        self.kills += 1
        self._running[place] = self._started()

    def stop(self) -> None:
        """Ends them all."""
        for place in range(len(self._running)):
            self._end(place)
        for path in self._outputs:
            # The last line may have been cut off.
            self.committed += path.read_text().split("\n")[:-1]

    def _end(self, place: int) -> None:
        self._running[place].kill()
        self._running[place].wait()

    def _started(self) -> subprocess.Popen[str]:
        name = f"writer{len(self._outputs)}"
        output = self.folder.parent / f"{name}.out"
        self._outputs.append(output)
        with output.open("w") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.storm_writer", str(self.folder), name],
                stdout=file,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            )


@dataclass
class Upkeep:
    """What ``gc`` and ``verify`` saw while others wrote."""

    collected: int = 0
    verified: int = 0
    findings: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)


@contextmanager
def upkeep(folder: Path) -> Iterator[Upkeep]:
    """Collects every retired version and verifies, over and over, each on a thread of its own."""
    seen, stop = Upkeep(), threading.Event()

    def clean() -> None:
        seen.collected += len(collect(Registry.open(folder), retention=timedelta(0), author="gc").retired)

    def look() -> None:
        seen.findings += map(str, verify(LocalStorage(folder)).findings)
        seen.verified += 1

    threads = [threading.Thread(target=_over_and_over, args=(work, stop, seen)) for work in (clean, look)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _over_and_over(work: Callable[[], None], stop: threading.Event, seen: Upkeep) -> None:
    while not stop.wait(0.2):
        try:
            work()
        except ConflictError:
            continue
        except BaseException as error:  # noqa: BLE001 - shown by the test
            seen.errors.append(error)
            return


def lost(folder: Path, committed: list[str]) -> list[str]:
    """What writers said that they committed and the registry does not know."""
    registry = Registry.open(folder)
    models = registry.latest().models
    known = {entry.message for entry in registry.history()}
    known |= {f"{name}@{number}" for name, model in models.items() for number in model.versions}
    return [one for one in committed if one not in known]
