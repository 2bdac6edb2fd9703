"""Trains models, proves that their ONNX graphs equal them, and publishes them.

A recipe (``training.recipe.Recipe``) names data, columns and a family; training runs it: table -> dataset -> fit ->
export -> gate -> registry. What is imported from here by name is the public interface, see
``docs/guides/training-in-python.md``; nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scoreline_trainers.errors import TrainersError
    from scoreline_trainers.profiling.document import TableProfile
    from scoreline_trainers.profiling.profile import profile
    from scoreline_trainers.training.candidate import Candidate
    from scoreline_trainers.training.first_recipe.files import first_recipe
    from scoreline_trainers.training.first_recipe.first_recipe import FirstRecipe
    from scoreline_trainers.training.in_python import load_recipe, publish, read_table, recipe_of, train
    from scoreline_trainers.training.recipe import Recipe
    from scoreline_trainers.training.reports.training_report import TrainingReport

__all__ = [
    "Candidate",
    "FirstRecipe",
    "Recipe",
    "TableProfile",
    "TrainersError",
    "TrainingReport",
    "first_recipe",
    "load_recipe",
    "profile",
    "publish",
    "read_table",
    "recipe_of",
    "train",
]

_MODULES = {
    "Candidate": "training.candidate",
    "FirstRecipe": "training.first_recipe.first_recipe",
    "Recipe": "training.recipe",
    "TableProfile": "profiling.document",
    "TrainersError": "errors",
    "TrainingReport": "training.reports.training_report",
    "first_recipe": "training.first_recipe.files",
    "profile": "profiling.profile",
    **dict.fromkeys(("load_recipe", "publish", "read_table", "recipe_of", "train"), "training.in_python"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
