"""The recipes that come with this package, and how a recipe is found by path or name."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from scoreline_registry.strict_yaml import read_yaml
from scoreline_trainers.data.tables import READABLE
from scoreline_trainers.errors import RecipeError
from scoreline_trainers.problems import nearest_or_all
from scoreline_trainers.training.recipe.recipe import Recipe

PACKAGED = files("scoreline_trainers") / "recipes"


def packaged_recipes() -> Mapping[str, Traversable]:
    """The recipes that come with this package, by name."""
    found = (entry for entry in PACKAGED.iterdir() if entry.name.endswith(".yaml"))
    return {entry.name.removesuffix(".yaml"): entry for entry in sorted(found, key=lambda entry: entry.name)}


def packaged_summaries() -> list[tuple[str, str]]:
    """Name and first line of the description of each packaged recipe. No family is imported."""
    documents = (
        (name, read_yaml(entry.read_text("utf-8"), source=entry.name)) for name, entry in packaged_recipes().items()
    )
    return [(name, str(document["description"]).splitlines()[0]) for name, document in documents]


def find_recipe(text: str) -> tuple[Recipe, Path]:
    """Loads a recipe by path, or one that comes with this package by name.

    Returns:
        The recipe and the folder that its paths are relative to. Raises RecipeError.
    """
    path, packaged = Path(text), packaged_recipes()
    if text in packaged and not path.exists():
        return Recipe.load(packaged[text]), Path.cwd()
    if not path.exists():
        hint = f"there is no such file, and no packaged recipe of this name; {nearest_or_all(text, packaged)}"
        raise RecipeError(text, [hint])
    if path.is_dir():
        raise RecipeError(text, ["this is a folder: name a recipe in it, a .yaml file"])
    if path.name.endswith(READABLE):
        raise RecipeError(text, [f"this is a table: write a recipe for it with `scoreline recipe {text} --label NAME`"])
    return Recipe.load(path), path.parent
