"""Rules that compute a segment's head from its labelled rows: pure functions of states, labels and other heads."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.heads.heads import descended, most_probable


class Shrink(Spec):
    """Logistic regression whose weights are pulled towards those of the fallback head.

    ``strength`` is the weight of the ridge penalty against the log loss summed over rows.
    """

    kind: Literal["shrink"] = "shrink"
    strength: float = Field(gt=0)

    def head(self, states: Float64, label: Label, heads: Float64, weight: Float64 | None = None) -> Float64:
        """The new head; see ``Rule``."""
        precision = self.strength * np.eye(heads.shape[1])
        return most_probable(states, label, centre=heads[-1], precision=precision, weight=weight)


class Spread(Spec):
    """Like ``Shrink``, with the covariance of the other segments' heads as the prior of a new one.

    The covariance is that of the heads around the fallback head, mixed with ``share`` of a ball of equal volume per
    direction; ``strength`` divides it. (Evgeniou and Pontil, Regularized Multi-Task Learning, KDD 2004, with a
    covariance learned from the tasks.)
    """

    kind: Literal["spread"] = "spread"
    strength: float = Field(gt=0)
    share: float = Field(default=0.1, gt=0, le=1)

    def head(self, states: Float64, label: Label, heads: Float64, weight: Float64 | None = None) -> Float64:
        """The new head; see ``Rule``."""
        away = heads[:-1] - heads[-1]
        width = heads.shape[1]
        covariance = away.T @ away / max(len(away), 1)
        # A model that knows no difference between segments still leaves a new one some room.
        ball = max(float(np.trace(covariance)) / width, 0.01) * np.eye(width)
        mixed = (1 - self.share) * covariance + self.share * ball
        precision = self.strength * np.linalg.inv(mixed)
        return most_probable(states, label, centre=heads[-1], precision=precision, weight=weight)


class Descend(Spec):
    """Steps of gradient descent from the fallback head (Finn, Abbeel and Levine, ICML 2017)."""

    kind: Literal["descend"] = "descend"
    rate: float = Field(gt=0)
    steps: int = Field(ge=1)

    def head(self, states: Float64, label: Label, heads: Float64, weight: Float64 | None = None) -> Float64:
        """The new head; see ``Rule``."""
        return descended(states, label, start=heads[-1], rate=self.rate, steps=self.steps, weight=weight)


# head(states float64 [N, H], label int8 [N], heads float64 [S + 1, H + 1], weight float64 [N]) -> float64 [H + 1]. The
# last of ``heads`` is the fallback head, the others are those that training made; no rows give the fallback head.
# Without weights all rows count 1.
Rule = Annotated[Shrink | Spread | Descend, Field(discriminator="kind")]
