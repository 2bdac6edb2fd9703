"""Isotonic calibration: a line through the centres of pooled scores, natively and as graph nodes."""

from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.binary.pooling import pooled
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.graph.tensor import Tensor

# A graph's score may be 3e-7 from the native one, which a steeper line would stretch to more than the gate allows.
STEEPEST = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Isotonic:
    """A rising piecewise linear function, constant before its first knot and behind its last.

    Its knots are the centres of the pools of an isotonic regression, so that scores keep their order: Oron and
    Flournoy, Centered Isotonic Regression (Statistics in Biopharmaceutical Research 9, 2017). Neighboring pools are
    merged while the line between them is steeper than a limit; rates stay half a row away from 0 and 1.

    Attributes:
        x, y: float64 [K], K at least 2, the knots.
        slope: float64 [K - 1], of the line behind each knot but the last.
    """

    x: Float64
    y: Float64
    slope: Float64

    @classmethod
    def fit(
        cls, label: Label, score: Float64, weight: Float64 | None = None, *, steepest: float = STEEPEST
    ) -> "Isotonic":
        """Fits on label [M] and score [M], of rows that the model was not trained on, and what each counts [M]."""
        pools = pooled(label, score, weight)
        x, rate = _merged(pools.centre, pools.rate, pools.rows, steepest)
        least = 0.5 / len(label)
        y = np.clip(rate, least, 1 - least)
        if len(x) == 1:
            x, y = np.array([x[0], x[0] + 1]), np.array([y[0], y[0]])
        return cls(x, y, np.diff(y) / np.diff(x))

    def apply(self, score: Float64) -> Float64:
        """float64 [N]."""
        inside = np.clip(score, self.x[0], self.x[-1])
        knot = np.minimum(np.searchsorted(self.x, inside, side="right") - 1, len(self.slope) - 1)
        return self.y[knot] + self.slope[knot] * (inside - self.x[knot])

    def nodes(self, score: Tensor) -> Tensor:
        """Graph nodes of ``apply``: double [N] -> [N]."""
        inside = score.maximum(float(self.x[0])).minimum(float(self.x[-1]))
        # The last knot starts no line: counting without it and without the first gives the line's index.
        knot = (inside.unsqueeze(1) >= self.x[1:-1]).cast().sum(1).to_int64()
        x, y, slope = (score.like(values).gather(knot) for values in (self.x[:-1], self.y[:-1], self.slope))
        return y + slope * (inside - x)

    def describe(self) -> str:
        """A short description."""
        return f"isotonic, {len(self.x)} knots"


def _merged(x: Float64, rate: Float64, rows: Float64, limit: float) -> tuple[Float64, Float64]:
    """Knots with no line between them that is steeper than ``limit``."""
    while len(x) > 1:
        slope = np.diff(rate) / np.diff(x)
        steepest = int(slope.argmax())
        if slope[steepest] <= limit:
            break
        both = slice(steepest, steepest + 2)
        weight = rows[both] / rows[both].sum()
        x[steepest], rate[steepest], rows[steepest] = x[both] @ weight, rate[both] @ weight, rows[both].sum()
        x, rate, rows = (np.delete(values, steepest + 1) for values in (x, rate, rows))
    return x, rate
