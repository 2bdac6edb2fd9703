"""Programs whose output a test reads line by line while they run."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from tests.waiting import PATIENCE_SECONDS


class Printing:
    """A program and the lines that it prints; ``log`` is the file of its standard error."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process, self._log = process, log
        self._lines: SimpleQueue[str] = SimpleQueue()
        self._printed: list[str] = []
        self._reader = Thread(target=self._read)
        self._reader.start()

    def next_line(self, seconds: float = PATIENCE_SECONDS) -> str:
        """The next line. Raises AssertionError with all that was printed where there is none within ``seconds``."""
        try:
            line = self._lines.get(timeout=seconds)
        except Empty:
            raise AssertionError(f"no line within {seconds} seconds {self._so_far()}") from None
        assert line, f"the program ended {self._so_far()}"
        self._printed.append(line)
        return line

    def kill(self) -> None:
        """Ends the program and the reading of its output."""
        self.process.kill()
        self._reader.join()

    def _so_far(self) -> str:
        return f"after it printed {self._printed}, and to standard error:\n{self._log.read_text()}"

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def printing(command: Sequence[str], log: Path) -> Iterator[Printing]:
    """Runs a program and kills it however the test ends.

    A ``Popen`` that is left waits for its program without a limit.
    """
    with (
        log.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        program = Printing(process, log)
        try:
            yield program
        finally:
            program.kill()
