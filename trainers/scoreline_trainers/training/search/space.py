"""The space of a recipe's search, and recipes with options taken from it."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from scoreline_trainers.errors import RecipeError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import FamilyConfig
from scoreline_trainers.problems import nearest_or_all
from scoreline_trainers.spaces import Dimension, Space
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.search.spec import Search


@dataclass(frozen=True, slots=True)
class FamilySpace:
    """One family of a search.

    Attributes:
        recipe: with this family and the options that a search starts from.
        space: by path of the option, such as "num_leaves" or "members.0.config.num_leaves".
    """

    recipe: Recipe
    space: Space

    def with_options(self, options: Mapping[str, Any]) -> Recipe:
        """The recipe with the given options by path. Raises RecipeError where they do not go together."""
        config = deepcopy(self.recipe.family_config().model_dump(mode="json"))
        for path, value in options.items():
            _put(config, path.split("."), value)
        found = self.recipe.model_copy(update={"config": config})
        found.family_config(source=self.recipe.name)
        return found


def search_spaces(recipe: Recipe, search: Search) -> dict[str, FamilySpace]:
    """The space of each family by its name. Raises RecipeError for families and options that are unknown."""
    families = search.families or (recipe.family,)
    unknown = next((name for name in families if name not in FAMILIES), None)
    if unknown is not None:
        raise RecipeError(
            recipe.name, [f"search.families: {unknown!r} is unknown; {nearest_or_all(unknown, FAMILIES)}"]
        )
    spaces = {family: _family_space(recipe, search, family) for family in families}
    _check_overrides(recipe, search, spaces)
    if not any(each.space for each in spaces.values()) and len(spaces) == 1:
        problem = f"family {recipe.family!r} declares no space: give `search.space` its options"
        raise RecipeError(recipe.name, [problem])
    return spaces


def _family_space(recipe: Recipe, search: Search, family: str) -> FamilySpace:
    config = recipe.config if family == recipe.family else {}
    written = recipe.model_copy(update={"family": family, "config": config})
    written.check_task(source=recipe.name)
    options: FamilyConfig = written.family_config(source=recipe.name)
    space: dict[str, Dimension] = dict(options.search_space())
    for name, dimension in search.space.items():
        option = name.removeprefix(f"{family}.")
        if option not in space and option not in type(options).model_fields:
            continue
        space.pop(option, None)
        if dimension is not None:
            space[option] = dimension
    return FamilySpace(written, space)


def _check_overrides(recipe: Recipe, search: Search, spaces: Mapping[str, FamilySpace]) -> None:
    known = {
        shown
        for family, each in spaces.items()
        for option in (*each.space, *type(each.recipe.family_config()).model_fields)
        for shown in (option, f"{family}.{option}")
    }
    unknown = next((name for name in search.space if name not in known), None)
    if unknown is not None:
        raise RecipeError(
            recipe.name, [f"search.space: {unknown!r} is no option; {nearest_or_all(unknown, sorted(known))}"]
        )


def _put(config: Any, path: list[str], value: object) -> None:
    *parents, last = path
    for part in parents:
        config = config[int(part)] if isinstance(config, list) else config[part]
    config[last] = value
