"""Compares two definitions of a policy: differences, shares, and the units that get another strategy. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.named_values import difference_text, named_values
from scoreline_registry.decisions.strategies import SplitRule
from scoreline_registry.routing.bucketing import WHOLE, kept_millionths
from scoreline_registry.routing.planning import base_rules


@dataclass(frozen=True, slots=True)
class StrategyShareChange:
    """One strategy's share in percent of a rule's units that are not of the control; 0 where it is not there."""

    strategy: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """One rule of the new definition. ``moved`` is the fraction, 0 to 1, of its units that get another strategy.

    Units that join or leave the control count too.
    """

    when: Mapping[str, Any] | None
    shares: tuple[StrategyShareChange, ...]
    moved: float


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """What applying a policy does.

    Attributes:
        before: None for a new policy.
        etag: the digest of the document that the plan was made against, "" where there is none: give it as
            ``if_match`` to apply this plan and no other.
        differences: one line for each.
        rules: the splits of units between strategies.
        moved: the largest ``moved`` of any rule.
        warnings: what is allowed and likely to be a mistake.
        revision: None while nothing is written.
    """

    policy: str
    before: Policy | None
    after: Policy
    etag: str
    differences: tuple[str, ...]
    rules: tuple[SplitPlan, ...]
    moved: float
    warnings: tuple[str, ...] = ()
    revision: int | None = None

    @property
    def changes_anything(self) -> bool:
        """Whether applying it would make a revision."""
        return self.before is None or self.before != self.after


def policy_plan(
    before: Policy | None, after: Policy, *, etag: str, warnings: Sequence[str] = (), revision: int | None = None
) -> PolicyPlan:
    """Compares two definitions of one policy."""
    bases = base_rules(after.rules, before.rules if before is not None else ())
    rules = tuple(_split_plan(rule, base, before, after) for rule, base in zip(after.rules, bases, strict=True))
    return PolicyPlan(
        policy=after.policy,
        before=before,
        after=after,
        etag=etag,
        differences=tuple(policy_differences(before, after)),
        rules=rules,
        moved=max(rule.moved for rule in rules),
        warnings=tuple(warnings),
        revision=revision,
    )


def policy_differences(before: Policy | None, after: Policy) -> Iterator[str]:
    """One line for each difference between two definitions of a policy, buckets aside."""
    new = named_values(after)
    if before is None:
        yield f"new policy for route {after.route}, with the actions {', '.join(after.actions)}"
        return
    old = named_values(before)
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield f"{name}: {difference_text(old.get(name), new.get(name))}"


def _split_plan(rule: SplitRule, base: SplitRule | None, before: Policy | None, after: Policy) -> SplitPlan:
    new, old = _shares(rule), {} if base is None else _shares(base)
    changes = tuple(
        StrategyShareChange(name, float(old.get(name, 0) * 100), float(new.get(name, 0) * 100))
        for name in dict.fromkeys([*old, *new])
    )
    moved = 0.0 if base is None or before is None else float(1 - _stays(base, rule, before, after))
    return SplitPlan(rule.when, changes, moved)


def _shares(rule: SplitRule) -> dict[str, Fraction]:
    return {each.strategy: Fraction(each.millionths, WHOLE) for each in rule.strategies}


def _stays(old: SplitRule, new: SplitRule, before: Policy, after: Policy) -> Fraction:
    """The fraction of a rule's units that get the strategy of before, or are of the control as before.

    It is exact where the salt, the layer and the unit stay. Under another of them the old and the new bucket are
    independent of each other.
    """
    was, now = Fraction(before.control_millionths, WHOLE), Fraction(after.control_millionths, WHOLE)
    alike = (before.salt, before.unit) == (after.salt, after.unit)
    same_strategy = _same_strategy(old, new, alike=alike and old.layer == new.layer)
    if alike:
        return min(was, now) + (1 - max(was, now)) * same_strategy
    return was * now + (1 - was) * (1 - now) * same_strategy


def _same_strategy(old: SplitRule, new: SplitRule, *, alike: bool) -> Fraction:
    if not alike:
        shares = _shares(old)
        return sum((shares.get(name, Fraction(0)) * share for name, share in _shares(new).items()), Fraction(0))
    ranges = ({each.strategy: each.ranges for each in rule.strategies} for rule in (old, new))
    return Fraction(kept_millionths(*ranges), WHOLE)
