"""The outcome of fitting a recipe: the model to publish, and scores of rows that models have not learned from."""

from dataclasses import dataclass

import polars as pl

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
    """

    frame: pl.DataFrame
    data: Dataset
    scores: Float64


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
