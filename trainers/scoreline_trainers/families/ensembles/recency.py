"""Sampling of training rows by recency.

Not every family takes weights of rows, so rows are drawn instead: each is kept with a chance that is its weight.
What any learner makes of such rows is right for the weights, while repeating rows would make it overfit: Zadrozny,
Langford and Abe, Cost-Sensitive Learning by Cost-Proportionate Example Weighting (ICDM 2003), section 2.3. Every member
of an ensemble draws its own.
"""

import numpy as np
import polars as pl
from pydantic import Field

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError

_MICROSECONDS_A_DAY = 86_400e6


class Recency(Spec):
    """A row that is ``half_life`` older than another counts half as much.

    Attributes:
        half_life: days, or units of the recipe's ``time`` column where that holds numbers.
    """

    half_life: float = Field(gt=0)

    def weights(self, data: Dataset, *, ensemble: str) -> Float64:
        """float64 [N], above 0; 1 for the newest row. Raises FitError where no ``time`` says how old rows are."""
        if data.time is None or data.time.null_count():
            raise FitError(ensemble, "weighs rows by recency: give the recipe a 'time' column without missing values")
        when = _days(data.time)
        if when is None:
            raise FitError(ensemble, f"weighs rows by recency, and {data.time.name!r} holds neither dates nor numbers")
        weights: Float64 = np.exp2((when - when.max()) / self.half_life)
        return weights


def recent(data: Dataset, recency: Recency | None, *, ensemble: str, seed: int) -> Dataset:
    """Rows drawn by recency, in their order; all of them without one."""
    if recency is None:
        return data
    chance = recency.weights(data, ensemble=ensemble)
    return data.take(np.flatnonzero(np.random.default_rng(seed).random(len(data)) < chance))


def _days(time: pl.Series) -> Float64 | None:
    """float64 [N], or None for what has no distance."""
    if time.dtype in (pl.Date, pl.Datetime):
        return time.cast(pl.Datetime("us")).to_physical().to_numpy() / _MICROSECONDS_A_DAY
    return time.cast(pl.Float64).to_numpy() if time.dtype.is_numeric() else None
