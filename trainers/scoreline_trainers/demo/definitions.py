"""Puts packaged recipes, profiles and policies into a demo's registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scoreline_registry.decisions.packaged import packaged_policies
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.profiles.packaged import packaged_profiles
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import DemoError
from scoreline_trainers.progress import Part, Progress
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.profiles import with_profiles
from scoreline_trainers.training.recipe import find_recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table

AUTHOR = "scoreline demo"


def publish_packaged(registry: Registry, name: str, *, customers: int, progress: Progress) -> str:
    """Trains the packaged recipe ``name`` on ``customers`` synthetic people and publishes it; returns the champion."""
    recipe, folder = find_recipe(name)
    if not isinstance(recipe.data, Sources) or recipe.data.generator is None:
        raise DemoError(f"recipe {name} has no generator")
    generator = recipe.data.generator.model_copy(update={"customers": customers})
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"generator": generator})})
    recipe = with_profiles(recipe, folder=folder)
    progress.begin(f"{name}: read the profiles of {customers:,} other people")
    table, digest = recipe_table(recipe, folder=Path())
    candidate = train(recipe, table, data_sha256=digest, progress=Part(progress, name))
    publish_candidate(candidate, recipe, registry, author=AUTHOR, aliases=("champion",))
    return f"{name}@champion"


def apply_packaged(registry: Registry, *, profile: str, route: Mapping[str, Any], policy: str) -> None:
    """Applies a packaged profile, a route over it, and a packaged policy."""
    text = packaged_profiles()[profile].read_text("utf-8")
    registry.apply_profile(read_profile(text, source=profile), author=AUTHOR, message="what is known of each person")
    registry.apply_route(RouteSpec.model_validate(dict(route)), author=AUTHOR, message="score by the live profile")
    rules = packaged_policies()[policy].read_text("utf-8")
    registry.apply_policy(read_policy(rules, source=policy), author=AUTHOR, message="what to do about it")
