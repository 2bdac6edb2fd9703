"""The guard of the 99th percentile of latencies."""

import numpy as np

from scoreline_server.controllers.guard import Limit, Unpaired
from scoreline_server.controllers.latencies import Latencies
from scoreline_server.controllers.readings import Reading
from scoreline_server.controllers.step_rows import StepRows

_QUANTILE = 0.99


class LatencyGuard(Unpaired):
    """The 99th percentile of the growing arm's latencies in ms, or how much higher it is than the others'.

    Of each batch one call counts, because calls that are scored together wait together.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._arm, self._others = Latencies(), Latencies()

    def add(self, rows: StepRows) -> None:
        """Adds rows."""
        # Call ids are random: the call that is taken must not depend on its place, the first ones waited longest.
        order = np.lexsort((rows.calls, rows.batch_arms))
        _, firsts = np.unique(rows.batch_arms[order], return_index=True)
        chosen = order[firsts]
        in_arm, latencies = rows.in_arm[chosen], rows.latencies_ms[chosen]
        self._arm += Latencies.of(latencies[in_arm])
        if self._limit.against == "others":
            self._others += Latencies.of(latencies[~in_arm])

    def readings(self) -> list[Reading]:
        """The percentile, or the difference of percentiles."""
        limit, value = self._limit, self._arm.quantile(_QUANTILE)
        if limit.against == "limit":
            bounds = self._arm.bounds(_QUANTILE, limit.alpha / 2)
            return [limit.reading(value, bounds, self._arm.count, "99th percentile, always-valid bounds by betting")]
        low, high = self._arm.bounds(_QUANTILE, limit.alpha / 4)
        others_low, others_high = self._others.bounds(_QUANTILE, limit.alpha / 4)
        return [
            limit.reading(
                value - self._others.quantile(_QUANTILE),
                (low - others_high, high - others_low),
                self._arm.count,
                "difference of 99th percentiles, always-valid bounds by betting",
            )
        ]
