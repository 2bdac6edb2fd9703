"""The time limits of a stop, and what waits within them."""

import threading
import time
from dataclasses import dataclass, fields
from types import TracebackType


@dataclass(frozen=True, slots=True)
class StopLimits:
    """How long a stop waits for each part of a server, once open calls have had ``drain_seconds``.

    A part that takes longer is abandoned, and the stop goes on with the next one.

    Attributes:
        calls_seconds: calls that were cancelled at the end of the drain.
        answers_seconds: answers that are being sent and observed.
        shadows_seconds: the batch that shadows are scoring.
        journal_seconds: the journal's queue and its last file.
        watcher_seconds: the registry's watcher, which may be loading a model.
    """

    calls_seconds: float = 2.0
    answers_seconds: float = 1.0
    shadows_seconds: float = 1.0
    journal_seconds: float = 3.0
    watcher_seconds: float = 1.0

    @property
    def total_seconds(self) -> float:
        """The longest that a stop takes after the drain."""
        return float(sum(getattr(self, field.name) for field in fields(self)))


class Deadline:
    """A moment that several waits share."""

    def __init__(self, seconds: float) -> None:
        """``seconds`` from now."""
        self._at = time.monotonic() + seconds

    @property
    def remaining_seconds(self) -> float:
        """How long until then; 0 afterwards."""
        return max(0.0, self._at - time.monotonic())


class InFlight:
    """Sections of work that can be closed: ``with in_flight as is_open: ...``.

    Safe for threads. A section that begins after ``close`` is given False.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._condition = threading.Condition(self._lock)
        self._sections = 0
        self._is_open = True

    def __enter__(self) -> bool:
        with self._lock:
            self._sections += 1
            return self._is_open

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._sections -= 1
            if not self._is_open:
                self._condition.notify_all()

    def close(self, timeout_seconds: float) -> bool:
        """Closes, and waits until the sections that found it open have ended; False when that takes longer."""
        with self._condition:
            self._is_open = False
            return self._condition.wait_for(lambda: not self._sections, timeout_seconds)
