"""Inverse propensity, self-normalised and doubly robust estimates of a policy's value, with intervals.

Each estimator gives one term per decision whose mean is the value (``Terms``); the interval is Student's t of their
mean over units, so that decisions of one unit may depend on each other. It is asymptotic: for rewards within known
bounds ``bernstein`` has an interval that holds at every count, and is far wider.
"""

import math
from dataclasses import dataclass

import numpy as np

from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.figures import Figure, TooFew
from scoreline_registry.statistics.off_policy.logged import Float64, Integers, LoggedDecisions

LEAST_EFFECTIVE = 30
"""The least effective decisions, and units, for an interval: fewer weights decide too much alone."""

ASSUMPTIONS = (
    "Propensities are those that actions were drawn with, from what was known before; units are independent; the mean"
    " is nearly normal."
)

IPS = "inverse propensity"
SELF_NORMALISED = "self-normalised inverse propensity"
DOUBLY_ROBUST = "doubly robust"


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """An estimate as the mean of one term per decision.

    Attributes:
        name: the estimator's name, with its clipping.
        terms: [N] their mean is the value; of the self-normalised estimator linearised at the value.
        units: [N] as of ``LoggedDecisions``.
        effective: the effective number of decisions (Kish): (sum w)^2 / sum w^2 of the weights w.
    """

    name: str
    terms: Float64
    units: Integers | None
    effective: float

    def minus(self, rewards: Float64) -> "Terms":
        """The gain over what the log got: the same decisions, so that the interval is narrower than of two values."""
        return Terms(f"{self.name}, less the log's rewards", self.terms - rewards, self.units, self.effective)

    def figure(self, *, alpha: float = 0.05) -> Figure:
        """The value with Student's t interval over units; ``TooFew`` below LEAST_EFFECTIVE decisions or units."""
        found = self.contrast()
        return found if isinstance(found, TooFew) else found.fixed(alpha)

    def contrast(self) -> Contrast | TooFew:
        """The value and its variance, whose sums over units are independent (Liang and Zeger, Biometrika 73, 1986)."""
        count = len(self.terms)
        sums, sizes = _by_unit(self.terms, self.units)
        few = min(math.floor(self.effective), len(sums))
        if few < LEAST_EFFECTIVE:
            return TooFew(few, LEAST_EFFECTIVE, f"{self.name}: effective decisions")
        value = float(self.terms.mean())
        spread = float(np.square(sums - value * sizes).sum()) * len(sums) / (len(sums) - 1) / count**2
        return Contrast(
            value=value,
            variance=spread,
            count=count,
            smallest=len(sums),
            rows=len(sums),
            degrees=len(sums) - 1,
            name=self.name,
            test="Student's t over units",
            assumptions=ASSUMPTIONS,
        )


def inverse_propensity(log: LoggedDecisions, *, clip: float | None = None) -> Terms:
    """Rewards weighed by the importance weights (Horvitz and Thompson 1952; Li et al., WSDM 2011).

    ``clip`` is the largest weight, above 0; what it takes away biases the value towards 0 (Ionides 2008). Raises
    NoSupportError.
    """
    weights = _weights(log, clip)
    return Terms(_name(IPS, clip), weights * log.rewards, log.units, effective(weights))


def self_normalised(log: LoggedDecisions, *, clip: float | None = None) -> Terms:
    """The weighted mean of rewards (Hajek 1971; Swaminathan and Joachims, NIPS 2015).

    Its value is within the range of the rewards and does not change with their origin; its bias is of the order of
    1 / N. Raises NoSupportError.
    """
    weights = _weights(log, clip)
    total = float(weights.sum())
    value = float(weights @ log.rewards) / total if total else math.nan
    terms = value + weights * (log.rewards - value) * (len(log) / total if total else math.nan)
    return Terms(_name(SELF_NORMALISED, clip), terms, log.units, effective(weights))


def doubly_robust(log: LoggedDecisions, predicted: Float64, *, clip: float | None = None) -> Terms:
    """The value by an outcome model, corrected by the weighed errors of that model (Dudik et al., ICML 2011).

    ``predicted`` [N, A] are the rewards that the model expects of each action; a row's prediction must not have learned
    from that row (``outcome_models.fitted``). Unbiased where the propensities or the model are right. Raises
    NoSupportError, and ValueError for predictions that are not finite.
    """
    if predicted.shape != log.targets.shape or not np.isfinite(predicted).all():
        raise ValueError(f"predicted rewards are finite numbers of the shape {log.targets.shape}")
    weights = _weights(log, clip)
    direct = (log.targets * predicted).sum(axis=1)
    errors = log.rewards - predicted[np.arange(len(log)), log.taken]
    return Terms(_name(DOUBLY_ROBUST, clip), direct + weights * errors, log.units, effective(weights))


def mean_weight(log: LoggedDecisions) -> Terms:
    """The mean of the weights, which is 1 where the propensities are right and every action has support."""
    weights = log.weights
    return Terms("mean importance weight", weights, log.units, effective(weights))


def effective(weights: Float64) -> float:
    """The effective number of weights: (sum w)^2 / sum w^2; 0 for none."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def clipped_share(log: LoggedDecisions, clip: float) -> float:
    """The share of the weight that clipping takes away: 0 to 1."""
    weights = log.weights
    total = float(weights.sum())
    return float((weights - np.minimum(weights, clip)).sum()) / total if total else 0.0


def _weights(log: LoggedDecisions, clip: float | None) -> Float64:
    if clip is not None and not clip > 0:
        raise ValueError(f"weights are clipped at a number above 0, not {clip}")
    log.check_support()
    return log.weights if clip is None else np.minimum(log.weights, clip)


def _name(estimator: str, clip: float | None) -> str:
    return estimator if clip is None else f"{estimator}, weights clipped at {clip:g}"


def _by_unit(terms: Float64, units: Integers | None) -> tuple[Float64, Float64]:
    """The sum of the terms of each unit and how many it has."""
    if units is None:
        return terms, np.ones(len(terms))
    _, places = np.unique(units, return_inverse=True)
    return np.asarray(np.bincount(places, terms), np.float64), np.bincount(places).astype(np.float64)
