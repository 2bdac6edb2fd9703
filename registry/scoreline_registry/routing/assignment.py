"""Which arm a unit gets, and why. Pure: the same route, unit and context always give the same answer."""

import math
import operator
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

from scoreline_registry.routing.bucketing import WHOLE, BucketRange, UnitHasher
from scoreline_registry.routing.conditions import Condition, Context, ContextValue
from scoreline_registry.routing.route import UNIT_CONTEXT
from scoreline_registry.routing.rules import HOLDOUT_LAYER

Reason: TypeAlias = Literal["STATIC", "SPLIT", "RULE_MATCH", "HOLDOUT", "OVERRIDE"]

NO_RULE = 255
"""The rule of units that none decided: those of the holdout and those with an override."""

_NO_CONTEXT: Context = {}


Assignments: TypeAlias = tuple[list[int], list[Reason], bytearray | None]
"""The arms of N units: indices into the assigner's arms, the reason of each, and the deciding rules.

The rules are one byte each, a rule's index or NO_RULE; None where the last rule decided all.
"""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The arm of one unit.

    ``rule`` is the index of the rule that decided, from 0: the last one for the holdout, None for an override.
    ``bucket`` is the unit's bucket under that rule's salt, or the holdout's; None for an override or a single arm.
    """

    arm: str
    reason: Reason
    rule: int | None
    bucket: float | None


class SplitArm(Protocol):
    """One arm of a rule, and the buckets that it owns."""

    @property
    def ref(self) -> str: ...
    @property
    def ranges(self) -> Sequence[BucketRange]: ...


class SplitRule(Protocol):
    """Arms that share the units of which the condition holds; None is always."""

    @property
    def condition(self) -> Condition | None: ...
    @property
    def layer(self) -> str | None: ...
    @property
    def arms(self) -> Sequence[SplitArm]: ...


class Splits(Protocol):
    """What an assigner needs of a route, or of whatever else gives units to one of several."""

    @property
    def salt(self) -> str: ...
    @property
    def arms(self) -> tuple[str, ...]: ...
    @property
    def rules(self) -> Sequence[SplitRule]: ...
    @property
    def overrides(self) -> Mapping[str, str]: ...
    @property
    def holdout_millionths(self) -> int: ...


def unit_of(unit: str, entity_id: str, context: Mapping[str, ContextValue]) -> str:
    """The text that a route hashes for one entity; empty when the caller did not send it.

    Numbers read as integers where they are whole, else as Python's shortest form; flags as "true" and "false".
    """
    if not unit.startswith(UNIT_CONTEXT):
        return entity_id
    value = context.get(unit.removeprefix(UNIT_CONTEXT))
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == int(value) else repr(value)


class Assigner:
    """A route, or the split of a policy, compiled for assignment.

    ``arms`` are the distinct arms in order; indices below point into them.
    """

    def __init__(self, document: Splits) -> None:
        self.arms: tuple[str, ...] = document.arms
        index = {arm: position for position, arm in enumerate(self.arms)}
        hashers = {rule.layer: UnitHasher(layer_salt(document.salt, rule.layer)) for rule in document.rules}
        self._rules = [_CompiledRule(rule, index, hashers[rule.layer]) for rule in document.rules]
        self._overrides = {unit: index[arm] for unit, arm in document.overrides.items()}
        self._holdout_hasher = UnitHasher(layer_salt(document.salt, HOLDOUT_LAYER))
        self._holdout = document.holdout_millionths / WHOLE
        self._holdout_arm = index[document.rules[-1].arms[0].ref]

    @cached_property
    def needs_unit(self) -> bool:
        """Whether any answer depends on the unit, overrides aside: a call without a unit has none."""
        return self._holdout > 0 or any(rule.splits for rule in self._rules)

    def assign(self, unit: str, context: Context = _NO_CONTEXT) -> Assignment:
        """The arm of one unit, with the rule and the bucket that decided."""
        if unit in self._overrides:
            return Assignment(self.arms[self._overrides[unit]], "OVERRIDE", None, None)
        held = self.holdout_bucket(unit)
        if held is not None and held < self._holdout:
            return Assignment(self.arms[self._holdout_arm], "HOLDOUT", len(self._rules) - 1, held)
        position = self._rule_index(context)
        rule = self._rules[position]
        bucket = rule.hasher.bucket(unit) if rule.splits else None
        return Assignment(self.arms[rule.arm(bucket or 0.0)], rule.reason, position, bucket)

    def holdout_bucket(self, unit: str) -> float | None:
        """The unit's bucket under the holdout's salt; it is held out below the holdout's share. None without one."""
        return self._holdout_hasher.bucket(unit) if self._holdout > 0 else None

    def assign_many(self, units: Sequence[str], contexts: Sequence[Context] | None = None) -> Assignments:
        """The arms of many units; ``contexts`` has one entry per unit, or is None for none at all.

        Equal to ``assign`` row by row, but for ``rules``. Raises ValueError when the lengths differ.
        """
        if contexts is not None and len(contexts) != len(units):
            raise ValueError(f"{len(units)} units and {len(contexts)} contexts")
        if len(self._rules) == 1 or contexts is None:
            assignments = self._by_one_rule(self._rule_index(_NO_CONTEXT), units)
        else:
            assignments = self._by_rules(units, contexts)
        if self._holdout > 0:
            assignments = self._hold_out(units, assignments)
        if self._overrides:
            assignments = self._override(units, assignments)
        return assignments

    def _by_one_rule(self, position: int, units: Sequence[str]) -> Assignments:
        rule = self._rules[position]
        reasons: list[Reason] = [rule.reason] * len(units)
        rules = None if position == len(self._rules) - 1 else bytearray([position]) * len(units)
        if not rule.splits:
            return [rule.owners[0]] * len(units), reasons, rules
        starts, owners = rule.starts, rule.owners
        arms = [owners[bisect_right(starts, bucket) - 1] for bucket in rule.hasher.buckets(units)]
        return arms, reasons, rules

    def _by_rules(self, units: Sequence[str], contexts: Sequence[Context]) -> Assignments:
        positions = self._rule_indices(contexts)
        rules = [self._rules[position] for position in positions]
        buckets = [0.0] * len(units)
        for hasher in {rule.hasher for rule in rules if rule.splits}:
            rows = [row for row, rule in enumerate(rules) if rule.hasher is hasher and rule.splits]
            for row, bucket in zip(rows, hasher.buckets([units[row] for row in rows]), strict=True):
                buckets[row] = bucket
        arms = [rule.arm(bucket) for rule, bucket in zip(rules, buckets, strict=True)]
        decided = None if min(positions, default=0) == len(self._rules) - 1 else bytearray(positions)
        return arms, [rule.reason for rule in rules], decided

    def _rule_indices(self, contexts: Sequence[Context]) -> list[int]:
        """The deciding rule of each row; a context object shared by neighbouring rows is looked at once."""
        indices: list[int] = []
        previous: Context | None = None
        index = 0
        for context in contexts:
            if context is not previous:
                index, previous = self._rule_index(context), context
            indices.append(index)
        return indices

    def _rule_index(self, context: Context) -> int:
        last = len(self._rules) - 1
        for position in range(last):
            condition = self._rules[position].condition
            if condition is None or condition.matches(context):
                return position
        return last

    def _hold_out(self, units: Sequence[str], assignments: Assignments) -> Assignments:
        held = [row for row, bucket in enumerate(self._holdout_hasher.buckets(units)) if bucket < self._holdout]
        return self._moved(assignments, dict.fromkeys(held, self._holdout_arm), "HOLDOUT") if held else assignments

    def _override(self, units: Sequence[str], assignments: Assignments) -> Assignments:
        overrides = self._overrides
        moved = {row: overrides[unit] for row, unit in enumerate(units) if unit in overrides}
        return self._moved(assignments, moved, "OVERRIDE") if moved else assignments

    def _moved(self, assignments: Assignments, moved: Mapping[int, int], reason: Reason) -> Assignments:
        """The assignments with other arms for some rows, which no rule decided."""
        arms, reasons, rules = assignments
        rules = bytearray([len(self._rules) - 1]) * len(arms) if rules is None else rules
        for row, arm in moved.items():
            arms[row], reasons[row], rules[row] = arm, reason, NO_RULE
        return arms, reasons, rules


def layer_salt(salt: str, layer: str | None) -> str:
    """The salt of a rule's hash: the route's salt, with a slash and the layer for a rule in a layer."""
    return salt if layer is None else f"{salt}/{layer}"


def shadow_salt(salt: str, ref: str) -> str:
    """The salt of the hash that samples units for a shadow; distinct from every layer's, whose names have no slash."""
    return f"{salt}/shadow/{ref}"


class _CompiledRule:
    """One rule: ``owners[i]`` is the arm from bucket ``starts[i]`` on."""

    __slots__ = ("condition", "hasher", "owners", "reason", "splits", "starts")

    def __init__(self, rule: SplitRule, index: Mapping[str, int], hasher: UnitHasher) -> None:
        self.hasher = hasher
        self.condition: Condition | None = rule.condition
        pieces = sorted(
            ((part.start, index[arm.ref]) for arm in rule.arms for part in arm.ranges),
            key=operator.itemgetter(0),
        )
        self.starts = [start / WHOLE for start, _ in pieces]
        self.owners = [owner for _, owner in pieces]
        self.splits = len(set(self.owners)) > 1
        self.reason: Reason = _reason(conditional=rule.condition is not None, splits=self.splits)

    def arm(self, bucket: float) -> int:
        return self.owners[bisect_right(self.starts, bucket) - 1]


def _reason(*, conditional: bool, splits: bool) -> Reason:
    if conditional:
        return "RULE_MATCH"
    return "SPLIT" if splits else "STATIC"
