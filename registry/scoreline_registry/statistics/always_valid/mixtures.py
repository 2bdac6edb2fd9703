"""Uniform boundaries: curves that a random walk crosses at any time with a probability of at most alpha.

A walk S with intrinsic time V, such as a sum of centred values and its variance, crosses ``bound(V, alpha)`` with a
probability of at most alpha, over all times together (Howard, Ramdas, McAuliffe and Sekhon 2021, arXiv:1810.08240;
the conjugate mixtures of its sections 3 and appendix A). They hold at every sample size: for rare events and
small samples, where the asymptotic sequence does not yet. Mixtures are tuned to be tightest near one intrinsic time;
rho is the closed approximation v / (2 ln(1/alpha) + ln(1 + 2 ln(1/alpha))), as in the package confseq.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from scoreline_registry.statistics.special import log_beta, log_beta_ratio, log_gamma_p, log_gamma_q, log_normal_cdf

ZETA_14 = 3.1055472779775806  # Riemann's zeta(1.4)


class Mixture(Protocol):
    """A mixture of supermartingales of a walk."""

    def log_evidence(self, s: float, v: float) -> float:
        """The logarithm of the mixture at the walk's value and time: it ever exceeds ln(1/alpha) with at most alpha."""


def tuned_rho(v: float, alpha: float = 0.05, *, one_sided: bool = False) -> float:
    """The mixture parameter that is tightest near the intrinsic time ``v``; of one side that of 2 alpha."""
    log_odds = math.log(1 / (2 * alpha if one_sided else alpha))
    return v / (2 * log_odds + math.log1p(2 * log_odds))


@dataclass(frozen=True, slots=True)
class NormalMixture:
    """The normal mixture of a sub-Gaussian walk; with ``one_sided`` the half-normal mixture, for crossings upwards."""

    rho: float
    one_sided: bool = False

    def log_evidence(self, s: float, v: float) -> float:
        """See ``Mixture``."""
        time = v + self.rho
        two_sided = 0.5 * math.log(self.rho / time) + s * s / (2 * time)
        return two_sided + math.log(2) + log_normal_cdf(s / math.sqrt(time)) if self.one_sided else two_sided

    def bound(self, v: float, alpha: float) -> float:
        """The boundary at time ``v``."""
        if self.one_sided:
            return crossing(self, v, alpha)
        return math.sqrt((v + self.rho) * (math.log1p(v / self.rho) + 2 * math.log(1 / alpha)))


@dataclass(frozen=True, slots=True)
class GammaExponentialMixture:
    """The gamma mixture of a sub-exponential walk of scale ``c``, such as one whose steps are at most ``c``."""

    rho: float
    c: float

    def log_evidence(self, s: float, v: float) -> float:
        """See ``Mixture``."""
        a, b, x = self.rho / self.c**2, (v + self.rho) / self.c**2, (self.c * s + v) / self.c**2
        prior = a * math.log(a) - math.lgamma(a) - log_gamma_p(a, a)
        return prior + math.lgamma(b) + log_gamma_p(b, x + a) - b * math.log(x + a) + x

    def bound(self, v: float, alpha: float) -> float:
        """The boundary at time ``v``."""
        return crossing(self, v, alpha)


@dataclass(frozen=True, slots=True)
class GammaPoissonMixture:
    """The gamma mixture of a sub-Poisson walk of scale ``c``, such as a centred count of events."""

    rho: float
    c: float

    def log_evidence(self, s: float, v: float) -> float:
        """See ``Mixture``."""
        a, b = self.rho / self.c**2, (v + self.rho) / self.c**2
        x = s / self.c + b
        prior = a * math.log(a) - math.lgamma(a) - log_gamma_q(a, a)
        return prior + math.lgamma(x) + log_gamma_q(x, b) - x * math.log(b) + v / self.c**2

    def bound(self, v: float, alpha: float) -> float:
        """The boundary at time ``v``."""
        return crossing(self, v, alpha)


@dataclass(frozen=True, slots=True)
class BetaBinomialMixture:
    """The beta mixture of a sub-Bernoulli walk: each step lies in [-g, h], and its mean is 0."""

    r: float
    g: float
    h: float
    one_sided: bool = False

    @classmethod
    def tuned(
        cls, v: float, g: float, h: float, alpha: float = 0.05, *, one_sided: bool = False
    ) -> "BetaBinomialMixture":
        """The mixture that is tightest near the intrinsic time ``v``."""
        rho = tuned_rho(v, alpha, one_sided=one_sided)
        return cls(max(rho - g * h, 1e-3 * g * h), g, h, one_sided)

    def log_evidence(self, s: float, v: float) -> float:
        """See ``Mixture``."""
        g, h, whole = self.g, self.h, self.g + self.h
        walk = (
            v / (g * h) * math.log(whole)
            - (v + h * s) / (h * whole) * math.log(g)
            - (v - g * s) / (g * whole) * math.log(h)
        )
        return walk + self._log_part(self.r + v - g * s, self.r + v + h * s) - self._log_part(self.r, self.r)

    def _log_part(self, below: float, above: float) -> float:
        whole = self.g + self.h
        a, b = below / (self.g * whole), above / (self.h * whole)
        return log_beta(a, b) + (log_beta_ratio(a, b, self.h / whole) if self.one_sided else 0.0)

    def bound(self, v: float, alpha: float) -> float:
        """The boundary at time ``v``; at most v / g, the greatest value of the walk."""
        return crossing(self, v, alpha, greatest=v / self.g)


def crossing(mixture: Mixture, v: float, alpha: float, *, greatest: float = math.inf) -> float:
    """The walk's value at which a mixture reaches 1 / alpha at time ``v``, or ``greatest`` where it does not."""
    threshold = math.log(1 / alpha)
    high = min(max(v, 1.0), greatest)
    while high < greatest and mixture.log_evidence(high, v) < threshold:
        high = min(2 * high, greatest)
    if mixture.log_evidence(high, v) < threshold:
        return greatest
    return root(lambda s: mixture.log_evidence(s, v) - threshold, 0.0, high)


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """The place between ``low`` and ``high`` where a function turns from below 0 to above it, by bisection."""
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) > 0 else (middle, high)
    return (low + high) / 2


def lowest(function: Callable[[float], float], low: float, high: float, *, steps: int = 60) -> float:
    """The place between ``low`` and ``high`` where a function that falls and then rises is lowest (golden section)."""
    shrink = (math.sqrt(5) - 1) / 2
    for _ in range(steps):
        left, right = high - shrink * (high - low), low + shrink * (high - low)
        low, high = (low, right) if function(left) < function(right) else (left, high)
    return (low + high) / 2


def polynomial_stitching_bound(v: float, alpha: float, v_min: float, *, c: float = 0.0) -> float:
    """The stitched boundary of a sub-gamma walk of scale ``c``: within a constant of the law of the iterated logarithm.

    Equation 10 of the paper with s = 1.4 and eta = 2.
    """
    time = max(v, v_min)
    rate = 1.4 * math.log(math.log(2 * time / v_min)) + math.log(ZETA_14 / (alpha * math.log(2) ** 1.4))
    linear = (math.sqrt(2) + 1) / 2 * c * rate
    square = (2**0.25 + 2**-0.25) ** 2 / 2
    return math.sqrt(square * time * rate + linear**2) + linear


def distribution_bound(count: int, alpha: float, *, burn_in: int = 100, scale: float = 0.85) -> float:
    """The greatest distance of an empirical distribution function from the true one, at every count from the burn-in.

    The law of the iterated logarithm for empirical processes of Howard and Ramdas (2022, arXiv:1906.09712, theorem 2):
    A sqrt((ln(1 + ln(t / m)) + C) / t); infinite before the burn-in.
    """
    if count < burn_in:
        return math.inf
    return scale * math.sqrt((math.log1p(math.log(count / burn_in)) + _distribution_constant(alpha, scale)) / count)


@cache
def _distribution_constant(alpha: float, scale: float) -> float:
    """The smallest C of theorem 2 whose error, minimised over eta, is alpha."""
    return root(lambda constant: alpha - _distribution_error(constant, scale), 0.1, 1000.0)


def _distribution_error(constant: float, scale: float) -> float:
    """The smallest error over eta of a constant: 4 exp(-gamma^2 C) (1 + 1 / ((gamma^2 - 1) ln eta))."""

    def error(eta: float) -> float:
        gamma = 2 / eta * (scale - math.sqrt(2 * (eta - 1) / constant)) ** 2
        return 4 * math.exp(-gamma * constant) * (1 + 1 / ((gamma - 1) * math.log(eta))) if gamma > 1 else math.inf

    widest = root(lambda eta: math.sqrt(eta / 2) + math.sqrt(2 * (eta - 1) / constant) - scale, 1.0, 2 * scale**2)
    return min(error(1 + (widest - 1) * step / 2000) for step in range(1, 2000))
