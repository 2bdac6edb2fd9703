"""The recipe's key ``select``: how features are selected."""

from typing import Self

from pydantic import Field, model_validator

from scoreline_trainers.data.columns import Spec


class Selection(Spec):
    """A selection of features by permutation importance on held-out rows.

    Attributes:
        keep: how many features, or below 1 the share of them. By default the smallest set whose metric over folds is
            not worse than the best one's by more than a standard error.
        metric: of the recipe's task; by default "auc", "rmse" or "log_loss".
        folds: of the training rows.
    """

    keep: int | float | None = Field(default=None, gt=0)
    metric: str | None = None
    folds: int = Field(default=5, ge=2)

    @model_validator(mode="after")
    def _count_or_share(self) -> Self:
        if isinstance(self.keep, float) and self.keep >= 1:
            raise ValueError("'keep' is a whole number of features, or a share below 1")
        return self

    def count(self, features: int) -> int | None:
        """How many of ``features`` are kept; None where folds decide."""
        if self.keep is None:
            return None
        return min(features, max(1, self.keep if isinstance(self.keep, int) else round(self.keep * features)))
