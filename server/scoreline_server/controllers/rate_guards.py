"""Guards of rates: failures, and rows with missing inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_server.controllers.guard import Limit, RateDifference, Unpaired
from scoreline_server.controllers.readings import Reading
from scoreline_server.controllers.step_rows import StepRows


@dataclass(frozen=True, slots=True)
class Observed:
    """Values in [0, 1] [N] with the arm of each."""

    values: npt.NDArray[np.float64]
    in_arm: npt.NDArray[np.bool_]


class RateGuard(Unpaired):
    """A rate of the growing arm, or how much higher it is than that of the others."""

    def __init__(self, limit: Limit, observed: Callable[[StepRows], Observed], unit: str) -> None:
        """``observed`` gives the observations in rows; ``unit`` says what they are of."""
        self._limit, self._observed, self._unit = limit, observed, unit
        self._rates = RateDifference()

    def add(self, rows: StepRows) -> None:
        """Adds rows."""
        seen = self._observed(rows)
        self._rates.add(seen.values, seen.in_arm)

    def readings(self) -> list[Reading]:
        """The rate, or the difference of rates."""
        limit, rates = self._limit, self._rates
        if limit.against == "limit":
            return [limit.rate(rates.arm, self._unit)]
        method = f"difference of the rates of {self._unit}, always-valid bounds by betting"
        return [limit.reading(rates.value, rates.bounds(limit.alpha), rates.count, method)]


def error_rate(limit: Limit) -> RateGuard:
    """The rate of rows that the assigned arm did not answer: they failed, or the fallback answered them."""
    return RateGuard(limit, _failures, "failed rows in a batch")


def missing_rate(limit: Limit) -> RateGuard:
    """The rate of units whose first row lacked an input of the model."""
    return RateGuard(limit, _missing, "units with missing inputs")


def _failures(rows: StepRows) -> Observed:
    """The share of failed rows of each batch and arm: a model fails on all rows that it scores together."""
    _, firsts, places = np.unique(rows.batch_arms, return_index=True, return_inverse=True)
    shares = np.bincount(places, weights=rows.failed) / np.bincount(places)
    return Observed(shares, rows.in_arm[firsts])


def _missing(rows: StepRows) -> Observed:
    first = rows.taken(rows.is_first)
    return Observed(first.missing.astype(np.float64), first.in_arm)
