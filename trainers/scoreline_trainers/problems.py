"""Turns pydantic's errors about a recipe or manifest into lines that name the key and what to write instead."""

import difflib
import typing
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

# What people and libraries call the same family or option.
_SYNONYMS: Sequence[set[str]] = (
    {"lightgbm", "lgbm", "lgb", "gbdt", "gbm"},
    {"xgboost", "xgb"},
    {"catboost", "cat"},
    {"random_forest", "rf", "forest", "randomforest"},
    {"logistic", "logistic_regression", "logreg", "lr"},
    {"linear", "linear_regression", "ridge", "ols"},
    {"mlp", "nn", "dnn", "dense", "neural_network"},
    {"transformer", "attention", "bert"},
    {"lstm", "rnn", "gru"},
    {"voting", "mean", "average", "blend"},
    {"stacking", "stack", "super_learner"},
    {"n_estimators", "num_iterations", "num_boost_round", "iterations", "max_iterations", "num_trees", "n_trees"},
    {"num_threads", "threads", "n_jobs", "nthread", "thread_count"},
    {"learning_rate", "eta", "lr"},
    {"max_depth", "depth"},
    {"num_leaves", "max_leaf_nodes", "max_leaves"},
    {"min_data_in_leaf", "min_child_samples", "min_samples_leaf"},
    {"lambda_l2", "reg_lambda", "l2_leaf_reg"},
    {"lambda_l1", "reg_alpha"},
    {"feature_fraction", "colsample_bytree", "rsm", "max_features"},
    {"bagging_fraction", "subsample"},
    {"stopping_fraction", "validation_fraction"},
)
_WORDS = (
    ("Input should be ", "must be "),
    ("a valid string", "text"),
    ("a valid integer", "a whole number"),
    ("a valid number", "a number"),
    ("a valid boolean", "true or false"),
    ("a valid array", "a list"),
    ("a valid tuple", "a list"),
    ("a valid dictionary", "a mapping"),
    ("an object", "a mapping"),
)
# What libraries take with the options and a recipe has beside them.
_IN_THE_RECIPE = {
    **dict.fromkeys(("seed", "random_state", "random_seed"), "seed"),
    **dict.fromkeys(("class_weight", "scale_pos_weight", "is_unbalance"), "class_weight"),
}
_LISTED = 40
_SHOWN = 40
# At 0.6, difflib's own, "income" would be the nearest to "nope".
_ALIKE = 0.65
_BRANCHES = ("Synthetic", "Sources", "FeatureSpec", "str")
_BRANCHES_OF = {"bands": ("cuts", "quantiles")}


def nearest(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'x'?" for the name most like ``name``; empty where none is."""
    names = sorted(known)
    same = [other for words in _SYNONYMS if name in words for other in names if other in words]
    near = same or difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE)
    near = near or [each for each in names if len(name) > 2 and each.startswith(name)]
    return f"did you mean {near[0]!r}?" if near else ""


def nearest_or_all(name: str, known: Iterable[str], *, verb: str = "there are") -> str:
    """The nearest name, and all there are."""
    names = list(known)
    listed = ", ".join(names[:_LISTED]) + (f", ... ({len(names)} in all)" if len(names) > _LISTED else "")
    return " ".join(filter(None, [nearest(name, names), f"{verb} {listed or 'none'}"]))


def as_yaml(value: object) -> str:
    """A value as it is written in a recipe: text that YAML would read as something else is quoted."""
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True).removesuffix("\n...\n").strip()


def problems_of(error: ValidationError, model: type[BaseModel], *, listing: bool = False) -> list[str]:
    """Each mistake as "where: what", with the nearest key for an unknown one; ``listing`` names all keys too."""
    found = [detail for detail in error.errors() if not _is_other_branch(detail["loc"])] or error.errors()
    found = [detail for detail in found if detail["loc"][-1:] != ("str",) or not _has_more_beside(detail["loc"], found)]
    # A list whose items are all mistaken is called too short, too.
    found = [detail for detail in found if detail["type"] != "too_short" or not _has_more_inside(detail["loc"], found)]
    return [_problem(detail, model, listing=listing) for detail in found]


def _problem(detail: ErrorDetails, model: type[BaseModel], *, listing: bool) -> str:
    location = detail["loc"]
    path = [str(part) for above, part in pairwise((None, *location)) if not _is_branch(part, above)]
    message = _message(detail, model, listing=listing).removeprefix("Value error, ")
    return f"{'.'.join(path)}: {message}" if path else message


def _message(detail: ErrorDetails, model: type[BaseModel], *, listing: bool) -> str:
    location, context = detail["loc"], detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        beside = _IN_THE_RECIPE.get(str(location[-1])) if listing else None
        if beside is not None:
            return f"unknown key; {beside!r} stands in the recipe itself, beside 'config'"
        near = "" if listing else nearest(str(location[-1]), known)
        return f"unknown key; {near or nearest_or_all(str(location[-1]), known)}"
    if detail["type"] == "union_tag_invalid":
        known = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        key = str(context["discriminator"]).strip("'")
        return f"unknown {key} {context['tag']!r}; {nearest_or_all(str(context['tag']), known)}"
    if detail["type"] == "union_tag_not_found":
        return f"{context['discriminator']!s} is missing"
    if detail["type"] == "missing":
        return "is missing"
    return _plain(detail["msg"], detail["input"])


def _plain(message: str, given: object) -> str:
    """Pydantic's message in the words of a person who writes YAML, with the value that was given."""
    if not message.startswith("Input should be "):
        return message
    for pydantic, word in _WORDS:
        message = message.replace(pydantic, word)
    shown = f", not {given!r}" if isinstance(given, str | int | float) and len(repr(given)) <= _SHOWN else ""
    return f"{message}{shown}"


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that are known at ``location`` inside ``model``."""
    models: list[type[BaseModel]] = [model]
    for part in location:
        tagged = [each for each in models if _has_tag(each, part)]
        fields = [each.model_fields[part] for each in models if isinstance(part, str) and part in each.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models_in(field.annotation)]
        elif tagged:
            models = tagged
    return list(dict.fromkeys(key for each in models for key in each.model_fields))


def _has_tag(model: type[BaseModel], tag: int | str) -> bool:
    """Whether ``tag`` names this branch of a union: by the literal of one of its fields."""
    annotations = (field.annotation for field in model.model_fields.values())
    return any(typing.get_origin(each) is Literal and tag in typing.get_args(each) for each in annotations)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _has_more_inside(location: tuple[int | str, ...], found: Sequence[ErrorDetails]) -> bool:
    return any(detail["loc"][: len(location)] == location != detail["loc"] for detail in found)


def _has_more_beside(location: tuple[int | str, ...], found: Sequence[ErrorDetails]) -> bool:
    """Whether another branch of the same union is mistaken further inside, which is then the one that was meant."""
    return any(detail["loc"][: len(location) - 1] == location[:-1] != detail["loc"][:-1] for detail in found)


def _is_branch(part: int | str | None, above: int | str | None) -> bool:
    """Pydantic names the branch of a union in the location; a person did not write it."""
    return isinstance(part, str) and (
        part.startswith(("tuple[", "dict[", "literal[", "function-"))
        or part in (*_BRANCHES, *_BRANCHES_OF.get(str(above), ()))
    )


def _is_other_branch(location: tuple[int | str, ...]) -> bool:
    return any(isinstance(part, str) and part.startswith("literal[") for part in location)
