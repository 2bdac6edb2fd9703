"""The stages of a training run with their time and peak memory."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scoreline_trainers.progress import Progress

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage that has ended.

    Attributes:
        title: as shown while it ran.
        seconds: of wall time.
        peak_bytes: the most memory that the process held while it ran.
    """

    title: str
    seconds: float
    peak_bytes: int


class Stages:
    """Passes progress on and records every stage.

    Args:
        shown: receives the progress.
        clock: seconds that never go back.
        peak: bytes that the process held at most since the last call.
    """

    def __init__(
        self,
        shown: Progress,
        *,
        clock: Callable[[], float] = time.monotonic,
        peak: Callable[[], int] | None = None,
    ) -> None:
        self._shown, self._clock, self._peak = shown, clock, peak or peak_memory
        self._ended: list[Stage] = []
        self._title, self._started = "", 0.0

    def begin(self, title: str, *, total: int | None = None) -> None:
        """Ends the stage before and starts one."""
        self.end()
        self._title, self._started = title, self._clock()
        self._shown.begin(title, total=total)

    def advance(self, note: str = "") -> None:
        """Passes it on."""
        self._shown.advance(note)

    def end(self) -> tuple[Stage, ...]:
        """Ends the stage that runs, if any. Returns all stages in their order."""
        peak = self._peak()
        if self._title:
            self._ended.append(Stage(self._title, round(self._clock() - self._started, 3), peak))
            self._title = ""
        return tuple(self._ended)


def peak_memory() -> int:
    """The most bytes that this process held at once since the last call, where Linux lets it be reset.

    Elsewhere since the process began.
    """
    peak = _high_water_mark()
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")
    except OSError:
        return peak
    return peak


def _high_water_mark() -> int:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return _largest_resident_set()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _largest_resident_set() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
