"""Watches one step of a ramp: reads what is new in the journals and says what its guards read."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from scoreline_server.controllers.feed import JournalFeed
from scoreline_server.controllers.guard import Guard
from scoreline_server.controllers.readings import Reading
from scoreline_server.controllers.selection import Selection, Step
from scoreline_server.controllers.step_rows import Pairs, StepRows
from scoreline_server.journal.reading.records import Records

# A clock that is kept by NTP moves by less than this between two looks.
_LEAST_JUMP_SECONDS = 2.0


class StepWatch:
    """One step of a ramp and its guards. For one thread.

    It keeps sums only, so a controller that starts anew reads the journals from the step's start and knows the same.
    """

    def __init__(self, step: Step, guards: Sequence[Guard], folders: Iterable[Path]) -> None:
        self._selection, self._guards = Selection(step), tuple(guards)
        self._feed = JournalFeed(folders, step.since)

    def readings(self) -> list[Reading]:
        """Reads what was written since the last call; the figures of all guards. Raises OSError."""
        for found in self._feed.news():
            if isinstance(found, Records):
                self._add(self._selection.rows(found))
            else:
                self._add_pairs(self._selection.pairs(found))
        return [reading for guard in self._guards for reading in guard.readings()]

    def _add(self, rows: StepRows | None) -> None:
        if rows is not None:
            for guard in self._guards:
                guard.add(rows)

    def _add_pairs(self, pairs: Pairs | None) -> None:
        if pairs is not None:
            for guard in self._guards:
                guard.add_pairs(pairs)


class StepClock:
    """How long a step has lasted, without the time that the host's clock jumped ahead while it was watched."""

    def __init__(self, since: datetime, now: datetime, monotonic: float) -> None:
        self._since, self._last, self._monotonic = since, now, monotonic
        self._jumped = 0.0

    def elapsed(self, now: datetime, monotonic: float) -> tuple[float, float]:
        """The seconds that the step has lasted, and by how many the clock jumped since the last call (0 for none).

        ``monotonic`` is a clock that never jumps. A clock that was set back makes the step last longer, never shorter.
        """
        jump = (now - self._last).total_seconds() - (monotonic - self._monotonic)
        self._last, self._monotonic = now, monotonic
        if abs(jump) < _LEAST_JUMP_SECONDS:
            jump = 0.0
        self._jumped += max(jump, 0.0)
        return (now - self._since).total_seconds() - self._jumped, jump
