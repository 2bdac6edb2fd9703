"""The first recipe for a file."""

import os
from pathlib import Path

import polars as pl

from scoreline_trainers.data.tables import read_unknown, require
from scoreline_trainers.errors import DataError
from scoreline_trainers.profiling.profile import profile
from scoreline_trainers.training.first_recipe.event_logs import Event
from scoreline_trainers.training.first_recipe.first_recipe import FirstRecipe, first_recipe_of_log, model_name
from scoreline_trainers.training.first_recipe.first_recipe import first_recipe as by_profile

_SHOWN = 6


def first_recipe(
    file: Path | str,
    label: str | None = None,
    *,
    positive: str | None = None,
    time: str | None = None,
    unit: str | None = None,
    within_days: float | None = None,
    name: str | None = None,
    folder: Path | str = ".",
) -> FirstRecipe:
    """Looks at a file and makes a recipe that trains as it is.

    Args:
        file: CSV or Parquet.
        label: the column to predict.
        positive: its value that counts as 1; without one it is found.
        time: the column that says when a row was observed; without one it is found.
        unit: the column that says whom a row is about; without one it is found.
        within_days: makes rows of an event log: the label is whether an event follows within so many days of a cut;
            any event, or those whose ``label`` is ``positive``.
        name: of the model; that of the file by default.
        folder: where the recipe is to stand, from which it names the file.

    Raises:
        DataError: the file cannot be read, has no such column, or its label cannot be learned.
    """
    path = Path(file)
    frame, form = read_unknown(path)
    named, data = name or model_name(path.name.partition(".")[0]), os.path.relpath(path, folder)
    if within_days is not None:
        _check_event(frame, label, positive)
        log = profile(frame, time=time, unit=unit, decimal=form.decimal)
        return first_recipe_of_log(log, Event(label, positive, within_days), name=named, data=data, form=form)
    found = profile(frame, label=label, positive=positive, time=time, unit=unit, decimal=form.decimal)
    return by_profile(found, name=named, data=data, form=form)


def _check_event(frame: pl.DataFrame, column: str | None, value: str | None) -> None:
    if column is None:
        return
    require(frame, column)
    names = frame[column].cast(pl.String).drop_nulls()
    if value is None or value not in names:
        common = names.alias("value").value_counts(sort=True, name="rows")["value"].head(_SHOWN).to_list()
        raise DataError(column, f"says which event it is: name one with --positive, such as {', '.join(common)}")
