"""Server processes that a benchmark starts: their memory, their rest while others are measured, and their end."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_END_SECONDS = 20.0
_IDLE_SECONDS = 0.03


class Program:
    """A program and whatever it starts, which is all that shares its session."""

    def __init__(self, command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        """Starts it; what it prints to standard error goes to ``log``."""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                text=True,
            )
        self.log = log

    def line(self) -> str:
        """The next line that it prints; empty when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def pids(self) -> list[int]:
        """Every process of its session."""
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._owns(entry)]

    def memory_megabytes(self) -> float:
        """What all its processes hold, shared pages split among those that share them."""
        return sum(_proportional_kilobytes(pid) for pid in self.pids()) / 1024

    def processor_seconds(self) -> float:
        """What all its living processes have used."""
        return sum(_ticks(pid) for pid in self.pids()) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Ends it: asked first, then by force."""
        self.wake()
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        for pid in self.pids():
            _signal(pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def rest(self) -> None:
        """Holds it still, so that it takes nothing from the others."""
        for pid in self.pids():
            _signal(pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Lets it go on."""
        for pid in self.pids():
            _signal(pid, signal.SIGCONT)

    def _owns(self, entry: Path) -> bool:
        try:
            # The name in brackets may hold spaces; behind it stand state, parent, group, session.
            return int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == self._process.pid
        except (OSError, IndexError):
            return False


@contextmanager
def program(command: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    """Runs a program until the block ends."""
    running = Program(command, log=log, env=env)
    try:
        yield running
    finally:
        running.stop()


def free_port() -> int:
    """A port of the loopback interface that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_idle(running: Program, seconds: float = 10) -> None:
    """Waits until a program has stopped using the processor, as one that has just started does not at once."""
    deadline = time.monotonic() + seconds
    used = running.processor_seconds()
    while time.monotonic() < deadline:
        time.sleep(0.3)
        before, used = used, running.processor_seconds()
        if used - before < _IDLE_SECONDS:
            return


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _proportional_kilobytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
