"""Which rows a model learns from and which ones judge it."""

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from scoreline_trainers.batch import Rows
from scoreline_trainers.columns import Spec
from scoreline_trainers.errors import DataError


class Validation(Spec):
    """How the judging rows are chosen.

    "last_fraction" takes the last rows of the table, "random" draws them, "time" takes the newest by the recipe's
    ``time`` column and never lets one moment stand on both sides.
    """

    kind: Literal["last_fraction", "random", "time"] = "random"
    fraction: float = Field(default=0.2, gt=0, lt=1)


def split_rows(validation: Validation, *, rows: int, time: pl.Series | None = None, seed: int = 0) -> tuple[Rows, Rows]:
    """Splits ``rows`` rows into training and validation rows, each ascending.

    Raises:
        DataError: one side would be empty, or the split by time has no time.
    """
    train, judge = _split(validation, rows, time, seed)
    if not len(train) or not len(judge):
        raise DataError("", f"{rows} rows are too few for a validation of kind {validation.kind!r}")
    return train, judge


def hold_out(rows: int, *, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Draws the rows that tell a family when to stop; the rest is what it learns from. Both ascend."""
    kept_back = max(1, round(rows * fraction))
    order = np.random.default_rng(seed).permutation(rows)
    return np.sort(order[kept_back:]), np.sort(order[:kept_back])


def _split(validation: Validation, rows: int, time: pl.Series | None, seed: int) -> tuple[Rows, Rows]:
    if validation.kind == "random":
        return hold_out(rows, fraction=validation.fraction, seed=seed)
    cut = rows - max(1, round(rows * validation.fraction))
    everything = np.arange(rows)
    if validation.kind == "last_fraction":
        return everything[:cut], everything[cut:]
    if time is None:
        raise DataError("", "a validation by time needs the recipe to name a 'time' column")
    if time.null_count():
        raise DataError(time.name, "has missing values, so rows cannot be split by it")
    late = (time >= time.sort()[cut]).to_numpy()
    return everything[~late], everything[late]
