"""The new table as a champion sees it: encoded by its contract, and only what it cannot have learned from."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset, encode_examples, optional_column, table_examples
from scoreline_trainers.data.sequences import Examples, newest_steps
from scoreline_trainers.training.retraining.champion import Champion
from scoreline_trainers.training.times import moments_of


def new_rows(champion: Champion, frame: pl.DataFrame) -> Dataset:
    """The rows after the champion's newest one, with labels where the table has them. Raises DataError.

    Where the champion's newest row is not known, or the recipe names no time, all rows count as new.
    """
    columns = readable(champion.recipe, frame.columns)
    examples = table_examples(frame, columns)
    return encoded(examples.take(later(champion, examples.frame, columns)), columns, champion.manifest.inputs)


def readable(columns: Columns, names: Sequence[str]) -> Columns:
    """The columns without a label that the table does not have yet."""
    labels = columns.horizons or (columns.label,)
    if all(label is None or label in names for label in labels):
        return columns
    return columns.model_copy(update={"label": None, "positive": None, "horizons": ()})


def later(champion: Champion, frame: pl.DataFrame, columns: Columns) -> RowIndices:
    """The places of the rows that are newer than all that the champion was made of."""
    moments = moments_of(optional_column(frame, columns.time))
    if moments is None or champion.data_until is None:
        return np.arange(len(frame))
    return np.flatnonzero((moments > champion.data_until).fill_null(value=False).to_numpy())


def encoded(examples: Examples, columns: Columns, inputs: InputContract) -> Dataset:
    """Rows under a contract that they were not made for: what they lack is missing. Raises DataError."""
    lenient = tuple(feature.model_copy(update={"required": False}) for feature in inputs.features)
    if inputs.sequence is not None:
        examples = newest_steps(examples, inputs.sequence.max_length)
    return encode_examples(examples, columns, inputs.model_copy(update={"features": lenient}))
