"""Corrections for looking at several metrics, arms or segments at once. Each keeps the order of what it is given."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Correction:
    """What is left of several p-values after a correction.

    Attributes:
        adjusted: per hypothesis, to be compared with alpha; for e-values the smallest alpha at which it is rejected.
        rejected: per hypothesis, at ``alpha``.
        alpha: the level.
        method: the name of the correction.
        controls: what is kept at alpha.
    """

    adjusted: tuple[float, ...]
    rejected: tuple[bool, ...]
    alpha: float
    method: str
    controls: str


def holm(p: Sequence[float], *, alpha: float = 0.05) -> Correction:
    """Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979).

    Valid under any dependence; with always-valid p-values at any look, since each stays valid at every stopping time.
    """
    values, order, count = np.asarray(p, np.float64), np.argsort(p, kind="stable"), len(p)
    stepped = np.maximum.accumulate(values[order] * (count - np.arange(count)))
    return _correction(stepped, order, alpha, "Holm", "the chance of any false discovery")


def _correction(stepped: np.ndarray, order: np.ndarray, alpha: float, method: str, controls: str) -> Correction:
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(stepped, 1.0)
    return Correction(tuple(adjusted.tolist()), tuple((adjusted <= alpha).tolist()), alpha, method, controls)
