"""Recipes without the features that a selection leaves out."""

from collections.abc import Iterator, Sequence

from scoreline_trainers.data.columns import FeatureSpec
from scoreline_trainers.training.recipe import Recipe


def recipe_without(recipe: Recipe, left_out: Sequence[str]) -> Recipe:
    """The recipe without these features, and without ``select``."""
    gone = set(left_out)
    if recipe.features == "auto":
        changed = {"exclude": (*recipe.exclude, *left_out)}
        return recipe.model_copy(update={**changed, "select": None})
    features = tuple(spec for spec in recipe.features if not (isinstance(spec, FeatureSpec) and spec.name in gone))
    exclude = (*recipe.exclude, *left_out) if recipe.is_auto else recipe.exclude
    return recipe.model_copy(update={"features": features, "exclude": exclude, "select": None})


def pinned_features(recipe: Recipe, names: Sequence[str]) -> frozenset[str]:
    """The features that the recipe's engineered columns or options name: without them it cannot be trained."""
    written = {
        *(text for entry in recipe.engineered for text in _texts(entry.model_dump(mode="json"))),
        *_texts(recipe.config),
    }
    return frozenset(name for name in names if name in written)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
