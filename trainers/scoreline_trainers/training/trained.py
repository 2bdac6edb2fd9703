"""The outcome of fitting a recipe: the model to publish, and scores of rows that models have not learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.family import Fitted
from scoreline_trainers.reporting.document import SearchFacts, SelectionFacts
from scoreline_trainers.training.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Rows with the native scores of models that have not learned from them.

    Attributes:
        frame: the N rows with all columns of the table.
        data: the same rows under the contract of the published model.
        scores: float64 [N].
        uncalibrated: float64 [N], the scores before calibration, where the recipe calibrates.
        learned_rows: how many rows the model learned from; where there are several models, the fewest.
        extras: the same models' probabilities of several classes or scores of several horizons, by output.
    """

    frame: pl.DataFrame
    data: Dataset
    scores: Float64
    uncalibrated: Float64 | None
    learned_rows: int
    extras: Mapping[str, Float64] = field(default_factory=dict)

    @classmethod
    def together(cls, parts: Sequence["Scored"], data: Dataset) -> "Scored":
        """All rows of ``parts``, one after another; ``data`` are the same rows encoded."""
        if len(parts) == 1:
            return replace(parts[0], data=data)
        known = [part.uncalibrated for part in parts if part.uncalibrated is not None]
        return cls(
            frame=pl.concat([part.frame for part in parts]),
            data=data,
            scores=np.concatenate([part.scores for part in parts]),
            uncalibrated=np.concatenate(known) if known else None,
            learned_rows=min(part.learned_rows for part in parts),
            extras={name: np.concatenate([part.extras[name] for part in parts]) for name in parts[0].extras},
        )

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
        judged: the validation rows of the folds of the first repeat, each scored by the model of its fold.
        folds: the validation rows fold by fold, of all repeats; one where the published model is the one judged.
        seconds: spent fitting the model to publish.
        test: rows that nothing else has touched, scored by the model to publish.
        refitted: whether the model to publish learned from the judged rows, after other models were judged by them.
        selection: what became of each feature, where the recipe selects them.
        search: the trials of the search that the recipe as run is from.
    """

    recipe: Recipe
    fitted: Fitted
    training: Dataset
    judged: Scored
    folds: tuple[Scored, ...]
    seconds: float
    test: Scored | None = None
    refitted: bool = False
    selection: SelectionFacts | None = None
    search: SearchFacts | None = None
