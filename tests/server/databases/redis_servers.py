"""Real Redis servers, as Debian has them (or Valkey's), each in a folder of its own."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.waiting import wait_until

BINARY = next((path for name in ("redis-server", "valkey-server") if (path := shutil.which(name))), None)

needs_redis = pytest.mark.skipif(BINARY is None, reason="needs redis-server: apt-get install redis-server")


class RunningRedis:
    """A server on a Unix socket, which can be killed and started again on the same files."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        self.url = f"unix://{folder}/socket"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = ("--port", "0", "--unixsocket", str(self._folder / "socket"), "--dir", str(self._folder))
        command = [str(BINARY), *options, "--save", "", "--logfile", str(self._folder / "log"), *self._options]
        self._process = subprocess.Popen(command)
        with redis.Redis.from_url(self.url, retry=None) as client:
            wait_until(lambda: self._answers(client), why=(self._folder / "log").read_text)

    def kill(self) -> None:
        """Ends it as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextmanager
    def halted(self) -> Iterator[None]:
        """It takes connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self, client: "redis.Redis") -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            return bool(client.ping())
        except redis.exceptions.RedisError:
            return False


@contextmanager
def running_redis(*options: str) -> Iterator[RunningRedis]:
    """A server with some options, for the duration of the block. Its socket's path must be short."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        server = RunningRedis(Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
