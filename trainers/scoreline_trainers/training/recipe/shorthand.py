"""Shorter ways of writing a recipe, written out before it is read."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from scoreline_trainers.data.training_tables.spec import Sources


def expanded(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with shorter ways of writing them written out."""
    return _with_roles(_named(document))


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    """A feature may be written as its name alone; "auto" among them stays."""
    features = document.get("features")
    if not isinstance(features, list):
        return dict(document)
    named = [{"name": item} if isinstance(item, str) and item != "auto" else item for item in features]
    return {**document, "features": named}


def _with_roles(document: Mapping[str, Any]) -> dict[str, Any]:
    """A table of cuts and labels says by itself what its columns are; what the recipe says comes first."""
    data = document.get("data")
    if not isinstance(data, Mapping) or "synthetic" in data:
        return dict(document)
    try:
        sources = Sources.model_validate_json(json.dumps(data, default=str))
    except ValidationError:
        # The mistakes are reported where the whole recipe is read.
        return dict(document)
    return {**sources.roles(), **document}
