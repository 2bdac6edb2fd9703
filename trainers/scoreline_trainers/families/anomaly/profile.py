"""How far a purchase is from a unit's own history: each measure natively and as graph nodes, both in float64.

A history of n known steps is weighed against k imaginary steps of the population (``strength``), so that a short
history says little and a long one almost everything; one without any step is the population's.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from scoreline_trainers.data.batch import Float32, Float64
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.layers import emit_column
from scoreline_trainers.graph.preprocessing import LIMIT

# The median absolute deviation of normal values times this is their standard deviation.
_NORMAL_MAD = 1.4826
_HOURS = 24.0

Mask = npt.NDArray[np.bool_]


class Measure(Protocol):
    """One number for each row: how unusual its value is in its history."""

    def apply(self, now: Float32, past: Float32, real: Mask) -> Float64:
        """float64 [N] of values float32 [N], histories float32 [N, T] and bool [N, T]; a missing value gives 0."""

    def emit(self, graph: GraphBuilder, now: str, past: str, real: str) -> str:
        """The nodes of ``apply``: double [N]."""

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
        """Learns the population from float32 [M]."""
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

    def emit(self, graph: GraphBuilder, now: str, past: str, real: str) -> str:
        """The nodes of ``apply``."""
        known, n = _emit_known(graph, past, real)
        nothing = graph.constant(0, np.float32)
        history = self._emit_scale(graph, graph.add("Where", known, past, nothing))
        middle = _emit_median(graph, history, known)
        distance = graph.add("Abs", graph.add("Sub", history, emit_column(graph, middle)))
        deviation = graph.add("Mul", _emit_median(graph, distance, known), graph.constant(_NORMAL_MAD, np.float64))
        centre = _emit_shrunk(graph, graph.add("Mul", n, middle), n, self.strength * self.centre, self.strength)
        spread = _emit_shrunk(graph, graph.add("Mul", n, deviation), n, self.strength * self.spread, self.strength)
        missing = graph.add("IsNaN", now)
        value = self._emit_scale(graph, graph.add("Where", missing, nothing, now))
        z = graph.add("Div", graph.add("Sub", value, centre), spread)
        limits = [graph.constant(limit, np.float64) for limit in (-LIMIT, LIMIT)]
        return graph.add("Where", missing, graph.constant(0, np.float64), graph.add("Clip", z, *limits))

    def edges(self) -> Float32:
        """None."""
        return np.array([], np.float32)

    def _emit_scale(self, graph: GraphBuilder, values: str) -> str:
        wide = graph.cast(values, TensorProto.DOUBLE)
        if not self.log:
            return wide
        logarithm = graph.add("Log", graph.add("Add", graph.constant(1, np.float64), graph.add("Abs", wide)))
        return graph.add("Mul", graph.add("Sign", wide), logarithm)


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
        """Learns the population from float32 [M]."""
        known, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        total = counts.sum() + len(known) + 1
        return cls(known, (counts + 1) / total, 1 / total, strength)

    def apply(self, now: Float32, past: Float32, real: Mask) -> Float64:
        """float64 [N]."""
        known = real & ~np.isnan(past)
        count = ((past == now[:, None]) & known).sum(axis=1)
        share = (now[:, None] == self.values).astype(np.float64) @ (self.shares - self.unseen) + self.unseen
        return _surprise(now, (count + self.strength * share) / (known.sum(axis=1) + self.strength))

    def emit(self, graph: GraphBuilder, now: str, past: str, real: str) -> str:
        """The nodes of ``apply``."""
        known, n = _emit_known(graph, past, real)
        column = emit_column(graph, now)
        count = _emit_sum(graph, graph.cast(graph.add("And", graph.add("Equal", past, column), known), _DOUBLE))
        same = graph.cast(graph.add("Equal", column, graph.constant(self.values, np.float32)), _DOUBLE)
        share = graph.add("MatMul", same, graph.constant(self.shares - self.unseen, np.float64))
        prior = graph.add("Add", share, graph.constant(self.unseen, np.float64))
        return _emit_surprise(graph, now, count, n, prior, self.strength)

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
        """Learns the population from float32 [M]."""
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

    def emit(self, graph: GraphBuilder, now: str, past: str, real: str) -> str:
        """The nodes of ``apply``."""
        known, n = _emit_known(graph, past, real)
        nothing, span = graph.constant(0, np.float32), graph.constant(self.window + 1, np.float64)
        hour = _emit_hours(graph, graph.add("Where", graph.add("IsNaN", now), nothing, now))
        history = _emit_hours(graph, graph.add("Where", known, past, nothing))
        apart = graph.add("Abs", graph.add("Sub", history, emit_column(graph, hour)))
        around = graph.add("Min", apart, graph.add("Sub", graph.constant(_HOURS, np.float64), apart))
        slope = graph.add("Sub", graph.constant(1, np.float64), graph.add("Div", around, span))
        near = graph.add("Max", slope, graph.constant(0, np.float64))
        total = _emit_sum(graph, graph.add("Mul", near, graph.cast(known, _DOUBLE)))
        place = graph.cast(hour, TensorProto.INT64)
        share = graph.add("Gather", graph.constant(self.shares, np.float64), place)
        return _emit_surprise(graph, now, graph.add("Div", total, span), n, share, self.strength)

    def edges(self) -> Float32:
        """Every full hour and the float right before it."""
        full = np.arange(_HOURS + 1, dtype=np.float32)
        return np.unique(np.concatenate([full, np.nextafter(full[1:], np.float32(0))]))


_DOUBLE = TensorProto.DOUBLE


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


def _emit_known(graph: GraphBuilder, past: str, real: str) -> tuple[str, str]:
    """bool [N, T]: real and not missing; double [N]: how many are."""
    known = graph.add("And", real, graph.add("Not", graph.add("IsNaN", past)))
    return known, _emit_sum(graph, graph.cast(known, _DOUBLE))


def _emit_sum(graph: GraphBuilder, values: str) -> str:
    """[N, T] -> [N]."""
    return graph.add("ReduceSum", values, graph.constant([1], np.int64), keepdims=0)


def _emit_shrunk(graph: GraphBuilder, total: str, n: str, prior: float | str, strength: float) -> str:
    """(total + prior) / (n + strength)."""
    added = graph.constant(prior, np.float64) if isinstance(prior, float) else prior
    weight = graph.add("Add", n, graph.constant(strength, np.float64))
    return graph.add("Div", graph.add("Add", total, added), weight)


def _emit_surprise(graph: GraphBuilder, now: str, count: str, n: str, share: str, strength: float) -> str:
    prior = graph.add("Mul", graph.constant(strength, np.float64), share)
    surprise = graph.add("Neg", graph.add("Log", _emit_shrunk(graph, count, n, prior, strength)))
    return graph.add("Where", graph.add("IsNaN", now), graph.constant(0, np.float64), surprise)


def _emit_hours(graph: GraphBuilder, values: str) -> str:
    limits = [graph.constant(limit, np.float64) for limit in (0, _HOURS)]
    return graph.add("Clip", graph.cast(values, _DOUBLE), *limits)


def _emit_median(graph: GraphBuilder, values: str, known: str) -> str:
    """The nodes of ``_median``: double [N]."""
    masked = graph.add("Where", known, values, graph.constant(np.inf, np.float64))
    steps = graph.add("Gather", graph.add("Shape", masked), graph.constant([1], np.int64))
    ordered, _ = graph.add_many("TopK", (masked, steps), outputs=2, axis=1, largest=0, sorted=1)
    n = graph.add("ReduceSum", graph.cast(known, TensorProto.INT64), graph.constant([1], np.int64), keepdims=1)
    zero, one, two = (graph.constant(number, np.int64) for number in (0, 1, 2))
    low = graph.add("Div", graph.add("Max", graph.add("Sub", n, one), zero), two)
    middle = [graph.add("GatherElements", ordered, place, axis=1) for place in (low, graph.add("Div", n, two))]
    half = graph.add("Div", graph.add("Add", *middle), graph.constant(2, np.float64))
    empty = graph.add("Equal", n, zero)
    return graph.flat(graph.add("Where", empty, graph.constant(0, np.float64), half))
