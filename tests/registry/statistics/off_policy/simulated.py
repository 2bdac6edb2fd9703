"""A simulated world: contexts, three actions, a policy that ran and another one whose true value is known."""

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.off_policy.logged import LoggedDecisions

Float64 = npt.NDArray[np.float64]

ACTIONS = ("none", "nudge", "offer")


def probabilities(contexts: Float64, slopes: tuple[float, float], floor: float = 0.05) -> Float64:
    """[N, 3] softmax over the actions, mixed with a floor."""
    scores = np.column_stack([np.zeros(len(contexts)), slopes[0] * contexts, 0.5 + slopes[1] * contexts])
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: Float64 = floor + (1 - 3 * floor) * raised / raised.sum(axis=1, keepdims=True)
    return found


def expected(contexts: Float64) -> Float64:
    """[N, 3] the true mean reward of each action: not linear in the context."""
    return np.column_stack([np.zeros(len(contexts)), contexts, 1 - 0.4 * contexts**2])


def logged(count: int, seed: int, *, units: int | None = None) -> tuple[LoggedDecisions, Float64]:
    """A log of ``count`` decisions, and their features; all decisions of a unit have its context and its effect."""
    random = np.random.default_rng(seed)
    of_unit = np.arange(count) if units is None else random.integers(0, units, count)
    contexts = random.normal(size=count if units is None else units)[of_unit]
    moods = random.normal(size=count if units is None else units)[of_unit] * (units is not None)
    logging = probabilities(contexts, (1.0, -0.5))
    taken = (random.random(count)[:, None] > np.cumsum(logging, axis=1)).sum(axis=1).clip(0, 2)
    rows = np.arange(count)
    rewards = expected(contexts)[rows, taken] + moods + random.normal(size=count)
    log = LoggedDecisions(
        ACTIONS, taken, rewards, logging[rows, taken], probabilities(contexts, (-0.5, 1.0)),
        units=None if units is None else of_unit,
    )  # fmt: skip
    return log, contexts[:, None]


def true_value() -> float:
    """The value of the policy to evaluate: Gauss-Hermite quadrature over contexts."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    values = (probabilities(points, (-0.5, 1.0)) * expected(points)).sum(axis=1)
    return float(weights @ values / weights.sum())
