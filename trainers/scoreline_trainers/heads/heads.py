"""Linear heads on a shared state: a head is float64 [H + 1], a weight for each part of the state and the bias."""

import numpy as np
from scipy.special import expit

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.metrics import Label

_STEPS = 100
_CLOSE = 1e-9


def with_bias(states: Float64) -> Float64:
    """[N, H] -> [N, H + 1]: the states with a column of ones."""
    return np.concatenate([states, np.ones((len(states), 1))], axis=1)


def log_odds(states: Float64, head: Float64) -> Float64:
    """[N, H], [H + 1] -> [N]."""
    odds: Float64 = with_bias(states) @ head
    return odds


def log_loss(states: Float64, label: Label, head: Float64) -> float:
    """The mean over [N] rows."""
    return float(np.logaddexp(0, np.where(label == 1, -1, 1) * log_odds(states, head)).mean())


def most_probable(
    states: Float64, label: Label, *, centre: Float64, precision: Float64, weight: Float64 | None = None
) -> Float64:
    """The head that is most probable after some rows, if before them heads are normal around ``centre``.

    The maximum a posteriori of logistic regression, by Newton's method with halved steps (Bishop, Pattern Recognition
    and Machine Learning, 2006, section 4.5.1). Without rows it is ``centre``.

    Args:
        states: float64 [N, H].
        label: int8 [N].
        centre: float64 [H + 1].
        precision: float64 [H + 1, H + 1], the inverse covariance; positive definite, so that there is one maximum.
        weight: float64 [N], how often each row counts; None for once.
    """
    counts = np.ones(len(states)) if weight is None else weight
    matrix, sign, head = with_bias(states), np.where(label == 1, 1.0, -1.0), centre.copy()

    def cost(candidate: Float64) -> float:
        away = candidate - centre
        return float(counts @ np.logaddexp(0, -sign * (matrix @ candidate)) + away @ precision @ away / 2)

    for _ in range(_STEPS):
        share = expit(matrix @ head)
        slope = matrix.T @ (counts * (share - label)) + precision @ (head - centre)
        curvature = (matrix * (counts * share * (1 - share))[:, None]).T @ matrix + precision
        step = np.linalg.solve(curvature, slope)
        # Newton's decrement: how far the cost is above its minimum, by the parabola that fits here.
        if slope @ step < _CLOSE:
            break
        length, before = 1.0, cost(head)
        while cost(head - length * step) > before - 0.25 * length * float(slope @ step) and length > _CLOSE:
            length /= 2
        head = head - length * step
    return head


def descended(
    states: Float64, label: Label, *, start: Float64, rate: float, steps: int, weight: Float64 | None = None
) -> Float64:
    """``start`` float64 [H + 1] after some steps of gradient descent on the mean log loss; ``start`` without rows."""
    counts = np.ones(len(states)) if weight is None else weight / weight.mean()
    matrix, head = with_bias(states), start.copy()
    for _ in range(steps if len(matrix) else 0):
        head = head - rate * matrix.T @ (counts * (expit(matrix @ head) - label)) / len(matrix)
    return head
