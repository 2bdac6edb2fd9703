"""The recipe's key ``validation``: how the rows that judge a model are chosen."""

from typing import Literal

from pydantic import Field

from scoreline_trainers.data.columns import Spec


class Validation(Spec):
    """How the validation rows are chosen.

    "last_fraction" takes the last rows of the table, "random" draws them, "time" takes the newest by the recipe's
    ``time`` column and never puts rows of one moment on both sides.
    """

    kind: Literal["last_fraction", "random", "time"] = "random"
    fraction: float = Field(default=0.2, gt=0, lt=1)
