"""The costs of decisions, as a recipe has them."""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from scoreline_trainers.data.batch import Bools, Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.evaluation.metrics import Label


class Costs(Spec):
    """The cost of each outcome of a decision, in any unit; a gain is a cost below 0.

    A wrong decision costs more than the right one about the same row (Elkan, The Foundations of Cost-Sensitive
    Learning, IJCAI 2001, section 1.1); otherwise one decision would be best whatever the score.
    """

    false_positive: float = Field(default=1)
    false_negative: float = Field(default=1)
    true_positive: float = Field(default=0)
    true_negative: float = Field(default=0)

    @model_validator(mode="after")
    def _reasonable(self) -> Self:
        for wrong, right in (("false_positive", "true_negative"), ("false_negative", "true_positive")):
            if getattr(self, wrong) <= getattr(self, right):
                raise ValueError(f"'{wrong}' must cost more than '{right}': a gain is a cost below 0")
        return self

    @property
    def threshold(self) -> float:
        """The probability from which selecting a row costs less than not selecting it (Elkan 2001, equation 2).

        (c_FP - c_TN) / ((c_FP - c_TN) + (c_FN - c_TP)); with no cost but c_FP and a gain b_TP: c_FP / (c_FP + b_TP).
        """
        alarm, miss = self.false_positive - self.true_negative, self.false_negative - self.true_positive
        return alarm / (alarm + miss)

    def profits(self, label: Label, selected: Bools) -> Float64:
        """float64 [N]: the profit of each row, minus its cost."""
        event = np.asarray(label, bool)
        right = np.where(event, -self.true_positive, -self.true_negative)
        wrong = np.where(event, -self.false_negative, -self.false_positive)
        return np.where(event == selected, right, wrong).astype(np.float64)
