"""Validates a route against the contracts of its arms; each error is one line. Pure."""

from collections.abc import Callable, Iterator, Sequence

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.routing.dead_rules import dead_rules
from scoreline_registry.routing.route import RouteDocument, RouteSchema
from scoreline_registry.routing.rules import Rule

_SHOWN = 8
"""How many features a warning lists."""


def route_errors(document: RouteDocument, manifest_of: Callable[[str], Manifest]) -> list[str]:
    """The errors for which a route must be refused; empty when it can serve.

    ``manifest_of`` gives the manifest behind a reference such as "credit@champion"; it raises NotFoundError, and
    RefusedError for a version that must not be used.
    """
    errors = rule_errors(document.rules)
    for ref in document.refs:
        try:
            inputs = routable(ref, manifest_of(ref)).inputs
        except (NotFoundError, RefusedError) as error:
            errors.append(str(error))
        else:
            errors += contract_errors(document.input_schema, ref, inputs)
    return errors


def route_warnings(document: RouteDocument, manifest_of: Callable[[str], Manifest]) -> list[str]:
    """The optional features of each model that no caller can send, because the route's schema lacks them."""
    sent, warnings = document.input_schema.kinds, []
    for ref in document.refs:
        lacking = [feature.name for feature in manifest_of(ref).inputs.features if feature.name not in sent]
        if lacking:
            shown = ", ".join(lacking[:_SHOWN]) + (", ..." if len(lacking) > _SHOWN else "")
            total = len(manifest_of(ref).inputs.features)
            lack = f"{len(lacking)} of its {total} features, which are then always missing: {shown}"
            warnings.append(f"{ref}: the route's schema lacks {lack}")
    return warnings


def routable(ref: str, manifest: Manifest) -> Manifest:
    """The manifest itself. Raises RefusedError for a version without a score, published with --as-is."""
    if manifest.tensors is None:
        return manifest
    reason = "it was published as it is and answers raw tensors: no route can name it; publish it with --score-output"
    raise RefusedError(ref, [reason])


def rule_errors(rules: Sequence[Rule]) -> list[str]:
    """The rules that can never match. The last one, which is for every other unit, may have none left."""
    dead = [index for index in dead_rules([rule.condition for rule in rules]) if index < len(rules) - 1]
    first = next((index for index, rule in enumerate(rules) if rule.when is None), len(rules))
    errors = [f"rule {index + 1} can never match: {_why(index, first)}" for index in dead]
    if first < len(rules) - 1:
        errors.append(f"rule {len(rules)} can never match: rule {first + 1} has no condition")
    return errors


def _why(index: int, first_unconditional: int) -> str:
    if first_unconditional < index:
        return f"rule {first_unconditional + 1} has no condition"
    return "its conditions contradict each other" if not index else "no context meets it that meets no earlier rule"


def contract_errors(schema: RouteSchema, arm: str, inputs: InputContract) -> list[str]:
    """The errors of one arm whose inputs a route's schema does not cover."""
    errors = (
        *_feature_errors(schema, inputs),
        *_ragged_errors(schema, inputs),
    )
    return [f"{arm} {error}" for error in errors]


def _feature_errors(schema: RouteSchema, inputs: InputContract) -> Iterator[str]:
    kinds = schema.kinds
    for feature in inputs.features:
        kind = kinds.get(feature.name)
        if kind is None and feature.required:
            yield f"requires the {feature.kind} {feature.name!r}, which the route's schema lacks"
        elif kind is not None and kind != feature.kind:
            yield f"takes {feature.name!r} as a {feature.kind}, the route's schema has a {kind}"


def _ragged_errors(schema: RouteSchema, inputs: InputContract) -> Iterator[str]:
    offered = {each.name: each for each in schema.ragged}
    for taken in inputs.ragged:
        kind, given = taken.kind, offered.get(taken.name)
        if given is None:
            yield f"takes {kind.noun}, which the route's schema lacks"
            continue
        for name in taken.features:
            if name not in given.features:
                yield f"requires the {kind.item} feature {name!r}, which the route's schema lacks"
            elif (name in taken.vocabularies) != (name in given.vocabularies):
                kinds = {True: "category", False: "number"}
                own, offers = kinds[name in taken.vocabularies], kinds[name in given.vocabularies]
                yield f"takes the {kind.item} feature {name!r} as a {own}, the route's schema has a {offers}"
        if given.max_items > taken.max_items:
            yield f"takes {kind.most.format(taken.max_items)}, the route's schema allows {given.max_items}"
