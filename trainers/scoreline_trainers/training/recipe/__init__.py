"""Recipes: one YAML file that describes how a model is trained."""

from scoreline_trainers.training.recipe.data import Synthetic
from scoreline_trainers.training.recipe.packaged import find_recipe, packaged_recipes, packaged_summaries
from scoreline_trainers.training.recipe.recipe import Recipe
from scoreline_trainers.training.recipe.score import ScoreSpec

__all__ = [
    "Recipe",
    "ScoreSpec",
    "Synthetic",
    "find_recipe",
    "packaged_recipes",
    "packaged_summaries",
]
