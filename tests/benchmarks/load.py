"""h2load: what keeps a server busy with one and the same call."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HINT = "h2load is missing: apt-get install nghttp2-client"

CONNECTIONS = 8
WARM_UP_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """A gRPC method that answers ``body``, a serialized message, with about ``answer_bytes`` bytes.

    ``deadline_ms`` is what calls say about their own time; None for nothing.
    """

    address: str
    path: str
    body: bytes
    answer_bytes: int = 0
    deadline_ms: int | None = None


@dataclass(frozen=True)
class Loaded:
    """What came of a load: calls per second, and their mean and longest time in milliseconds."""

    per_second: float
    mean_ms: float
    max_ms: float


class LoadError(Exception):
    """The figures of a load would say nothing."""


def installed() -> bool:
    """Whether there is an h2load."""
    return shutil.which("h2load") is not None


def load(target: Target, *, in_flight: int, seconds: float) -> Loaded:
    """Calls as fast as answers come, ``in_flight`` at once. Raises LoadError when calls failed."""
    with _command(target, in_flight) as command:
        timing = [f"--duration={_duration(seconds)}", f"--warm-up-time={_duration(WARM_UP_SECONDS)}"]
        done = subprocess.run([*command, *timing], capture_output=True, text=True, check=False, timeout=seconds + 60)
    return read(done.stdout, target)


@contextmanager
def background(
    target: Target, *, per_second: float, seconds: float, in_flight: int = CONNECTIONS * 4
) -> Iterator[None]:
    """Calls at a steady rate on ``CONNECTIONS`` connections while the block runs, ``seconds`` at the most."""
    with _command(target, in_flight) as command:
        rate = [f"--duration={_duration(seconds)}", f"--rps={max(1, round(per_second / CONNECTIONS))}"]
        process = subprocess.Popen([*command, *rate], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()


@contextmanager
def _command(target: Target, in_flight: int) -> Iterator[list[str]]:
    connections = min(in_flight, CONNECTIONS)
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\0" + len(target.body).to_bytes(4, "big") + target.body)
        file.flush()
        shape = [f"--clients={connections}", f"--max-concurrent-streams={in_flight // connections}"]
        headers = ["--header=content-type: application/grpc", "--header=te: trailers"]
        if target.deadline_ms is not None:
            headers.append(f"--header=grpc-timeout: {target.deadline_ms}m")
        url = f"http://{target.address}{target.path}"
        yield ["h2load", *shape, *headers, f"--data={Path(file.name)}", url]


def _duration(seconds: float) -> str:
    return f"{round(1000 * seconds)}ms"


def read(text: str, target: Target) -> Loaded:
    """What h2load printed. Raises LoadError when calls failed, or when there were none."""
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", text)
    # Asked, begun, done, succeeded; at the end of a timed run some are still on their way, which h2load calls neither.
    counts = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", text)
    traffic = re.search(r"traffic: .*\((\d+)\) data", text)
    times = re.search(r"time for request: +(\S+) +(\S+) +(\S+)", text)
    if not (rate and counts and traffic and times) or not int(counts[1]):
        raise LoadError(f"h2load {target.address}{target.path} says: {text[-500:]}")
    if int(counts[2]) or int(counts[3]):
        raise LoadError(f"{target.address}{target.path}: {counts[0]}")
    # A call that failed in gRPC's terms is a success in HTTP's; but it carries no data.
    if int(traffic[1]) < 0.9 * int(counts[1]) * target.answer_bytes:
        raise LoadError(f"{target.address}{target.path}: answers without content, so calls failed")
    return Loaded(float(rate[1]), _milliseconds(times[3]), _milliseconds(times[2]))


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
