"""The outcome of fitting a recipe: the model to publish, and scores of rows that models have not learned from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.family import Fitted
from scoreline_trainers.training.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Rows with the native scores of a model that has not learned from them.

    Attributes:
        frame: the N rows with all columns of the table.
        data: the same rows under the contract of the published model.
        scores: float64 [N].
        extras: the same models' probabilities of several classes or scores of several horizons, by output.
    """

    frame: pl.DataFrame
    data: Dataset
    scores: Float64
    extras: Mapping[str, Float64] = field(default_factory=dict)

    @property
    def outputs(self) -> Mapping[str, Float64]:
        """The scores and the extras by output."""
        return {SCORE: self.scores, **self.extras}


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted recipe before its export.

    Attributes:
        recipe: as run.
        fitted: the model to publish.
        training: the rows that it learned from.
        judged: the validation rows of all folds, each scored by the model of its fold.
        folds: the same fold by fold; one where the published model is the one that was judged.
        seconds: spent fitting.
        test: rows that nothing else has touched, scored by the model to publish.
    """

    recipe: Recipe
    fitted: Fitted
    training: Dataset
    judged: Scored
    folds: tuple[Scored, ...]
    seconds: float
    test: Scored | None = None
