"""Runs a server process for the duration of a block, or starts one that stays."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from scoreline_trainers.errors import DemoError

_STOP_SECONDS = 20


FREE_PORT = "127.0.0.1:0"
PATIENCE_SECONDS = 30.0
"""How long a demo waits for an answer: what it measures is printed, and a busy machine fails no call."""


@dataclass(frozen=True, slots=True)
class Staying:
    """A server that goes on after the demo: the folder for its files ``server.log`` and ``server.pid``, its address."""

    folder: Path
    listen: str = FREE_PORT


@dataclass(frozen=True, slots=True)
class Served:
    """A server process: where it answers, and its id."""

    address: str
    pid: int


@contextmanager
def serving(registry: Path, *, staying: Staying | None = None) -> Iterator[Served]:
    """Runs ``scoreline serve`` on a free port of this machine; ends it by SIGTERM.

    A ``staying`` one goes on after the block unless the block fails. Raises DemoError when it does not start, with the
    last line of its log.
    """
    with TemporaryDirectory(prefix="scoreline-demo-log-") as folder:
        path = (staying.folder if staying else Path(folder)) / "server.log"
        with path.open("w", encoding="utf-8") as stream:
            process = _started(registry, staying, stream)
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            if not address:
                lines = path.read_text(encoding="utf-8").strip().splitlines()
                raise DemoError(f"the server did not start: {(lines or ['?'])[-1]}")
            if staying is not None:
                (staying.folder / "server.pid").write_text(f"{process.pid}\n", encoding="utf-8")
            yield Served(address, process.pid)
        except BaseException:
            _end(process)
            raise
        if staying is None:
            _end(process)


def _started(registry: Path, staying: Staying | None, log: IO[str]) -> "subprocess.Popen[str]":
    listen = staying.listen if staying else FREE_PORT
    command = [sys.executable, "-m", "scoreline", "serve", "--registry", str(registry), "--listen", listen]
    command += ["--ops-listen", "off", "--poll-seconds", "0.05"]
    return subprocess.Popen(  # noqa: S603  our own interpreter and our own words
        command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=staying is not None
    )


def _end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
