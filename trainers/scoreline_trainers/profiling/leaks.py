"""Finds columns that give a label away: too good alone, or filled only once the event has happened."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import auc

TOO_GOOD = 0.97
"""Area under the ROC curve of one column on rows held out; a copy of a label with 1 % noise has 0.99."""

Sign = Literal["filled", "missing", "not zero"]

_BINS = 50
_ROWS_OF_A_BIN = 40
_ROWS = 20
_PURE = 0.99
_NEARLY_PURE = 0.9
_RARE = 0.5

Labels = npt.NDArray[np.int8]


def alone(values: Float64, label: Labels, *, category: bool) -> float | None:
    """Area under the ROC curve, 0.5 to 1, of the label's rate by the values of one column, on rows held out.

    The rates come from a drawn half of the rows, by quantiles of numbers and by names of categories; the rest is
    ranked by them. So a column may rise and fall with the label. Where some values are missing, the larger of two
    figures: of all rows, and of those that have a value.

    Args:
        values: float64 [N], NaN where missing; of a category, numbers of its names.
        label: int8 [N], 0 or 1.
        category: whether ``values`` are names.

    Returns:
        None where either half has fewer than 20 rows of a label.
    """
    known = ~np.isnan(values)
    everywhere = _alone(values, label, category=category)
    if everywhere is None or known.all():
        return everywhere
    return max(everywhere, _alone(values[known], label[known], category=category) or 0.0)


def _alone(values: Float64, label: Labels, *, category: bool) -> float | None:
    half = _half(len(label))
    if min(_rarer(label[half]), _rarer(label[~half])) < _ROWS:
        return None
    places = _places(values, half, category=category)
    rows = np.bincount(places[half], minlength=places.max() + 1)
    ones = np.bincount(places[half], weights=label[half], minlength=places.max() + 1)
    rate = (ones + label[half].mean()) / (rows + 1)
    found = auc(label[~half], rate[places[~half]])
    return max(found, 1 - found)


def amount_alone(values: Float64, amount: Float64, *, category: bool) -> float | None:
    """The share of an amount's variance on rows held out that one column explains; arguments as for ``alone``."""
    half = _half(len(amount))
    spread = float(amount[~half].var()) if len(amount) >= 4 * _ROWS else 0.0
    if not spread:
        return None
    places = _places(values, half, category=category)
    rows = np.bincount(places[half], minlength=places.max() + 1)
    total = np.bincount(places[half], weights=amount[half], minlength=places.max() + 1)
    mean = (total + amount[half].mean()) / (rows + 1)
    return max(0.0, 1 - float(((amount[~half] - mean[places[~half]]) ** 2).mean()) / spread)


def given_away(values: Float64, label: Labels, *, category: bool) -> tuple[Sign, int] | None:
    """Whether the rows in which a column is filled, missing or not zero have the label almost always.

    Returns:
        Which it is, and how many rows; None where the label is no rarer than every second row.
    """
    if label.mean() > _RARE:
        return None
    known = ~np.isnan(values)
    signs: list[tuple[Sign, npt.NDArray[np.bool_], float]] = [
        ("filled", known, _NEARLY_PURE),
        ("missing", ~known, _NEARLY_PURE),
        ("not zero", known & (values != 0), _PURE),
    ]
    for sign, rows, least in signs[: 2 if category else 3]:
        count = int(rows.sum())
        if _ROWS <= count < len(label) and label[rows].mean() >= least:
            return sign, count
    return None


def _half(rows: int) -> npt.NDArray[np.bool_]:
    # A seed of its own: a label that was drawn with a common one would lie in one half.
    return np.random.default_rng([7, 4, 1, 8]).random(rows) < 1 / 2


def _rarer(label: Labels) -> int:
    return min(int(label.sum()), len(label) - int(label.sum()))


def _places(values: Float64, half: npt.NDArray[np.bool_], *, category: bool) -> npt.NDArray[np.intp]:
    """intp [N]: the number of each row's bin or name; 0 where the value is missing."""
    known = ~np.isnan(values)
    places = np.zeros(len(values), np.intp)
    if category:
        places[known] = np.unique(values[known], return_inverse=True)[1] + 1
        return places
    fitted = values[half & known]
    if len(fitted):
        bins = max(2, min(_BINS, len(fitted) // _ROWS_OF_A_BIN))
        edges = np.unique(np.quantile(fitted, np.arange(1, bins) / bins))
        # Values on an edge, such as 0 and 1, have a bin of their own.
        places[known] = np.searchsorted(edges, values[known], "left") + np.searchsorted(edges, values[known], "right")
        places[known] += 1
    return places
