"""Numbers on the scale of a linear or neural model: filled, bent where their tails are long, standardised and cut.

Natively and as graph nodes, both in float64, so they agree to the last bits whatever the scale of a column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from scoreline_trainers.data.batch import Float32, Float64, Int64
from scoreline_trainers.graph.tensor import Tensor, concat

# Standardised values are cut here: one absurd amount must not decide a score, nor overflow a float32.
LIMIT = 20.0

ScalingMethod = Literal["auto", "standard", "quantile", "log"]
"""How columns are brought to scale.

``standard`` subtracts the mean and divides by the deviation. ``log`` does so with sign(x) ln(1 + |x| / unit), the unit
being the median distance from 0 of the values that are not 0. ``quantile`` maps each value to the normal deviate of its
rank, linearly between at most 64 quantiles of the training rows. ``auto`` chooses for each column: ``standard`` where
the tails are short, else ``log`` where that makes them short, else ``quantile``.
"""

# Most knots of a curve, and the rank below and above which all are the same.
KNOTS = 64
_LEAST_RANK = 1e-3
# Tails are long where a value is further from the mean, in deviations, or the distribution more skewed.
_LONGEST, _MOST_SKEWED = 8.0, 2.0
_FINITE = np.finfo(np.float32).max


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Piecewise linear, never falling functions of Q columns, constant outside their knots.

    Attributes:
        knots, heights: float64 [Q, J], ascending; a column with fewer knots repeats its last.
    """

    knots: Float64
    heights: Float64

    @classmethod
    def fit(cls, values: Float64) -> "Curves":
        """Fits on float64 [M, Q] without gaps: the normal deviate of the rank at each column's quantiles."""
        pairs = [_normal_deviates(column) for column in values.T]
        longest = max(len(knots) for knots, _ in pairs)
        padded = [[np.pad(part, (0, longest - len(part)), "edge") for part in pair] for pair in pairs]
        return cls(np.array([knots for knots, _ in padded]), np.array([heights for _, heights in padded]))

    def apply(self, values: Float64) -> Float64:
        """[..., Q] -> [..., Q]."""
        columns = zip(np.moveaxis(values, -1, 0), self.knots, self.heights, strict=True)
        return np.stack([np.interp(column, knots, heights) for column, knots, heights in columns], axis=-1)

    def emit(self, values: Tensor) -> Tensor:
        """Graph nodes of ``apply``: each piece adds its slope times how far the value reaches into it."""
        widths, rises = np.diff(self.knots), np.diff(self.heights)
        slopes = np.divide(rises, widths, out=np.zeros_like(rises), where=widths > 0)
        reach = (values.unsqueeze(-1) - self.knots[:, :-1]).maximum(0).minimum(widths)
        return (reach * slopes).sum(-1) + self.heights[:, 0]


@dataclass(frozen=True, slots=True, eq=False)
class Bend:
    """What brings the long tails of some of K columns nearer; the others stay as they are.

    Attributes:
        methods: of each column.
        units: float64, of each column whose method is ``log``: it becomes sign(x) ln(1 + |x| / unit).
        curves: of the columns whose method is ``quantile``; None where there are none.
    """

    methods: tuple[ScalingMethod, ...]
    units: Float64
    curves: Curves | None

    @classmethod
    def fit(cls, values: Float64, methods: Sequence[ScalingMethod]) -> "Bend":
        """Fits on float64 [M, K] without gaps."""
        logs, ranked = _places(methods, "log"), _places(methods, "quantile")
        units = np.array([_unit(values[:, column]) for column in logs])
        return cls(tuple(methods), units, Curves.fit(values[:, ranked]) if ranked else None)

    def apply(self, values: Float64) -> Float64:
        """[..., K] -> [..., K]."""
        bent = values.copy()
        logs, ranked = _places(self.methods, "log"), _places(self.methods, "quantile")
        bent[..., logs] = _signed_log(values[..., logs], self.units)
        if self.curves is not None:
            bent[..., ranked] = self.curves.apply(values[..., ranked])
        return bent

    def emit(self, values: Tensor) -> Tensor:
        """Graph nodes of ``apply``: the columns by their method, then in their own order again."""
        plain, logs, ranked = (_places(self.methods, method) for method in ("standard", "log", "quantile"))
        if not logs and self.curves is None:
            return values
        parts = [values.gather(plain, axis=-1)] if plain else []
        if logs:
            parts.append(_emit_signed_log(values.gather(logs, axis=-1), self.units))
        if self.curves is not None:
            parts.append(self.curves.emit(values.gather(ranked, axis=-1)))
        return _in_order(concat(parts, axis=-1), [*plain, *logs, *ranked])


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Fill, bend, centre and scale of K columns.

    Attributes:
        fill, centre, scale: float64 [K]; a missing value becomes ``fill`` first.
        bend: between filling and centring.
    """

    fill: Float64
    centre: Float64
    scale: Float64
    bend: Bend

    @classmethod
    def fit(cls, values: Float32, method: ScalingMethod = "standard", *, curved: bool = True) -> "Scaling":
        """Fits on float32 [M, K]: the median fills, mean and standard deviation standardise what ``method`` makes.

        Unless ``curved``, ``auto`` never chooses ``quantile``, of which a graph computes ``KNOTS`` numbers for each.
        """
        fill = np.array([_median(column) for column in values.T.astype(np.float64)])
        filled = np.where(np.isnan(values), fill, values.clip(-_FINITE, _FINITE).astype(np.float64))
        methods = [_choice(column, curved=curved) if method == "auto" else method for column in filled.T]
        bend = Bend.fit(filled, methods)
        bent = bend.apply(filled)
        spread = bent.std(axis=0)
        return cls(fill, bent.mean(axis=0), np.where(spread > 0, spread, 1.0), bend)

    def apply(self, values: Float32) -> Float64:
        """[..., K] -> float64 [..., K], within ``LIMIT`` of zero."""
        filled = np.where(np.isnan(values), self.fill, values.astype(np.float64))
        return np.clip((self.bend.apply(filled) - self.centre) / self.scale, -LIMIT, LIMIT)

    def emit(self, values: Tensor) -> Tensor:
        """Graph nodes of ``apply``: float32 [..., K] -> double [..., K]."""
        bent = self.bend.emit(values.isnan().where(self.fill, values.cast(np.float64)))
        return ((bent - self.centre) / self.scale).clip(-LIMIT, LIMIT)


def _places(methods: Sequence[ScalingMethod], method: ScalingMethod) -> list[int]:
    return [place for place, each in enumerate(methods) if each == method]


def _in_order(values: Tensor, columns: Sequence[int]) -> Tensor:
    """The columns of ``values``, which are ``columns`` of another tensor, in that tensor's order."""
    if list(columns) == sorted(columns):
        return values
    return values.gather(np.argsort(columns).tolist(), axis=-1)


def _choice(column: Float64, *, curved: bool) -> ScalingMethod:
    """The method of one column without gaps."""
    if not _long_tailed(column):
        return "standard"
    return "quantile" if curved and _long_tailed(_signed_log(column, _unit(column))) else "log"


def _long_tailed(column: Float64) -> bool:
    spread = column.std()
    if not spread:
        return False
    standard = (column - column.mean()) / spread
    return bool(np.abs(standard).max() > _LONGEST or abs((standard**3).mean()) > _MOST_SKEWED)


def _unit(column: Float64) -> float:
    """The median distance from 0 of the values that are not 0; 1 where there are none."""
    known = np.abs(column[column != 0])
    return float(np.median(known)) if len(known) else 1.0


def _signed_log(values: Float64, unit: Float64 | float) -> Float64:
    bent: Float64 = np.sign(values) * np.log(1 + np.abs(values) / unit)
    return bent


def _emit_signed_log(values: Tensor, units: Float64) -> Tensor:
    return values.apply("Sign") * (abs(values) / units + 1).apply("Log")


def _normal_deviates(column: Float64) -> tuple[Float64, Float64]:
    """At most ``KNOTS`` values of one column, ascending, and the normal deviate of the mean rank of each."""
    values, counts = np.unique(column, return_counts=True)
    rank = (np.cumsum(counts) - counts / 2) / len(column)
    if len(values) > KNOTS:
        kept = _knots(counts)
        values, rank = values[kept], rank[kept]
    return values, ndtri(rank.clip(_LEAST_RANK, 1 - _LEAST_RANK))


def _knots(counts: Int64) -> Int64:
    """Which of the values that so many rows have are knots: those of many rows, and quantiles of the other rows."""
    frequent = counts > counts.sum() / KNOTS
    others = np.flatnonzero(~frequent)
    rows = np.cumsum(counts[others])
    wanted = np.linspace(1, rows[-1], KNOTS - int(frequent.sum()))
    return np.union1d(np.flatnonzero(frequent), others[np.searchsorted(rows, wanted)])


def _median(column: Float64) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else 0.0
