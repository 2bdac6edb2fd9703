"""From what people ask of a route to what will be stored, and what that would change. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.documents import canonical_json
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.routing.bucketing import WHOLE, BucketRange, least_movement, merged, millionths
from scoreline_registry.routing.route import (
    MAX_EARLIER_SCHEMAS,
    Arm,
    RouteDocument,
    RouteSchema,
    RouteSpec,
    Rule,
    RuleSpec,
    SchemaFeature,
    SchemaSpec,
    Shadow,
    schema_digest,
)


@dataclass(frozen=True, slots=True)
class ShareChange:
    """One arm's share of a rule's units in percent, holdout counted in; 0 where the arm is not there."""

    arm: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One rule of the new definition. ``moved`` is the fraction (0 to 1) of its units that would change arm."""

    when: Mapping[str, Any] | None
    shares: tuple[ShareChange, ...]
    moved: float


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """What applying a spec does. ``before`` is None for a new route; ``revision`` is None while nothing is written.

    ``etag`` is the digest of the document that the plan was made against, "" where there is none: give it as
    ``if_match`` to apply this plan and no other. ``moved`` is the largest ``moved`` of any rule.
    """

    route: str
    before: RouteDocument | None
    after: RouteDocument
    etag: str
    differences: tuple[str, ...]
    rules: tuple[RulePlan, ...]
    moved: float
    revision: int | None = None

    @property
    def changes_anything(self) -> bool:
        """Whether applying it would make a revision."""
        return self.before is None or self.before != self.after


def schema_like(inputs: InputContract) -> RouteSchema:
    """The schema that gives a model exactly what it takes."""
    features = tuple(SchemaFeature(name=feature.name, kind=feature.kind) for feature in inputs.features)
    return RouteSchema(features=features, sequence=inputs.sequence, neighbors=inputs.neighbors)


def written_schema(spec: SchemaSpec) -> RouteSchema:
    """The schema that a spec writes out."""
    features = tuple(SchemaFeature(name=name, kind=kind) for name, kind in spec.features.items())
    return RouteSchema(features=features, **spec.model_dump(include={"sequence", "neighbors"}))


def next_document(spec: RouteSpec, *, schema: RouteSchema, before: RouteDocument | None) -> RouteDocument:
    """The document that a spec asks for, moving as few units as it can from what is served ``before``."""
    kept = (before.model_extra or {}) if before is not None else {}
    bases = _base_rules(spec.rules, before.rules if before is not None else ())
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
    )
    return _numbered(document)


def _numbered(document: RouteDocument) -> RouteDocument:
    return document.model_copy(update={"schema_number": document.least_schema})


def restored(past: RouteDocument, *, before: RouteDocument | None) -> RouteDocument:
    """An earlier definition as the next one: the layouts that callers have learned since stay known."""
    if before is None:
        return past
    return past.model_copy(update={"earlier_schemas": _earlier_schemas(past.input_schema, before)})


def without_arm(document: RouteDocument, ref: str) -> RouteDocument:
    """The route without one arm: its buckets go to the first other arm of the same rule, its overrides to the rules.

    Where it is the fallback, the first arm of the last rule is from then on. A shadow can be taken out like an arm.

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
    return _numbered(document.model_copy(update=update))


def _rule_without(rule: Rule, ref: str) -> Rule:
    first, *others = [arm for arm in rule.arms if arm.ref != ref]
    freed = [part for arm in rule.arms if arm.ref == ref for part in arm.ranges]
    taken = first.model_copy(update={"ranges": merged([*first.ranges, *freed])})
    return rule.model_copy(update={"arms": (taken, *others)})


def route_plan(
    route: str, *, before: RouteDocument | None, after: RouteDocument, etag: str, revision: int | None = None
) -> RoutePlan:
    """Compares two definitions of one route."""
    bases = _base_rules(after.rules, before.rules if before is not None else ())
    rules = tuple(_rule_plan(rule, base, before, after) for rule, base in zip(after.rules, bases, strict=True))
    moved = max(rule.moved for rule in rules)
    return RoutePlan(route, before, after, etag, _differences(before, after), rules, moved, revision)


def spec_of(document: RouteDocument) -> dict[str, Any]:
    """What a person would write to get this document, in the order in which it reads best."""
    schema: dict[str, Any] = {}
    if document.input_schema.features:
        schema["features"] = dict(document.input_schema.kinds)
    schema |= {each.name: each.written() for each in document.input_schema.ragged}
    spec: dict[str, Any] = {"route": document.route, "schema": schema, "unit": document.unit, "salt": document.salt}
    spec["rules"] = [_written_rule(rule) for rule in document.rules]
    if document.overrides:
        spec["testers"] = dict(document.overrides)
    if document.holdout_millionths:
        spec["holdout"] = _percent(document.holdout_millionths)
    if document.fallback is not None:
        spec["fallback"] = document.fallback
    if document.shadows:
        spec["shadows"] = [{"model": s.ref, "sample": _percent(s.sample_millionths)} for s in document.shadows]
    return spec


def _written_rule(rule: Rule) -> dict[str, Any]:
    written: dict[str, Any] = {} if rule.when is None else {"when": rule.when}
    if rule.layer is not None:
        written["layer"] = rule.layer
    return {**written, "split": {arm.ref: _percent(arm.millionths) for arm in rule.arms}}


def _percent(parts: int) -> int | float:
    whole, rest = divmod(parts, WHOLE // 100)
    return whole if not rest else parts / (WHOLE // 100)


def _earlier_schemas(schema: RouteSchema, before: RouteDocument | None) -> tuple[RouteSchema, ...]:
    """The layouts so far without the one that is current now, newest first."""
    if before is None:
        return ()
    layouts = {schema_digest(known): known for known in (before.input_schema, *before.earlier_schemas)}
    layouts.pop(schema_digest(schema), None)
    return tuple(layouts.values())[:MAX_EARLIER_SCHEMAS]


def _base_rules(new: Sequence[Rule | RuleSpec], old: Sequence[Rule]) -> list[Rule | None]:
    """For each new rule the old one that its units came from.

    That is the rule with the same condition; else, for an edited condition, the one at the same place; else the last
    rule, which everybody had who met no condition.
    """
    if not old:
        return [None] * len(new)
    by_when = {_when_key(rule.when): rule for rule in reversed(old)}
    kept = {_when_key(rule.when) for rule in new}
    return [by_when.get(_when_key(rule.when)) or _edited(old, position, kept) for position, rule in enumerate(new)]


def _edited(old: Sequence[Rule], position: int, kept: set[bytes]) -> Rule:
    same_place = old[position] if position < len(old) else old[-1]
    return old[-1] if _when_key(same_place.when) in kept else same_place


def _when_key(when: Mapping[str, Any] | None) -> bytes:
    return canonical_json(when)


def _rule(spec: RuleSpec, base: Rule | None) -> Rule:
    ranges = least_movement(_ranges(base), spec.split)
    return Rule(
        when=spec.when, layer=spec.layer, arms=tuple(Arm(ref=ref, ranges=parts) for ref, parts in ranges.items())
    )


def _ranges(rule: Rule | None) -> dict[str, tuple[BucketRange, ...]]:
    return {arm.ref: arm.ranges for arm in rule.arms} if rule is not None else {}


def _rule_plan(rule: Rule, base: Rule | None, before: RouteDocument | None, after: RouteDocument) -> RulePlan:
    new = _shares(rule, after)
    old = _shares(base, before) if base is not None and before is not None else {}
    shares = tuple(
        ShareChange(arm, float(old.get(arm, 0) * 100), float(new.get(arm, 0) * 100)) for arm in {**old, **new}
    )
    moved = Fraction(0)
    if base is not None and before is not None:
        moved = _moved(rule, base, before, after)
    return RulePlan(rule.when, shares, float(moved))


def _shares(rule: Rule, document: RouteDocument) -> dict[str, Fraction]:
    """Each arm's share of a rule's units, with the holdout's part given to the arm that the holdout gets."""
    held = Fraction(document.holdout_millionths, WHOLE)
    shares = {arm.ref: (1 - held) * Fraction(arm.millionths, WHOLE) for arm in rule.arms}
    if held:
        first = _holdout_arm(document)
        shares[first] = shares.get(first, Fraction(0)) + held
    return shares


def _holdout_arm(document: RouteDocument) -> str:
    return document.rules[-1].arms[0].ref


def _moved(new: Rule, old: Rule, before: RouteDocument, after: RouteDocument) -> Fraction:
    """The fraction of a rule's units whose arm differs, exactly where the salt, the layer and the unit stay.

    Testers are too few to count. Under a new salt, layer or unit the old bucket says nothing of the new one, so the
    two arms are independent draws.
    """
    if (before.salt, before.unit, old.layer) != (after.salt, after.unit, new.layer):
        shares = _shares(old, before)
        return 1 - sum((shares.get(arm, Fraction(0)) * part for arm, part in _shares(new, after).items()), Fraction(0))
    was, now = Fraction(before.holdout_millionths, WHOLE), Fraction(after.holdout_millionths, WHOLE)
    was_first, now_first = _holdout_arm(before), _holdout_arm(after)
    both = min(was, now) * (was_first != now_first)
    joined = max(now - was, Fraction(0)) * (1 - _plain_share(old, now_first))
    left = max(was - now, Fraction(0)) * (1 - _plain_share(new, was_first))
    return both + joined + left + (1 - max(was, now)) * _moved_ranges(old, new)


def _plain_share(rule: Rule, ref: str) -> Fraction:
    return Fraction(sum(arm.millionths for arm in rule.arms if arm.ref == ref), WHOLE)


def _moved_ranges(old: Rule, new: Rule) -> Fraction:
    old_ranges, new_ranges = _ranges(old), _ranges(new)
    stayed = sum(
        max(0, min(left.end, right.end) - max(left.start, right.start))
        for ref in old_ranges.keys() & new_ranges.keys()
        for left in old_ranges[ref]
        for right in new_ranges[ref]
    )
    return Fraction(WHOLE - stayed, WHOLE)


def _differences(before: RouteDocument | None, after: RouteDocument) -> tuple[str, ...]:
    """One line for everything that differs, buckets aside."""
    if before is None:
        return ("new route",)
    old, new = _facts(before), _facts(after)
    lines = []
    for name in {**old, **new}:
        if name not in old:
            lines.append(f"{name}: added {new[name]}")
        elif name not in new:
            lines.append(f"{name}: removed (was {old[name]})")
        elif old[name] != new[name]:
            lines.append(f"{name}: {old[name]} -> {new[name]}")
    return tuple(lines)


def _facts(document: RouteDocument) -> dict[str, str]:
    schema = document.input_schema
    facts = {f"feature {name}": str(kind) for name, kind in schema.kinds.items()}
    facts |= {each.name: f"{', '.join(each.features)} (at most {each.max_items})" for each in schema.ragged}
    facts |= {"unit": document.unit, "salt": document.salt}
    for position, rule in enumerate(document.rules, start=1):
        facts[f"rule {position}"] = _rule_text(rule)
    facts |= {f"tester {unit}": arm for unit, arm in document.overrides.items()}
    facts["holdout"] = f"{_percent(document.holdout_millionths)} %"
    facts["fallback"] = document.fallback or "none"
    facts |= {f"shadow {shadow.ref}": f"{_percent(shadow.sample_millionths)} %" for shadow in document.shadows}
    return facts


def _rule_text(rule: Rule) -> str:
    split = ", ".join(f"{arm.ref} {_percent(arm.millionths)} %" for arm in rule.arms)
    layered = split if rule.layer is None else f"in layer {rule.layer}, {split}"
    return layered if rule.when is None else f"when {canonical_json(rule.when).decode().strip()}: {layered}"
