"""The recipe's key ``search``: how options are searched for."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from scoreline_trainers.data.columns import Spec
from scoreline_trainers.spaces import WrittenDimension


class Search(Spec):
    """A search for the options with the best metric over folds of the training rows.

    Attributes:
        trials: how many sets of options are tried at most, beside the recipe's own.
        minutes: no trial begins or goes on after so many minutes.
        metric: of the recipe's task; by default "auc", "rmse" or "log_loss".
        folds: of the training rows, on which every trial is measured.
        families: the families to choose from; by default the recipe's alone.
        space: option -> range or choices in place of the family's own, null for an option that is not searched.
            "lightgbm.num_leaves" means that of one of several families.
        resume: a file that keeps the trials, from which a search that was stopped goes on.
    """

    trials: int = Field(default=50, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    metric: str | None = None
    folds: int = Field(default=3, ge=2)
    families: tuple[str, ...] = ()
    space: dict[str, WrittenDimension | None] = Field(default_factory=dict)
    resume: str | None = None

    @field_validator("space", mode="before")
    @classmethod
    def _by_choices(cls, space: object) -> object:
        """A list of values stands for its choices."""
        if not isinstance(space, dict):
            return space
        return {name: {"choices": each} if isinstance(each, list) else each for name, each in space.items()}

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.families)) < len(self.families):
            raise ValueError("duplicate family in 'families'")
        return self
