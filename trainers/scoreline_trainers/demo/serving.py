"""Runs a server process for the duration of a block."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scoreline_trainers.errors import DemoError

_STOP_SECONDS = 20


@contextmanager
def serving(registry: Path) -> Iterator[str]:
    """Runs ``scoreline serve`` on a free port of this machine and gives its address; ends it by SIGTERM.

    Raises DemoError when it does not start, with the last line of its log.
    """
    command = [sys.executable, "-m", "scoreline", "serve", "--registry", str(registry), "--listen", "127.0.0.1:0"]
    command += ["--ops-listen", "off", "--poll-seconds", "0.05"]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(  # noqa: S603  our own interpreter and our own words
            command, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        address = process.stdout.readline().strip() if process.stdout else ""
        if not address:
            log.seek(0)
            raise DemoError(f"the server did not start: {(log.read().strip().splitlines() or ['?'])[-1]}")
        try:
            yield address
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
