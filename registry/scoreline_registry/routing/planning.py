"""Makes route documents from route specs, moving as few units as possible. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.documents import canonical_json
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.routing.bucketing import BucketRange, least_movement, merged, millionths, percent_of
from scoreline_registry.routing.continuation import continued
from scoreline_registry.routing.ramping import grows_in, held_by_rollback
from scoreline_registry.routing.route import (
    MAX_EARLIER_SCHEMAS,
    RouteDocument,
    RouteSchema,
    SchemaFeature,
    Shadow,
    schema_digest,
)
from scoreline_registry.routing.route_spec import RouteSpec, RuleSpec, SchemaSpec
from scoreline_registry.routing.rules import Arm, Rule
from scoreline_registry.routing.sections import written_sections


def schema_like(inputs: InputContract) -> RouteSchema:
    """The route schema with exactly the inputs of a model."""
    features = tuple(SchemaFeature(name=feature.name, kind=feature.kind) for feature in inputs.features)
    return RouteSchema(features=features, sequence=inputs.sequence, neighbors=inputs.neighbors)


def written_schema(spec: SchemaSpec) -> RouteSchema:
    """The schema that a spec writes out."""
    features = tuple(SchemaFeature(name=name, kind=kind) for name, kind in spec.features.items())
    return RouteSchema(features=features, **spec.model_dump(include={"sequence", "neighbors"}))


def next_document(spec: RouteSpec, *, schema: RouteSchema, before: RouteDocument | None) -> RouteDocument:
    """The document that a spec asks for, moving as few units as it can from what is served ``before``.

    Raises RefusedError where it would cut off a ramp that is running or paused.
    """
    kept = (before.model_extra or {}) if before is not None else {}
    bases = base_rules(spec.rules, before.rules if before is not None else ())
    document = RouteDocument(
        **kept,
        route=spec.route,
        schema=schema,
        earlier_schemas=_earlier_schemas(schema, before),
        unit=spec.unit,
        salt=spec.salt or spec.route,
        rules=tuple(_rule(rule, base) for rule, base in zip(spec.rules, bases, strict=True)),
        testers=dict(sorted(spec.overrides.items())),
        holdout_millionths=millionths(spec.holdout),
        fallback=spec.fallback,
        shadows=tuple(Shadow(ref=shadow.ref, sample_millionths=millionths(shadow.sample)) for shadow in spec.shadows),
        outcomes=spec.outcomes.document if spec.outcomes else None,
        experiment=spec.experiment.document if spec.experiment else None,
        ramp=spec.ramp.document if spec.ramp else None,
        allocate=spec.allocate.document if spec.allocate else None,
        cache=spec.cache.document if spec.cache else None,
        profiles={name: inputs.document for name, inputs in spec.profiles.items()},
    )
    return _numbered(document if before is None else continued(document, before))


def _numbered(document: RouteDocument) -> RouteDocument:
    return document.model_copy(update={"schema_number": document.least_schema})


def restored(past: RouteDocument, *, before: RouteDocument | None) -> RouteDocument:
    """An earlier definition as the next document; layouts that callers use since then stay known.

    A ramp that ran then has its weights of then and is paused: its guards would look at rows since that time.
    """
    held = held_by_rollback(past)
    if before is None:
        return held
    return held.model_copy(update={"earlier_schemas": _earlier_schemas(past.input_schema, before)})


def without_arm(document: RouteDocument, ref: str) -> RouteDocument:
    """The route without one arm: its buckets go to the first other arm of the same rule, its overrides to the rules.

    Where it is the fallback, the first arm of the last rule is from then on. A shadow can be taken out like an arm. A
    ramp of the arm ends, and so does an allocation of which no two arms are left.

    Raises NotFoundError when the route has no such arm, and RefusedError where it is the only arm of a rule.
    """
    if ref not in document.refs:
        raise NotFoundError("arm", ref, f"route {document.route} has {', '.join(document.refs)}")
    alone = [
        position for position, rule in enumerate(document.rules, start=1) if [arm.ref for arm in rule.arms] == [ref]
    ]
    if alone:
        errors = [
            f"it is the only arm of rule {position}: apply the route with another one there" for position in alone
        ]
        raise RefusedError(f"{ref} cannot be stopped", errors)
    rules = tuple(_rule_without(rule, ref) for rule in document.rules)
    fallback = rules[-1].arms[0].ref if document.fallback == ref else document.fallback
    overrides = {unit: arm for unit, arm in document.overrides.items() if arm != ref}
    shadows = tuple(shadow for shadow in document.shadows if shadow.ref != ref)
    update = {"rules": rules, "fallback": fallback, "overrides": overrides, "shadows": shadows}
    return _numbered(_sections_without(document.model_copy(update=update), ref))


def _sections_without(document: RouteDocument, ref: str) -> RouteDocument:
    """The route with an arm out of its ramp and its allocation as well."""
    update: dict[str, Any] = {}
    ramp, state = document.ramp, document.ramp_state
    if ramp is not None and (ramp.arm == ref or not any(grows_in(rule, ramp.arm) for rule in document.rules)):
        update |= {"ramp": None, "ramp_state": None}
    elif state is not None:
        baseline = tuple(_rule_without(rule, ref) for rule in state.baseline)
        update["ramp_state"] = state.model_copy(update={"baseline": baseline})
    if document.allocate is not None and len(document.rules[-1].arms) < 2:
        update["allocate"] = None
    if document.allocation_state is not None:
        update["allocation_state"] = None
    return document.model_copy(update=update)


def _rule_without(rule: Rule, ref: str) -> Rule:
    first, *others = [arm for arm in rule.arms if arm.ref != ref]
    freed = [part for arm in rule.arms if arm.ref == ref for part in arm.ranges]
    taken = first.model_copy(update={"ranges": merged([*first.ranges, *freed])})
    return rule.model_copy(update={"arms": (taken, *others)})


def spec_of(document: RouteDocument) -> dict[str, Any]:
    """The route spec, as YAML data, from which this document would be made."""
    schema: dict[str, Any] = {}
    if document.input_schema.features:
        schema["features"] = dict(document.input_schema.kinds)
    schema |= {each.name: each.written() for each in document.input_schema.ragged}
    spec: dict[str, Any] = {"route": document.route, "schema": schema, "unit": document.unit, "salt": document.salt}
    spec["rules"] = [_written_rule(rule) for rule in document.rules]
    if document.overrides:
        spec["testers"] = dict(document.overrides)
    if document.holdout_millionths:
        spec["holdout"] = percent_of(document.holdout_millionths)
    if document.fallback is not None:
        spec["fallback"] = document.fallback
    if document.shadows:
        spec["shadows"] = [{"model": s.ref, "sample": percent_of(s.sample_millionths)} for s in document.shadows]
    return {**spec, **written_sections(document)}


def _written_rule(rule: Rule) -> dict[str, Any]:
    written: dict[str, Any] = {} if rule.when is None else {"when": rule.when}
    if rule.layer is not None:
        written["layer"] = rule.layer
    return {**written, "split": {arm.ref: percent_of(arm.millionths) for arm in rule.arms}}


def _earlier_schemas(schema: RouteSchema, before: RouteDocument | None) -> tuple[RouteSchema, ...]:
    """The layouts before the current one, newest first."""
    if before is None:
        return ()
    layouts = {schema_digest(known): known for known in (before.input_schema, *before.earlier_schemas)}
    layouts.pop(schema_digest(schema), None)
    return tuple(layouts.values())[:MAX_EARLIER_SCHEMAS]


class Conditional(Protocol):
    """A rule: units that meet its condition, or without one all that are left."""

    @property
    def when(self) -> Mapping[str, Any] | None:
        """The condition."""
        ...


R = TypeVar("R", bound=Conditional)


def base_rules(new: Sequence[Conditional], old: Sequence[R]) -> list[R | None]:
    """For each new rule the old rule of its units.

    That is the rule with the same condition; else, for an edited condition, the one at the same place; else the last
    rule, which had all units that met no condition.
    """
    if not old:
        return [None] * len(new)
    by_when = {_when_key(rule.when): rule for rule in reversed(old)}
    kept = {_when_key(rule.when) for rule in new}
    return [by_when.get(_when_key(rule.when)) or _edited(old, position, kept) for position, rule in enumerate(new)]


def _edited(old: Sequence[R], position: int, kept: set[bytes]) -> R:
    same_place = old[position] if position < len(old) else old[-1]
    return old[-1] if _when_key(same_place.when) in kept else same_place


def _when_key(when: Mapping[str, Any] | None) -> bytes:
    return canonical_json(when)


def _rule(spec: RuleSpec, base: Rule | None) -> Rule:
    ranges = least_movement(ranges_of(base), spec.split)
    return Rule(
        when=spec.when, layer=spec.layer, arms=tuple(Arm(ref=ref, ranges=parts) for ref, parts in ranges.items())
    )


def ranges_of(rule: Rule | None) -> dict[str, tuple[BucketRange, ...]]:
    return {arm.ref: arm.ranges for arm in rule.arms} if rule is not None else {}
