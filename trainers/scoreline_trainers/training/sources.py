"""The table that a recipe names, and what the model card says of its source."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from scoreline_trainers.data.tables import read_table, table_digest
from scoreline_trainers.data.training_tables.assembly import TrainingTable, training_table
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.problems import nearest_or_all
from scoreline_trainers.synthetic import GENERATORS, TABLE_SETS
from scoreline_trainers.training.recipe import Recipe, Synthetic


def recipe_table(
    recipe: Recipe, *, folder: Path, data: Path | None = None, note: Callable[[str], None] | None = None
) -> tuple[pl.DataFrame, str]:
    """The table that a recipe names, with its digest.

    Args:
        recipe: names it.
        folder: that the recipe's paths start from.
        data: a file in its place.
        note: receives lines about a table that is made of several files: what was left out, and why.

    Raises:
        DataError, RecipeError: the table cannot be read or made.
    """
    if data is not None:
        return read_table(data, separator=recipe.separator, decimal=recipe.decimal, encoding=recipe.encoding)
    if isinstance(recipe.data, str):
        return read_table(
            recipe.data_path(folder), separator=recipe.separator, decimal=recipe.decimal, encoding=recipe.encoding
        )
    if isinstance(recipe.data, Sources):
        made = _assembled(recipe.name, recipe.data, folder)
        if note is not None:
            for line in made.notes:
                note(line)
        return made.frame, made.digest
    return _synthetic_table(recipe.name, recipe.data)


def data_source(recipe: Recipe, data: Path | None = None) -> str:
    """The source of a recipe's table for the model card: the file as named, or the generator."""
    if data is not None or isinstance(recipe.data, str):
        return str(data or recipe.data)
    made = recipe.data
    if isinstance(made, Sources):
        files = ", ".join(made.files)
        if made.generator is None:
            return files
        generator = made.generator
        return f"{files} of synthetic {generator.name}, {generator.customers:,} customers, seed {generator.seed}"
    return f"synthetic {made.synthetic}, {made.rows:,} rows, seed {made.seed}"


def _assembled(recipe: str, sources: Sources, folder: Path) -> TrainingTable:
    """The table that is made of files, or of a generator's tables in their place."""
    made = sources.generator
    if made is None:
        return training_table(sources, folder=folder)
    if made.name not in TABLE_SETS:
        hint = nearest_or_all(made.name, TABLE_SETS)
        raise RecipeError(recipe, [f"data.generator.name: {made.name!r} is unknown; {hint}"])
    with TemporaryDirectory() as made_in:
        replaced = {}
        for name, frame in TABLE_SETS[made.name](made.customers, seed=made.seed).items():
            replaced[name] = Path(made_in) / f"{name}.parquet"
            frame.write_parquet(replaced[name])
        unknown = next((file for file in sources.files if file not in replaced), None)
        if unknown is not None:
            hint = nearest_or_all(unknown, replaced)
            raise RecipeError(recipe, [f"data: {made.name!r} makes no table {unknown!r}; {hint}"])
        return training_table(sources, folder=folder, replaced=replaced)


def _synthetic_table(recipe: str, data: Synthetic) -> tuple[pl.DataFrame, str]:
    if data.synthetic not in GENERATORS:
        raise RecipeError(recipe, [f"data.synthetic: {data.synthetic!r} is unknown; there are {', '.join(GENERATORS)}"])
    frame = GENERATORS[data.synthetic](data.rows, seed=data.seed)
    return frame, table_digest(frame)
