"""The profile of the table that a run read, as its report keeps it."""

import polars as pl

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.labels import positive_text
from scoreline_trainers.profiling.document import ColumnProfile, TableProfile
from scoreline_trainers.profiling.profile import profile
from scoreline_trainers.training.recipe import Recipe


def table_profile(frame: pl.DataFrame, recipe: Recipe, inputs: InputContract) -> TableProfile:
    """The profile of a table, with values of inputs, label and time alone.

    What is in columns that the model does not read, or that are sensitive, is not for every reader of its report.
    """
    found = profile(
        frame,
        label=recipe.label,
        positive=_positive(frame, recipe),
        time=recipe.time,
        unit=recipe.subject,
        decimal=recipe.decimal,
        seed=recipe.seed,
    )
    shown = _shown(recipe, inputs)
    columns = tuple(column if column.name in shown else _without_values(column) for column in found.columns)
    return found.model_copy(update={"columns": columns})


def _positive(frame: pl.DataFrame, recipe: Recipe) -> str | None:
    if recipe.label is None or recipe.positive is None:
        return None
    return positive_text(frame[recipe.label], recipe.positive)


def _shown(recipe: Recipe, inputs: InputContract) -> frozenset[str]:
    open_inputs = {feature.name for feature in inputs.features if not feature.sensitive}
    sensitive = {feature.name for feature in inputs.features if feature.sensitive}
    steps = recipe.sequence.source_columns if recipe.sequence is not None else frozenset()
    named = {*filter(None, (recipe.label, recipe.time)), *recipe.horizons, *open_inputs, *steps}
    return frozenset(named - recipe.id_columns - sensitive)


def _without_values(column: ColumnProfile) -> ColumnProfile:
    return column.model_copy(
        update={"top": (), "histogram": (), "quantiles": None, "mean": None, "earliest": "", "latest": ""}
    )
