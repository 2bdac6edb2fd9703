"""Measures of a purchase's deviation from its buyer's history, natively and as graph nodes, both in float64.

A history of n known steps is weighed against k imaginary steps of the population (``strength``), so that a short
history says little and a long one almost everything; one without any step is the population's.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from scoreline_trainers.data.batch import Float32, Float64
from scoreline_trainers.graph.scaling import LIMIT
from scoreline_trainers.graph.tensor import Tensor

# The median absolute deviation of normal values times this is their standard deviation.
_NORMAL_MAD = 1.4826
_HOURS = 24.0

Mask = npt.NDArray[np.bool_]


class Measure(Protocol):
    """How unusual a value is in its row's history, one number for each row."""

    def apply(self, now: Float32, past: Float32, real: Mask) -> Float64:
        """float64 [N] of values float32 [N], histories float32 [N, T] and bool [N, T]; a missing value gives 0."""

    def emit(self, now: Tensor, past: Tensor, real: Tensor) -> Tensor:
        """Graph nodes of ``apply``: double [N]."""

    def edges(self) -> Float32:
        """Values where the measure may jump."""


@dataclass(frozen=True, slots=True)
class AmountZ:
    """The robust z-score of an amount x.

    ``z = (x - centre) / spread`` within 20 of zero, ``centre = (n median + k centre0) / (n + k)`` and
    ``spread = (n 1.4826 MAD + k spread0) / (n + k)``, with the history's median and median absolute deviation, and the
    population's centre0 and spread0. With ``log``, every amount a is ``sign(a) ln(1 + |a|)`` first.

    Source of the score: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993), section 3.3.
    """

    centre: float
    spread: float
    strength: float
    log: bool

    @classmethod
    def fit(cls, amounts: Float32, *, strength: float, log: bool) -> "AmountZ":
        """Fits the population on float32 [M]."""
        known = _scale(amounts[~np.isnan(amounts)].astype(np.float64), log=log)
        centre = float(np.median(known)) if len(known) else 0.0
        spread = _NORMAL_MAD * float(np.median(np.abs(known - centre))) if len(known) else 0.0
        return cls(centre, spread if spread > 0 else 1.0, strength, log)

    def apply(self, now: Float32, past: Float32, real: Mask) -> Float64:
        """float64 [N]."""
        known = real & ~np.isnan(past)
        history = _scale(np.where(known, past, 0).astype(np.float64), log=self.log)
        middle = _median(history, known)
        deviation = _NORMAL_MAD * _median(np.abs(history - middle[:, None]), known)
        n, k = known.sum(axis=1), self.strength
        centre, spread = (n * middle + k * self.centre) / (n + k), (n * deviation + k * self.spread) / (n + k)
        z = (_scale(np.where(np.isnan(now), 0, now).astype(np.float64), log=self.log) - centre) / spread
        return np.where(np.isnan(now), 0.0, np.clip(z, -LIMIT, LIMIT))

    def emit(self, now: Tensor, past: Tensor, real: Tensor) -> Tensor:
        """``apply`` as graph nodes."""
        known, n = _emit_known(past, real)
        history = self._emit_scale(known.where(past, 0))
        middle = _emit_median(history, known)
        deviation = _emit_median(abs(history - middle.unsqueeze(1)), known) * _NORMAL_MAD
        centre = (n * middle + self.strength * self.centre) / (n + self.strength)
        spread = (n * deviation + self.strength * self.spread) / (n + self.strength)
        missing = now.isnan()
        z = (self._emit_scale(missing.where(0, now)) - centre) / spread
        return missing.where(0, z.clip(-LIMIT, LIMIT))

    def edges(self) -> Float32:
        """None."""
        return np.array([], np.float32)

    def _emit_scale(self, values: Tensor) -> Tensor:
        wide = values.cast(np.float64)
        return wide.apply("Sign") * (abs(wide) + 1).apply("Log") if self.log else wide


@dataclass(frozen=True, slots=True, eq=False)
class Rarity:
    """The surprise ``-ln p`` of a category v: 0 for what always happens, 2.3 more for each tenth of the frequency.

    ``p = (count of v in the history + k q(v)) / (n + k)``, where ``q(v) = (count of v among M training rows + 1) /
    (M + K + 1)`` with K distinct values is the population's share by Laplace's rule, also of a value never seen.

    Attributes:
        values: float32 [K], ascending.
        shares: float64 [K], q of each.
        unseen: q of any other.
        strength: k.
    """

    values: Float32
    shares: Float64
    unseen: float
    strength: float

    @classmethod
    def fit(cls, values: Float32, *, strength: float) -> "Rarity":
        """Fits the population on float32 [M]."""
        known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        total = counts.sum() + len(known) + 1
        return cls(known, (counts + 1) / total, 1 / total, strength)

    def apply(self, now: Float32, past: Float32, real: Mask) -> Float64:
        """float64 [N]."""
        known = real & ~np.isnan(past)
        count = ((past == now[:, None]) & known).sum(axis=1)
        share = (now[:, None] == self.values).astype(np.float64) @ (self.shares - self.unseen) + self.unseen
        return _surprise(now, (count + self.strength * share) / (known.sum(axis=1) + self.strength))

    def emit(self, now: Tensor, past: Tensor, real: Tensor) -> Tensor:
        """``apply`` as graph nodes."""
        known, n = _emit_known(past, real)
        column = now.unsqueeze(1)
        count = (past.equal(column) & known).cast().sum(1)
        share = column.equal(self.values).cast() @ (self.shares - self.unseen) + self.unseen
        return _emit_surprise(now, (count + share * self.strength) / (n + self.strength))

    def edges(self) -> Float32:
        """Every value that was seen."""
        return self.values


@dataclass(frozen=True, slots=True, eq=False)
class HourRarity:
    """The surprise ``-ln p`` of an hour of the day h, 0 to 24 with fractions; hours beyond count as the nearest.

    ``p = (sum of K(distance to h) / (w + 1) over the history + k q(h)) / (n + k)`` with the triangle
    ``K(d) = max(0, 1 - d / (w + 1))``, w the window, distances around the clock, and q the population's share of the
    full hour that h is in, by Laplace's rule.

    Attributes:
        shares: float64 [25], q of each full hour; the last is midnight again.
        window: w, in hours.
        strength: k.
    """

    shares: Float64
    window: float
    strength: float

    @classmethod
    def fit(cls, hours: Float32, *, window: float, strength: float) -> "HourRarity":
        """Fits the population on float32 [M]."""
        known = _hours(hours[~np.isnan(hours)]).astype(np.intp) % int(_HOURS)
        counts = np.bincount(known, minlength=int(_HOURS)) + 1.0
        shares = counts / counts.sum()
        return cls(np.append(shares, shares[0]), window, strength)

    def apply(self, now: Float32, past: Float32, real: Mask) -> Float64:
        """float64 [N]."""
        known = real & ~np.isnan(past)
        hour = _hours(now)
        apart = np.abs(_hours(np.where(known, past, 0)) - hour[:, None])
        near = np.maximum(1 - np.minimum(apart, _HOURS - apart) / (self.window + 1), 0) * known
        share = self.shares[hour.astype(np.intp)]
        count = near.sum(axis=1) / (self.window + 1)
        return _surprise(now, (count + self.strength * share) / (known.sum(axis=1) + self.strength))

    def emit(self, now: Tensor, past: Tensor, real: Tensor) -> Tensor:
        """``apply`` as graph nodes."""
        known, n = _emit_known(past, real)
        hour = now.isnan().where(0, now).cast().clip(0, _HOURS)
        apart = abs(known.where(past, 0).cast().clip(0, _HOURS) - hour.unsqueeze(1))
        near = (1 - apart.minimum(_HOURS - apart) / (self.window + 1)).maximum(0) * known.cast()
        count = near.sum(1) / (self.window + 1)
        share = hour.like(self.shares).gather(hour.to_int64())
        return _emit_surprise(now, (count + share * self.strength) / (n + self.strength))

    def edges(self) -> Float32:
        """Every full hour and the float right before it."""
        full = np.arange(_HOURS + 1, dtype=np.float32)
        return np.unique(np.concatenate([full, np.nextafter(full[1:], np.float32(0))]))


def _scale(amounts: Float64, *, log: bool) -> Float64:
    scaled: Float64 = np.sign(amounts) * np.log(1 + np.abs(amounts)) if log else amounts
    return scaled


def _hours(values: Float32) -> Float64:
    known: Float64 = np.clip(np.where(np.isnan(values), 0, values).astype(np.float64), 0, _HOURS)
    return known


def _surprise(now: Float32, share: Float64) -> Float64:
    return np.where(np.isnan(now), 0.0, -np.log(share))


def _median(values: Float64, known: Mask) -> Float64:
    """float64 [N] of [N, T] with those ``known``; 0 where none is."""
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    n = known.sum(axis=1)
    middle = [np.take_along_axis(ordered, place[:, None], axis=1) for place in (np.maximum(n - 1, 0) // 2, n // 2)]
    return np.where(n > 0, (middle[0] + middle[1])[:, 0] / 2, 0.0)


def _emit_known(past: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """bool [N, T]: real and not missing; double [N]: how many are."""
    known = real & ~past.isnan()
    return known, known.cast().sum(1)


def _emit_surprise(now: Tensor, share: Tensor) -> Tensor:
    return now.isnan().where(0, -share.apply("Log"))


def _emit_median(values: Tensor, known: Tensor) -> Tensor:
    """Graph nodes of ``_median``: double [N]."""
    ordered = known.where(values, np.inf).sort(axis=1)
    n = known.to_int64().sum(1, keepdims=True)
    low, high = ((n - 1).maximum(0) / 2, n / 2)
    middle = ordered.gather_elements(low, axis=1) + ordered.gather_elements(high, axis=1)
    return n.equal(0).where(0, middle / 2).squeeze(1)
