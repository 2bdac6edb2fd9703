"""Progress of a long piece of work, as bars on a terminal and as lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Display

_LINE_SHARE = 0.05
"""A line is written at most each time that a stage has become longer by this share."""


class Progress(Protocol):
    """Receives the stages of a piece of work, one after another."""

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Starts a stage and ends the one before. ``total`` is how often it will advance, where that is known."""

    def advance(self, note: str = "") -> None:
        """One step of the stage is done; ``note`` is its result in words."""


class Silent:
    """Shows no progress."""

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, note: str = "") -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """Stages of one part of a larger piece of work: their titles say which."""

    whole: Progress
    name: str

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Begins the stage under both names."""
        self.whole.begin(f"{self.name}: {title}", total=total)

    def advance(self, note: str = "") -> None:
        """Passes it on."""
        self.whole.advance(note)


@dataclass(slots=True)
class Watched:
    """Passes progress on and knows the ``title`` of the stage that runs, empty before the first."""

    whole: Progress
    title: str = ""

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Begins the stage."""
        self.title = title
        self.whole.begin(title, total=total)

    def advance(self, note: str = "") -> None:
        """Passes it on."""
        self.whole.advance(note)


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of work that is one step of a stage: its own stages and steps are not shown."""

    whole: Progress

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Nothing."""

    def advance(self, note: str = "") -> None:
        """Nothing."""


def duration(seconds: float) -> str:
    """A time as people say it: "40 s", "3 min" or "1 h 20 min"."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Bars where standard error is a terminal, plain lines elsewhere; standard output stays free for results."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(lambda line: click.echo(line, err=True))
        return
    with Bars(console) as bars:
        yield bars


class Lines:
    """One plain line per stage, and lines with its last note, its steps and the time left, for logs.

    Such a line is written a second after the last one at the earliest, and later the longer the stage runs.
    """

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._began = self._spoken = -1.0
        self._done = 0
        self._total: int | None = None

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Writes the title."""
        self._began = self._spoken = self._clock()
        self._done, self._total = 0, total
        self._write(title)

    def advance(self, note: str = "") -> None:
        """Writes the note unless the last line is too young."""
        self._done += 1
        now = self._clock()
        if now - self._spoken < max(1.0, (now - self._began) * _LINE_SHARE):
            return
        shown = ", ".join(filter(None, (note, *self._steps(now - self._began))))
        if shown:
            self._spoken = now
            self._write(f"  {shown}")

    def _steps(self, elapsed: float) -> Iterator[str]:
        if self._total is not None and self._done <= self._total:
            yield f"{self._done:,} of {self._total:,}"
            if self._done < self._total:
                yield f"{duration(elapsed / self._done * (self._total - self._done))} left"


class Bars:
    """Bars on a terminal; a context manager, because they must be taken down."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
        )
        self._display = Display(*columns, console=console)
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
        self._display.stop()

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Fills the bar before and adds one; without a total it moves without telling how far."""
        self._finish()
        self._task = self._display.add_task(title, total=total, note="")

    def advance(self, note: str = "") -> None:
        """Moves the bar and shows the note behind it."""
        if self._task is not None:
            self._display.update(self._task, advance=1, note=note)

    def _finish(self) -> None:
        if self._task is not None:
            task = self._display.tasks[self._task]
            self._display.update(self._task, total=task.completed or 1, completed=task.completed or 1)
