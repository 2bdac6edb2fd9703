"""Moments of events of many customers: how many each has, and when."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Float64, Int64

_MICROSECONDS_A_DAY = 86_400_000_000
_EVENING, _SPREAD = 15.0, 4.5


@dataclass(frozen=True, slots=True, eq=False)
class EventTimes:
    """E events, ordered by customer and time.

    Attributes:
        customer: int64 [E], whose event it is.
        day: float64 [E], days since the start, with the hour as the fraction.
    """

    customer: Int64
    day: Float64

    def __len__(self) -> int:
        return len(self.customer)

    @property
    def hour(self) -> Float64:
        """float64 [E], 0 to 24."""
        return self.day % 1 * 24

    def moments(self, start: datetime) -> pl.Series:
        """When each event happened, with microseconds, from midnight of ``start``."""
        micros = (self.day * _MICROSECONDS_A_DAY).astype(np.int64)
        return pl.Series("moment", micros).cast(pl.Duration("us")) + start


def draw_times(
    counts: Int64, draw: np.random.Generator, *, days: int, night: Float64 | float = 0.0, since: Float64 | None = None
) -> EventTimes:
    """Draws the moments of events.

    Args:
        counts: int64 [N], events of each customer.
        draw: the source of chance.
        days: length of the whole time.
        night: share of a customer's events between midnight and five, [N] or one number.
        since: float64 [N], day of a customer's first possible event; by default 0.
    """
    customer = np.repeat(np.arange(len(counts)), counts)
    earliest = np.zeros(len(counts)) if since is None else since
    span = days - earliest[customer]
    whole = np.floor(earliest[customer] + draw.random(len(customer)) * span)
    share = night if isinstance(night, float) else night[customer]
    at_night = draw.random(len(customer)) < share
    hour = np.where(
        at_night, draw.uniform(0, 5, len(customer)), draw.normal(_EVENING, _SPREAD, len(customer)).clip(6, 23.99)
    )
    day = whole + hour / 24
    order = np.lexsort((day, customer))
    return EventTimes(customer[order], day[order])


def names(prefix: str, numbers: Int64) -> pl.Series:
    """Identifiers such as "c0000042"."""
    return pl.Series(numbers).cast(pl.String).str.zfill(7).str.replace("^", prefix)
