"""Examples of a route's questions, made of what its models expect."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from scoreline_registry.contract import Feature
from scoreline_registry.registry import Registry


def with_example(kind: type[BaseModel], example: Mapping[str, Any]) -> Any:
    """The same model, with an example in its JSON schema."""

    class Exemplified(kind):  # type: ignore[valid-type, misc]
        __doc__ = kind.__doc__
        model_config = ConfigDict(title=kind.__name__, json_schema_extra={"example": dict(example)})

    # BentoML's name for it in OpenAPI, where two of one name would be one.
    Exemplified.__name__ = kind.__name__
    return Exemplified


def example_entity(registry: Registry, route: str) -> dict[str, Any]:
    """An entity that every arm of the route scores, as JSON."""
    state = registry.latest().state
    document = state.routes.require(route)
    contracts = [state.manifest_of(ref).inputs for ref in document.answering_refs]
    known = {feature.name: feature for contract in contracts for feature in contract.features}
    entity: dict[str, Any] = {"entity_id": "customer-1"}
    entity["features"] = {
        feature.name: _value(known.get(feature.name), is_text=feature.kind == "category")
        for feature in document.input_schema.features
    }
    if document.input_schema.sequence is not None:
        entity["sequence"] = [dict.fromkeys(document.input_schema.sequence.features, 1.0)] * 2
    return entity


def _value(feature: Feature | None, *, is_text: bool) -> float | str | None:
    """A value in the middle of what is allowed."""
    if is_text:
        return feature.vocabulary[0] if feature and feature.vocabulary else None
    if feature is None or (feature.min is None and feature.max is None):
        return 1.0
    low = feature.min if feature.min is not None else feature.max
    high = feature.max if feature.max is not None else feature.min
    return ((low or 0.0) + (high or 0.0)) / 2
