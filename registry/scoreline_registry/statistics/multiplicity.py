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


def benjamini_hochberg(p: Sequence[float], *, alpha: float = 0.05) -> Correction:
    """The step-up correction of Benjamini and Hochberg (JRSS B 57, 1995).

    Valid for independent or positively dependent p-values at one look that was fixed before; for always-valid ones take
    ``e_benjamini_hochberg``.
    """
    values, order, count = np.asarray(p, np.float64), np.argsort(p, kind="stable"), len(p)
    stepped = np.minimum.accumulate((values[order] * count / np.arange(1, count + 1))[::-1])[::-1]
    return _correction(stepped, order, alpha, "Benjamini-Hochberg", "the expected share of false discoveries")


def e_benjamini_hochberg(e: Sequence[float], *, alpha: float = 0.05) -> Correction:
    """e-BH (Wang and Ramdas, JRSS B 84, 2022): rejects the k largest e-values, k greatest with k e_(k) >= K / alpha.

    Valid under any dependence and at any look.
    """
    values, count = np.asarray(e, np.float64), len(e)
    order = np.argsort(-values, kind="stable")
    with np.errstate(divide="ignore", over="ignore"):
        levels = count / (np.arange(1, count + 1) * values[order])
    stepped = np.minimum.accumulate(levels[::-1])[::-1]
    return _correction(stepped, order, alpha, "e-BH", "the expected share of false discoveries")


def e_of_p(p: float) -> float:
    """An e-value from a p-value, also from an always-valid one: (1 - p + p log p) / (p log(p)^2), infinite at 0.

    The calibrator of Vovk and Wang (Annals of Statistics 49, 2021, equation 1): the integral of k p^(k - 1) over k.
    """
    if p <= 0:
        return float("inf")
    if p >= 1 - 1e-6:
        return 0.5 if p <= 1 else 0.0
    log = float(np.log(p))
    return (1 - p + p * log) / (p * log * log)


def _correction(stepped: np.ndarray, order: np.ndarray, alpha: float, method: str, controls: str) -> Correction:
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(stepped, 1.0)
    return Correction(tuple(adjusted.tolist()), tuple((adjusted <= alpha).tolist()), alpha, method, controls)
