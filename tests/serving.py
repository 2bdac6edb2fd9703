"""``scoreline serve`` as a process of its own, as in production."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_SECONDS, wait_until

Serve = Callable[[Path], str]
"""Serves a registry until the test ends and returns the address: the type of the fixture ``serve``."""


@dataclass(frozen=True)
class Running:
    """A running ``scoreline serve`` and its ops port."""

    address: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def ops(self) -> str:
        """Where its ops port is; the log says so once it is open."""
        return str(next(self.events("ops port open"))["address"])

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """The log's lines of one kind of event; waits for the first."""
        return iter(wait_until(lambda: self._events(name), why=self.log.read_text))

    def page(self, path: str) -> tuple[int, str]:
        """Code and body of a page of the ops port."""
        try:
            with urllib.request.urlopen(f"http://{self.ops}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> Any:
        """The page /status."""
        return json.loads(self.page("/status")[1])

    def wait_until(self, holds: Callable[[Any], bool], seconds: float = PATIENCE_SECONDS) -> Any:
        """The first status that holds."""
        return wait_until(lambda: holds(status := self.status()) and status, seconds, why=self.status)

    def wait_for_page(self, path: str, holds: Callable[[str], bool]) -> str:
        """The first body of a page of the ops port that holds. Counts follow the answers that they count."""
        return wait_until(lambda: self._page_that(holds, path), why=lambda: self.page(path)[1])

    def _page_that(self, holds: Callable[[str], bool], path: str) -> str:
        body = self.page(path)[1]
        return body if holds(body) else ""

    def _events(self, name: str) -> list[dict[str, Any]]:
        return [fact for fact in map(json.loads, self._lines()) if fact["event"] == name]

    def _lines(self) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.endswith("}")]


def _exit_code(process: "subprocess.Popen[str]") -> int:
    """The exit code of a process; one that does not end in time is killed."""
    try:
        return process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def running(registry: Path, log: Path, *flags: str) -> Iterator[Running]:
    """Runs ``scoreline serve`` on free ports; ends it by SIGTERM if the test has not."""
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
            yield Running(address, process, log)
        finally:
            ended_by_test = process.poll() is not None
            process.terminate()
            code = _exit_code(process)
            assert code == 0 or ended_by_test, log.read_text()


@contextmanager
def serving(registry: Path, log: Path, *flags: str) -> Iterator[str]:
    """The same, for a test that needs the address only."""
    with running(registry, log, *flags) as server:
        yield server.address
