"""Logarithms of the incomplete beta and gamma functions, without SciPy and without underflow in the tails.

The server's guards need them while ``serve`` runs without the ``analysis`` extra. Series and continued fractions of
Abramowitz and Stegun 6.5.29, 6.5.31 and 26.5.8, evaluated by the modified Lentz method.
"""

import math
from collections.abc import Iterator
from itertools import count

TINY = 1e-300
PRECISION = 1e-15


def log_beta(a: float, b: float) -> float:
    """The logarithm of the beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def log_beta_ratio(a: float, b: float, x: float) -> float:
    """The logarithm of the regularised incomplete beta function I_x(a, b), 0 < x <= 1."""
    if x >= 1:
        return 0.0
    if x > (a + 1) / (a + b + 2):
        return _log_complement(log_beta_ratio(b, a, 1 - x))
    front = a * math.log(x) + b * math.log1p(-x) - log_beta(a, b) - math.log(a)
    return front - math.log(_continued_fraction(_beta_terms(a, b, x)))


def log_gamma_p(a: float, x: float) -> float:
    """The logarithm of the regularised lower incomplete gamma function P(a, x), x > 0."""
    if x > a + 1:
        return _log_complement(_log_gamma_tail(a, x))
    return a * math.log(x) - x - math.lgamma(a + 1) + math.log(_series(a, x))


def log_gamma_q(a: float, x: float) -> float:
    """The logarithm of the regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x), x > 0."""
    return _log_gamma_tail(a, x) if x > a + 1 else _log_complement(log_gamma_p(a, x))


def log_normal_cdf(z: float) -> float:
    """The logarithm of the standard normal distribution function; -inf below about -38."""
    value = math.erfc(-z / math.sqrt(2)) / 2
    return math.log(value) if value else -math.inf


def _log_complement(log_value: float) -> float:
    """ln(1 - e^x), for x <= 0."""
    return math.log(-math.expm1(log_value)) if log_value < 0 else -math.inf


def _log_gamma_tail(a: float, x: float) -> float:
    return a * math.log(x) - x - math.lgamma(a) - math.log(_continued_fraction(_gamma_terms(a, x), x + 1 - a))


def _series(a: float, x: float) -> float:
    total = term = 1.0
    for k in count(1):
        term *= x / (a + k)
        total += term
        if term < PRECISION * total:
            break
    return total


def _gamma_terms(a: float, x: float) -> Iterator[tuple[float, float]]:
    for k in count(1):
        yield k * (a - k), x + 2 * k + 1 - a


def _beta_terms(a: float, b: float, x: float) -> Iterator[tuple[float, float]]:
    yield -(a + b) * x / (a + 1), 1.0
    for k in count(1):
        yield k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k)), 1.0
        yield -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1)), 1.0


def _continued_fraction(terms: Iterator[tuple[float, float]], first: float = 1.0) -> float:
    """first + n1 / (d1 + n2 / (d2 + ...)) for (n, d) of ``terms``."""
    value = upper = first or TINY
    lower = 0.0
    for numerator, denominator in terms:
        lower = 1 / (denominator + numerator * lower or TINY)
        upper = denominator + numerator / upper or TINY
        value *= upper * lower
        if abs(upper * lower - 1) < PRECISION:
            break
    return value
