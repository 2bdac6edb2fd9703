"""Inputs that are computed from others, so that they move with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from scoreline_registry.documents.actionability import Actionability, Formula
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.recourse.arrays import Bools, Float32, Float64, narrowed

_SAME = 1e-4
"""A row whose derived input differs from its formula by more, relatively, measures it in another unit."""


@dataclass(frozen=True, slots=True)
class DerivedInput:
    """One derived input; where a part changes it is computed anew, and must stay within its limits.

    A row may have it in another unit than its parts, such as in percent: then it moves by the factor by which a ratio
    or product moves, or by the amount by which a sum or difference does.
    """

    column: int
    formula: Formula
    parts: tuple[int, ...]
    low: float
    high: float
    rule: Actionability

    @classmethod
    def of(cls, name: str, formula: Formula, rule: Actionability, contract: InputContract) -> "DerivedInput":
        """The derived input of a contract."""
        columns = {feature.name: column for column, feature in enumerate(contract.features)}
        feature = contract.features[columns[name]]
        low = -np.inf if feature.min is None else feature.min
        high = np.inf if feature.max is None else feature.max
        return cls(columns[name], formula, tuple(columns[part] for part in rule.parts), low, high, rule)

    def update(self, rows: Float32, base: Float32) -> Bools:
        """Computes the column in ``rows`` float32 [N, F] that begin as copies of ``base`` float32 [F].

        Returns bool [N]: which rows keep to its limits.
        """
        before = base[list(self.parts)]
        moved = (rows[:, self.parts] != before).any(axis=1)
        if not moved.any():
            return np.ones(len(rows), bool)
        with np.errstate(all="ignore"):
            values = narrowed(self._values(rows[moved][:, self.parts].astype(np.float64), base)).astype(np.float64)
        rows[moved, self.column] = np.clip(values, self.low, self.high)
        fits = np.ones(len(rows), bool)
        fits[moved] = self._fits(values, float(base[self.column]))
        return fits

    def _values(self, parts: Float64, base: Float32) -> Float64:
        formula = _FORMULAS[self.formula]
        now = formula(parts)
        before = float(formula(base[list(self.parts)].astype(np.float64)[None])[0])
        stored = float(base[self.column])
        if not np.isfinite(before) or not np.isfinite(stored) or abs(stored - before) <= _SAME * abs(before):
            return now
        if self.formula in ("ratio_of", "product_of"):
            return now if before == 0 else stored * now / before
        return stored + now - before

    def _fits(self, values: Float64, before: float) -> Bools:
        rule = self.rule
        fits = np.isfinite(values)
        if rule.min is not None:
            fits &= values >= rule.min
        if rule.max is not None:
            fits &= values <= rule.max
        if rule.direction is not None:
            fits &= values >= before if rule.direction == "up" else values <= before
        return fits


def _ratio(parts: Float64) -> Float64:
    return np.asarray(parts[:, 0] / parts[:, 1])


def _difference(parts: Float64) -> Float64:
    return np.asarray(parts[:, 0] - parts[:, 1])


def _sum(parts: Float64) -> Float64:
    return np.asarray(parts.sum(axis=1))


def _product(parts: Float64) -> Float64:
    return np.asarray(parts.prod(axis=1))


_FORMULAS = {"ratio_of": _ratio, "difference_of": _difference, "sum_of": _sum, "product_of": _product}


def update_all(derived: Sequence[DerivedInput], rows: Float32, base: Float32) -> Bools:
    """Computes all derived columns, each after its parts; bool [N], which rows keep to all limits."""
    kept = (each.update(rows, base) for each in derived)
    return reduce(np.logical_and, kept, np.ones(len(rows), bool))
