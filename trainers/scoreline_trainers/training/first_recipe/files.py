"""The first recipe for a file."""

import os
from pathlib import Path

from scoreline_trainers.data.tables import read_unknown
from scoreline_trainers.profiling.profile import profile
from scoreline_trainers.training.first_recipe.first_recipe import FirstRecipe, model_name
from scoreline_trainers.training.first_recipe.first_recipe import first_recipe as by_profile


def first_recipe(
    file: Path | str,
    label: str | None = None,
    *,
    positive: str | None = None,
    time: str | None = None,
    unit: str | None = None,
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
        name: of the model; that of the file by default.
        folder: where the recipe is to stand, from which it names the file.

    Raises:
        DataError: the file cannot be read, has no such column, or its label cannot be learned.
    """
    path = Path(file)
    frame, form = read_unknown(path)
    found = profile(frame, label=label, positive=positive, time=time, unit=unit, decimal=form.decimal)
    data = os.path.relpath(path, folder)
    return by_profile(found, name=name or model_name(path.name.partition(".")[0]), data=data, form=form)
