"""The inputs of a row that may change, with the values that each may take."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from scoreline_registry.documents.actionability import Actionability
from scoreline_registry.documents.contract import Feature
from scoreline_registry.recourse.arrays import Bools, Float32, Float64, narrowed, not_above, not_below

MOST_VALUES = 96
"""Values that a search tries of one input."""

_GRID = 16
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class Lever:
    """One input that may change.

    Attributes:
        values: float32 [K], the values to try; those of lower cost first.
        costs: float64 [K].
        unit_cost: of a change of 1, or of a category to another.
        nearest: the allowed value that is nearest to the present one.
        low, high, step: the limits of new values, and what they are multiples of, None for anything.
        is_whole: whether no other allowed value could do better than these, as long as nothing is derived from it
            where ``by_thresholds`` is set.
        is_smooth: whether values between these are allowed and may do better.
        by_thresholds: whether the values are those next to what the model compares the input with.
    """

    column: int
    values: Float32
    costs: Float64
    unit_cost: float
    nearest: float = math.nan
    is_whole: bool = True
    is_smooth: bool = False
    is_category: bool = False
    by_thresholds: bool = False
    low: float = -math.inf
    high: float = math.inf
    step: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class InputFacts:
    """What is known of one number of a model.

    Attributes:
        edges: ascending quantiles of the training data; the spread is the distance of the last from the first.
        thresholds: float32, ascending: all numbers that the model compares the input with, as ``x <= threshold``; None
            where the model is not known to compare.
    """

    edges: Sequence[float] = ()
    thresholds: Float32 | None = field(default=None)

    @property
    def spread(self) -> float:
        """What counts as a change of one: the distance between the outer edges, 1 where there is none."""
        width = self.edges[-1] - self.edges[0] if self.edges else 0.0
        return width if math.isfinite(width) and width > 0 else 1.0


UNKNOWN = InputFacts()


def lever_of(column: int, feature: Feature, rule: Actionability, current: float, facts: InputFacts) -> Lever | None:
    """The lever of one input of a row; None where nothing else is allowed."""
    if feature.kind == "category":
        return _category(column, feature, rule, current)
    return _number(column, feature, rule, current, facts)


def _category(column: int, feature: Feature, rule: Actionability, current: float) -> Lever | None:
    names = rule.allowed or feature.vocabulary
    codes = sorted({feature.code(name) for name in names} - {current})
    if not codes:
        return None
    values = np.array(codes, np.float32)
    return Lever(column, values, np.full(len(values), rule.cost), rule.cost, is_category=True)


def _number(column: int, feature: Feature, rule: Actionability, current: float, facts: InputFacts) -> Lever | None:
    step = rule.step or (1.0 if rule.integer else None)
    low, high = _range(feature, rule, current, step)
    if low > high:
        return None
    listed = step is not None and (high - low) / step <= MOST_VALUES
    if listed and step is not None:
        values = narrowed(np.arange(round(low / step), round(high / step) + 1, dtype=np.float64) * step)
    elif facts.thresholds is not None:
        values = _beyond(facts.thresholds, current, step)
    else:
        values = _on_steps(_grid(low, high, current, facts), current, step)
    nearest = min(max(current, low), high)
    values = np.append(values, np.float32(nearest))
    values = np.unique(np.clip(values, low, high).astype(np.float32))
    values, is_thinned = _thinned(values[values != np.float32(current)], current)
    if not len(values):
        return None
    unit = rule.cost / facts.spread
    costs = np.abs(values.astype(np.float64) - current) * unit
    order = np.argsort(costs, kind="stable")
    compared = not listed and facts.thresholds is not None
    return Lever(
        column,
        values[order],
        costs[order],
        unit,
        nearest,
        is_whole=(listed or compared) and not is_thinned,
        is_smooth=step is None and not compared,
        by_thresholds=compared,
        low=low,
        high=high,
        step=step,
    )


def _range(feature: Feature, rule: Actionability, current: float, step: float | None) -> tuple[float, float]:
    """The smallest and largest new value, as float32 that are within all limits, and multiples of ``step``."""
    lows = [each for each in (feature.min, rule.min) if each is not None]
    highs = [each for each in (feature.max, rule.max) if each is not None]
    if rule.direction == "up":
        lows.append(current)
    if rule.direction == "down":
        highs.append(current)
    low, high = max(lows, default=-math.inf), min(highs, default=math.inf)
    if step is not None:
        low = math.ceil(low / step) * step if math.isfinite(low) else low
        high = math.floor(high / step) * step if math.isfinite(high) else high
    return float(not_below(max(low, -_LARGEST))), float(not_above(min(high, _LARGEST)))


def _grid(low: float, high: float, current: float, facts: InputFacts) -> Float64:
    """Quantiles with numbers between them and beyond, and numbers between the present value and the limits."""
    edges = np.array(facts.edges, np.float64)
    spread = facts.spread
    outer = [edge + sign * spread * share for edge in _ends(edges, current) for sign in (-1, 1) for share in (0.25, 1)]
    bottom = low if low > -_LARGEST else min(current, *outer)
    top = high if high < _LARGEST else max(current, *outer)
    between = (edges[1:] + edges[:-1]) / 2
    parts = [edges, between, np.array(outer), np.linspace(bottom, current, _GRID), np.linspace(current, top, _GRID)]
    clipped: Float64 = np.clip(np.concatenate(parts), bottom, top)
    return clipped


def _ends(edges: Float64, current: float) -> list[float]:
    return [float(edges[0]), float(edges[-1])] if len(edges) else [current]


def _on_steps(values: Float64, current: float, step: float | None) -> Float32:
    if step is None:
        return narrowed(values)
    with np.errstate(over="ignore"):
        places = np.where(values > current, np.ceil(values / step), np.floor(values / step))
        return narrowed(places * step)


def _beyond(thresholds: Float32, current: float, step: float | None) -> Float32:
    """The nearest value on the other side of each threshold: each stands for all between it and the next one."""
    up = thresholds >= np.float32(current)
    after = np.nextafter(thresholds[up], np.float32(np.inf)).astype(np.float32)
    before = thresholds[~up]
    if step is None:
        return np.concatenate([before, after])
    lower = np.floor(before.astype(np.float64) / step) * step
    higher = np.ceil(after.astype(np.float64) / step) * step
    # A multiple may be rounded across the threshold that it is to pass.
    lower = np.where(narrowed(lower) > before, lower - step, lower)
    higher = np.where(narrowed(higher) < after, higher + step, higher)
    return narrowed(np.concatenate([lower, higher]))


def _thinned(values: Float32, current: float) -> tuple[Float32, bool]:
    """At most ``MOST_VALUES`` of ascending values, evenly by rank; and whether some were left out."""
    if len(values) <= MOST_VALUES:
        return values, False
    kept: Bools = np.zeros(len(values), bool)
    kept[np.linspace(0, len(values) - 1, MOST_VALUES - 2).round().astype(np.intp)] = True
    place = int(np.searchsorted(values, np.float32(current)))
    kept[max(place - 1, 0) : place + 1] = True
    return values[kept], True
