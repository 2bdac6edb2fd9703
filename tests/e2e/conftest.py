"""A serving process of its own, as in production."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

Serve = Callable[[Path], str]


@contextmanager
def serving(registry: Path, log: Path, *flags: str) -> Iterator[str]:
    """Runs ``scoreline serve`` on a free port and gives its address; ends it by SIGTERM."""
    command = [sys.executable, "-m", "scoreline_server", "--registry", str(registry), "--listen", "127.0.0.1:0"]
    command += ["--ops-listen", "127.0.0.1:0"]
    with (
        log.open("w") as stderr,
        subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, log.read_text()
        try:
            yield address
        finally:
            process.terminate()
            assert process.wait(20) == 0, log.read_text()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves a registry in a process of its own until the test ends."""
    with ExitStack() as stack:
        yield lambda registry: stack.enter_context(serving(registry, tmp_path / "server.log", "--poll-seconds", "0.05"))
