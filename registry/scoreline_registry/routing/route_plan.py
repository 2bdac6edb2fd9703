"""Compares two definitions of a route: differences, shares, and the units that change arm. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from scoreline_registry.documents.documents import canonical_json
from scoreline_registry.routing.bucketing import WHOLE, kept_millionths, percent_of
from scoreline_registry.routing.planning import base_rules, ranges_of
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.rules import Rule
from scoreline_registry.routing.section_texts import section_facts, section_moves, was_running


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
    ``if_match`` to apply this plan and no other. ``moved`` is the largest ``moved`` of any rule. ``warnings`` are facts
    that forbid nothing.
    """

    route: str
    before: RouteDocument | None
    after: RouteDocument
    etag: str
    differences: tuple[str, ...]
    rules: tuple[RulePlan, ...]
    moved: float
    revision: int | None = None
    warnings: tuple[str, ...] = ()

    @property
    def changes_anything(self) -> bool:
        """Whether applying it would make a revision."""
        return self.before is None or self.before != self.after


def route_plan(
    route: str,
    *,
    before: RouteDocument | None,
    after: RouteDocument,
    etag: str,
    revision: int | None = None,
    warnings: Sequence[str] = (),
    at: datetime | None = None,
) -> RoutePlan:
    """Compares two definitions of one route; ``at`` is the time of the change, where it is known."""
    bases = base_rules(after.rules, before.rules if before is not None else ())
    rules = tuple(_rule_plan(rule, base, before, after) for rule, base in zip(after.rules, bases, strict=True))
    moved = max(rule.moved for rule in rules)
    return RoutePlan(
        route, before, after, etag, _differences(before, after, at), rules, moved, revision, tuple(warnings)
    )


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

    Units with an override are not counted. Under a new salt, layer or unit the old and the new bucket are
    independent, and so are the two arms.
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
    return Fraction(WHOLE - kept_millionths(ranges_of(old), ranges_of(new)), WHOLE)


def _differences(before: RouteDocument | None, after: RouteDocument, at: datetime | None) -> tuple[str, ...]:
    """One line for everything that differs, buckets aside."""
    if before is None:
        return ("new route",)
    running = " (changed while running)" if was_running(before.experiment, at) else ""
    lines = (f"{line}{running}" if line.startswith("experiment ") else line for line in _changes(before, after))
    return (*section_moves(before, after), *lines)


def _changes(before: RouteDocument, after: RouteDocument) -> Iterator[str]:
    old, new = _facts(before), _facts(after)
    for name in {**old, **new}:
        if name not in old:
            yield f"{name}: added {new[name]}"
        elif name not in new:
            yield f"{name}: removed (was {old[name]})"
        elif old[name] != new[name]:
            yield f"{name}: {old[name]} -> {new[name]}"


def _facts(document: RouteDocument) -> dict[str, str]:
    schema = document.input_schema
    facts = {f"feature {name}": str(kind) for name, kind in schema.kinds.items()}
    facts |= {each.name: f"{', '.join(each.features)} (at most {each.max_items})" for each in schema.ragged}
    facts |= {"unit": document.unit, "salt": document.salt}
    for position, rule in enumerate(document.rules, start=1):
        facts[f"rule {position}"] = _rule_text(rule)
    facts |= {f"tester {unit}": arm for unit, arm in document.overrides.items()}
    facts["holdout"] = f"{percent_of(document.holdout_millionths)} %"
    facts["fallback"] = document.fallback or "none"
    facts |= {f"shadow {shadow.ref}": f"{percent_of(shadow.sample_millionths)} %" for shadow in document.shadows}
    return facts | section_facts(document)


def _rule_text(rule: Rule) -> str:
    split = ", ".join(f"{arm.ref} {percent_of(arm.millionths)} %" for arm in rule.arms)
    layered = split if rule.layer is None else f"in layer {rule.layer}, {split}"
    return layered if rule.when is None else f"when {canonical_json(rule.when).decode().strip()}: {layered}"
