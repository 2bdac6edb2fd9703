"""Examples of a route's questions, made of what its models expect."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from pydantic import BaseModel, ConfigDict

from scoreline_registry.documents.contract import Feature
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
    known = [feature for contract in contracts for feature in contract.features]
    entity: dict[str, Any] = {"entity_id": "customer-1"}
    entity["features"] = {
        feature.name: _value([one for one in known if one.name == feature.name], is_text=feature.kind == "category")
        for feature in document.input_schema.features
    }
    if document.input_schema.sequence is not None:
        steps = document.input_schema.sequence
        entity["sequence"] = [{name: steps.vocabularies.get(name, (1.0,))[0] for name in steps.features}] * 2
    return entity


def example_policy(registry: Registry, route: str) -> str:
    """The name of a policy that decides on the route's scores; a made-up one where there is none."""
    policies = registry.latest().policies.values()
    return next((policy.policy for policy in policies if policy.route == route), "policy")


def _value(known: Sequence[Feature], *, is_text: bool) -> float | str | None:
    """A value that every model which knows the feature takes: a name of all, or a number in the middle."""
    if is_text:
        strict = [one.vocabulary for one in known if one.unseen == "refuse"] or [one.vocabulary for one in known]
        return next((name for name in chain(*strict) if all(name in names for names in strict)), None)
    lows = [one.min for one in known if one.min is not None]
    highs = [one.max for one in known if one.max is not None]
    if not lows or not highs:
        return max(lows) if lows else min(highs, default=1.0)
    return (max(lows) + min(highs)) / 2
