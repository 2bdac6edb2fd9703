"""The guard of a metric of outcomes, since the ramp was started: outcomes come later than steps last."""

import time
from collections.abc import Callable

from scoreline_registry.statistics.contrasts.strata import Stratum
from scoreline_registry.statistics.moments import Moments
from scoreline_server.controllers.guard import Differences, Limit, Unpaired
from scoreline_server.controllers.outcome_samples import OutcomeQuery, outcome_samples
from scoreline_server.controllers.readings import Reading
from scoreline_server.controllers.step_rows import StepRows

# Outcomes and rows are joined anew at each reading: that takes at most about a twentieth of the time.
_REST_PER_WORK = 20


class OutcomeGuard(Unpaired):
    """How much worse a metric is in the growing arm than in the others, in the metric's unit."""

    def __init__(
        self, limit: Limit, arm: str, query: OutcomeQuery, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._arm, self._query, self._monotonic = limit, arm, query, monotonic
        self._differences = Differences()
        self._next = 0.0

    def add(self, rows: StepRows) -> None:
        """Adds nothing: outcomes are read where they are kept."""

    def readings(self) -> list[Reading]:
        """The change for the worse. Raises OSError."""
        started = self._monotonic()
        if started >= self._next:
            self._differences = self._read()
            ended = self._monotonic()
            self._next = ended + _REST_PER_WORK * (ended - started)
        return [self._differences.rise(self._limit)]

    def _read(self) -> Differences:
        """Both arms' values, with the sign that makes worse larger."""
        sign = 1.0 if self._query.planned.direction == "decrease" else -1.0
        strata = []
        for period in outcome_samples(self._query):
            others = sum((sample for arm, sample in period.items() if arm != self._arm), Moments())
            strata.append(Stratum(_signed(others, sign), _signed(period.get(self._arm, Moments()), sign)))
        return Differences.of(strata)


def _signed(sample: Moments, sign: float) -> Moments:
    return Moments(sample.count, sign * sample.mean, sample.squares)
