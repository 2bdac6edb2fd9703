"""How well a probability is calibrated: Brier score, calibration table, expected error, slope and intercept."""

from dataclasses import dataclass

import numpy as np

from scoreline_registry.statistics.contrasts.differences import mean
from scoreline_registry.statistics.contrasts.proportions import wilson
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.joint_moments import BLOCK
from scoreline_registry.statistics.moments import Moments, Values
from scoreline_registry.statistics.scores.ranking import Float64, Label

BINS = 10

CLIPPED = 1e-9
"""Probabilities of 0 and 1 are taken this far from them, for their log odds."""

METHOD = "logistic recalibration"

FEW_EVENTS = 10
"""Events, and others, that a slope and an intercept need (5 per coefficient)."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows with neighboring scores: their mean score and the rate of events, with Wilson's interval."""

    rows: int
    score: float
    rate: Figure


@dataclass(frozen=True, slots=True)
class Recalibration:
    """Cox's regression of the label on the log odds of the score.

    Attributes:
        intercept: 0 where calibrated; below it the score is too high.
        slope: 1 where calibrated; below it the scores are too extreme.
    """

    intercept: Figure
    slope: Figure


def squared_errors(label: Label, score: Values) -> Moments:
    """The moments of (score - label)^2: their mean is the Brier score, and moments of blocks add up."""
    return Moments.of(np.square(np.asarray(score, np.float64) - label))


def brier(label: Label, score: Values, *, alpha: float = 0.05) -> Figure:
    """The mean squared difference of score and label (Brier, Monthly Weather Review 78, 1950), with Student's interval.

    Two arms are compared by ``differences.difference`` of their ``squared_errors``, two scores of the same rows by
    ``differences.mean`` of the differences of them.
    """
    return mean(squared_errors(label, score), alpha=alpha, of="squared error (Brier score)")


def log_losses(label: Label, score: Values) -> Float64:
    """float64 [N]: minus the log of the probability that each row's label had, -log(p) or -log(1 - p).

    Probabilities of 0 and 1 are taken 2.2e-16 from them, as scikit-learn does.
    """
    least = float(np.finfo(np.float64).eps)
    clipped = np.clip(np.asarray(score, np.float64), least, 1 - least)
    losses: Float64 = -np.log(np.where(np.asarray(label, bool), clipped, 1 - clipped))
    return losses


def log_loss(label: Label, score: Values, *, alpha: float = 0.05) -> Figure:
    """The mean of the rows' ``log_losses`` (the cross-entropy), with Student's interval."""
    return mean(Moments.of(log_losses(label, score)), alpha=alpha, of="log loss")


def calibration_table(
    label: Label, score: Values, *, bins: int = BINS, alpha: float = 0.05
) -> tuple[CalibrationBin, ...]:
    """Bins of equally many rows by ascending score, fewer where there are fewer rows than bins."""
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(
        CalibrationBin(
            len(part),
            float(np.mean(score[part], dtype=np.float64)),
            wilson(int(np.sum(label[part], dtype=np.int64)), len(part), alpha=alpha),
        )
        for part in parts
    )


def expected_calibration_error(label: Label, score: Values, *, bins: int = BINS) -> float:
    """The mean gap between mean score and rate of events, over ``bins`` bins of equally many rows by score.

    Equal-mass binning (Nixon et al., "Measuring Calibration in Deep Learning", CVPR workshops 2019): bins of equal
    width would put nearly every row of a rare label into the first. It is above 0 by chance alone: look at the table.
    """
    order = np.argsort(score, kind="stable")
    gaps = [
        abs(float(np.mean(score[part], dtype=np.float64) - np.mean(label[part], dtype=np.float64))) * len(part)
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return sum(gaps) / len(order)


def recalibration(label: Label, score: Values, *, alpha: float = 0.05) -> Recalibration:
    """Intercept and slope of logit P(label) = a + b logit(score) (Cox, Biometrika 45, 1958), with Wald's intervals.

    Maximum likelihood by Newton's method. p of the intercept tests a = 0, that of the slope b = 1.
    """
    events = int(np.sum(label, dtype=np.int64))
    few = min(events, len(score) - events)
    if few < FEW_EVENTS:
        none = TooFew(few, FEW_EVENTS, METHOD)
        return Recalibration(none, none)
    event = np.asarray(label, bool)
    if score[event].min() >= score[~event].max() or score[~event].min() >= score[event].max():
        none = TooFew(0, 1, f"{METHOD}: rows of both labels with scores that overlap")
        return Recalibration(none, none)
    coefficients, covariance = _fitted(label, score)
    figures = [
        _wald(float(coefficients[at]), float(covariance[at, at]), null, len(score), alpha)
        for at, null in ((0, 0.0), (1, 1.0))
    ]
    return Recalibration(*figures)


def _fitted(label: Label, score: Values) -> tuple[Float64, Float64]:
    """Coefficients [2] and their covariance [2, 2]; steps are halved while they lower the likelihood."""
    coefficients = np.array([0.0, 1.0])
    likelihood, gradient, information = _derivatives(label, score, coefficients)
    for _ in range(50):
        step = np.linalg.solve(information, gradient)
        found = _derivatives(label, score, coefficients + step)
        while found[0] < likelihood - 1e-12 * abs(likelihood) and np.abs(step).max() > 1e-12:
            step /= 2
            found = _derivatives(label, score, coefficients + step)
        coefficients, (likelihood, gradient, information) = coefficients + step, found
        if np.abs(step).max() < 1e-10:
            break
    return coefficients, np.linalg.inv(information).astype(np.float64)


def _derivatives(label: Label, score: Values, coefficients: Float64) -> tuple[float, Float64, Float64]:
    """The log likelihood, its gradient [2] and the information [2, 2], summed block by block."""
    likelihood, gradient, information = 0.0, np.zeros(2), np.zeros((2, 2))
    for start in range(0, len(score), BLOCK):
        event = np.asarray(label[start : start + BLOCK], np.float64)
        clipped = np.clip(np.asarray(score[start : start + BLOCK], np.float64), CLIPPED, 1 - CLIPPED)
        columns = np.stack([np.ones(len(event)), np.log(clipped / (1 - clipped))])
        linear = coefficients @ columns
        share = np.exp(-np.logaddexp(0, -linear))
        likelihood += float(event @ linear - np.logaddexp(0, linear).sum())
        gradient += columns @ (event - share)
        information += (columns * (share * (1 - share))) @ columns.T
    return likelihood, gradient, information


def _wald(value: float, variance: float, null: float, count: int, alpha: float) -> Estimate:
    from scipy.stats import norm  # noqa: PLC0415 - serving needs no SciPy

    error = float(np.sqrt(variance))
    reach = float(norm.ppf(1 - alpha / 2)) * error
    p = 2 * float(norm.sf(abs(value - null) / error))
    assumptions = "Rows are independent; scores are probabilities strictly between 0 and 1."
    return Estimate(value, value - reach, value + reach, p, 1 - alpha, METHOD, assumptions, count)
