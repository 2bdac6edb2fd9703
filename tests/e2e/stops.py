"""Starts and stops servers under load, and counts what that costs: crashes, calls without a status, lost journal rows.

``python -m tests.e2e.stops rounds 3000`` starts and stops a server in a process of its own, whose end by a signal is a
finding; ``python -m tests.e2e.stops signals 200`` ends ``scoreline serve --workers 2`` by SIGTERM. ``--busy 4`` keeps
that many other processes busy beside it. Only the server's public interface is used, so that an older one can be
measured by the same script.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from scoreline_registry.registry import Registry
from scoreline_server import logging_config
from scoreline_server.app import Server
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.settings import Settings
from tests.server.carriers import score_by
from tests.server.frames import CANCEL, DATA, RST_STREAM, RawConnection, call_headers, frame, message, whole_call
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named
from tests.serving import running

ANN = named(entity("ann", income=1.0))
MANY = named(*(entity(f"u{row}", income=1.0) for row in range(300)))
# What a caller sees of calls that were in time, late, cancelled, or came to a server that stops.
EXPECTED = {
    grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}  # fmt: skip
_BODY = ANN.SerializeToString()
_RESET = frame(RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big"))
_CUTS = (
    call_headers(1),
    call_headers(1) + frame(DATA, 0, 1, message(_BODY)[:5]),
    whole_call(1, _BODY) + _RESET,
    b"".join(whole_call(stream, _BODY) for stream in range(1, 21, 2)),
)


@dataclass
class Tally:
    """What callers saw of one server, and which rows they were answered."""

    codes: Counter[str] = field(default_factory=Counter)
    rows: set[str] = field(default_factory=set)
    unended: int = 0

    def note(self, call: Any) -> grpc.StatusCode | None:
        """Counts a call; None for one that has no status within its time."""
        try:
            rows = call.result(timeout=60).scores
        except grpc.FutureTimeoutError:
            self.unended += 1
            return None
        except grpc.FutureCancelledError:
            self.codes["CANCELLED"] += 1
            return grpc.StatusCode.CANCELLED
        except grpc.RpcError:
            code: grpc.StatusCode = call.code()
            self.codes[code.name] += 1
            return code
        self.codes["OK"] += 1
        self.rows |= {row.prediction_id for row in rows}
        return grpc.StatusCode.OK


def keep_calling(address: str, tally: Tally, stopped: threading.Event, rng: random.Random) -> None:
    """Calls without retries, some with little time and some cancelled, until the server is gone."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(address, options) as channel:
        score = score_by(channel)
        while not stopped.is_set():
            calls = [score.future(ANN, timeout=30) for _ in range(8)]
            calls.append(score.future(MANY, timeout=30))
            late = score.future(ANN, timeout=rng.choice((0.001, 0.003, 0.01)))
            unwanted = score.future(ANN, timeout=30)
            unwanted.cancel()
            codes = [tally.note(call) for call in (*calls, late, unwanted)]
            if grpc.StatusCode.UNAVAILABLE in codes:
                return


def keep_aborting(address: str, stopped: threading.Event, rng: random.Random) -> None:
    """Opens connections and breaks them off in the middle of calls, until the server is gone."""
    while not stopped.is_set():
        try:
            connection = RawConnection(address)
            connection.send(rng.choice(_CUTS))
            connection.abort()
        except OSError:
            return


@contextmanager
def crowd(address: str, tallies: Sequence[Tally], rng: random.Random) -> Iterator[None]:
    """Callers while the block runs; when it ends all their calls have ended."""
    stopped = threading.Event()
    threads = [
        threading.Thread(target=keep_calling, args=(address, tally, stopped, random.Random(rng.random())))
        for tally in tallies
    ]
    threads.append(threading.Thread(target=keep_aborting, args=(address, stopped, random.Random(rng.random()))))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def journaled(folder: Path) -> set[str]:
    """The ids of all rows of a journal."""
    return {id_ for records in read_records([folder]) for id_ in records.columns["prediction_id"]}


@dataclass(frozen=True)
class Result:
    """What callers saw of one server, from its start to its stop."""

    codes: dict[str, int]
    unended: int
    answered: int
    lost: int
    stop_seconds: float = 0.0

    @classmethod
    def of(cls, tallies: Sequence[Tally], journal: Path, stop_seconds: float) -> "Result":
        """Compares the answered rows with the journal."""
        rows = {id_ for tally in tallies for id_ in tally.rows}
        codes = sum((tally.codes for tally in tallies), Counter())
        unended = sum(tally.unended for tally in tallies)
        return cls(dict(codes), unended, len(rows), len(rows - journaled(journal)), stop_seconds)

    @property
    def is_sound(self) -> bool:
        """Every call has an expected status and every answered row is in the journal."""
        return not self.unended and not self.lost and set(self.codes) <= {code.name for code in EXPECTED}


def prepared(folder: Path) -> Path:
    """A registry with one route to one model."""
    registry = Registry.create(str(folder / "registry"))
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return folder / "registry"


def one_round(registry: Path, journal: Path, rng: random.Random) -> Result:
    """Starts a server in this process, stops it at a random moment of its load."""
    # Some calls are slow enough for the threads of slow calls.
    settings = Settings(
        registry=str(registry), listen="127.0.0.1:0", journal_dir=str(journal), drain_seconds=5, heavy_seconds=300e-6,
        log_level="error",
    )  # fmt: skip
    server, tallies = Server(settings), [Tally(), Tally()]
    server.start()
    with crowd(server.address, tallies, rng):
        time.sleep(rng.uniform(0.0, 0.05))
        began = time.monotonic()
        server.stop()
        took = time.monotonic() - began
    return Result.of(tallies, journal, took)


def one_signal(registry: Path, folder: Path, rng: random.Random) -> Result:
    """Runs ``scoreline serve --workers 2`` and ends it by SIGTERM under load. Raises where its exit code is not 0."""
    journal, tallies = Path(f"{registry}-journal"), [Tally() for _ in range(4)]
    with running(registry, folder / "log", "--workers", "2") as server:
        server.wait_until(lambda status: [each["state"] for each in status["workers"]] == ["serving"] * 2, seconds=120)
        with crowd(server.address, tallies, rng):
            time.sleep(rng.uniform(0.1, 0.5))
            began = time.monotonic()
            server.process.terminate()
            code = server.process.wait(60)
            took = time.monotonic() - began
    assert code == 0, f"exit code {code}: {server.log.read_text()}"
    result = Result.of(tallies, journal, took)
    shutil.rmtree(journal)
    return result


def rounds_in_this_process(count: int, seed: int) -> None:
    """Prints one line of JSON per round."""
    rng = random.Random(seed)
    logging_config.configure(Settings(log_level="error", log_format="json"))
    with tempfile.TemporaryDirectory() as name:
        registry = prepared(Path(name))
        for at in range(count):
            result = one_round(registry, Path(name) / f"journal-{at}", rng)
            print(json.dumps(result.__dict__), flush=True)


def rounds(count: int, *, seed: int, per_process: int = 250) -> Iterator[Result]:
    """Starts and stops in child processes. Raises as soon as one dies, saying in which round."""
    for first in range(0, count, per_process):
        size = min(per_process, count - first)
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.e2e.stops", "child", str(size)]
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                [*command, "--seed", str(seed + first)], stdout=subprocess.PIPE, stderr=errors, text=True
            ) as child,
        ):
            assert child.stdout is not None
            done = 0
            for line in child.stdout:
                yield Result(**json.loads(line))
                done += 1
            code = child.wait()
            errors.seek(0)
            assert code == 0, f"the process died in round {first + done + 1} with code {code}:\n{errors.read()[-6000:]}"


def signals(count: int, *, seed: int) -> Iterator[Result]:
    """Serves and ends by SIGTERM, ``count`` times."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        registry = prepared(Path(name))
        for at in range(count):
            folder = Path(name) / str(at)
            folder.mkdir()
            yield one_signal(registry, folder, rng)


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Other processes that compute while the block runs."""
    # They end with this process, however it ends.
    code = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@dataclass
class Summary:
    """The sum of many results."""

    lives: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    unended: int = 0
    answered: int = 0
    lost: int = 0
    unsound: int = 0
    slowest_stop_seconds: float = 0.0

    def add(self, result: Result) -> None:
        """Adds one."""
        self.lives += 1
        self.codes.update(result.codes)
        self.unended += result.unended
        self.answered += result.answered
        self.lost += result.lost
        self.unsound += not result.is_sound
        self.slowest_stop_seconds = max(self.slowest_stop_seconds, result.stop_seconds)

    def __str__(self) -> str:
        return (
            f"{self.lives} stops: {self.answered} rows answered, {self.lost} of them not in the journal, "
            f"{self.unended} calls without a status, slowest stop {self.slowest_stop_seconds:.1f} s, {dict(self.codes)}"
        )


def main() -> int:
    """Runs from the command line; 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("rounds", "signals", "child"))
    parser.add_argument("count", type=int)
    parser.add_argument("--busy", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0, help="end earlier after this long")
    arguments = parser.parse_args()
    if arguments.what == "child":
        rounds_in_this_process(arguments.count, arguments.seed)
        # Threads of calls that were never answered would keep the process from ending.
        sys.stdout.flush()
        os._exit(0)
    results = (
        rounds(arguments.count, seed=arguments.seed)
        if arguments.what == "rounds"
        else signals(arguments.count, seed=arguments.seed)
    )
    summary, began = Summary(), time.monotonic()
    with busy(arguments.busy):
        try:
            for result in results:
                summary.add(result)
                if arguments.minutes and time.monotonic() - began > 60 * arguments.minutes:
                    break
                if summary.lives % 100 == 0:
                    print(summary, f"after {time.monotonic() - began:.0f} s", flush=True)
        finally:
            print(summary, f"after {time.monotonic() - began:.0f} s", flush=True)
    return int(bool(summary.unsound))


if __name__ == "__main__":
    sys.exit(main())
