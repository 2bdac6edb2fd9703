"""The rules of a strategy with their conditions parsed: which one decides a case, and how each was tried. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from scoreline_registry.decisions.deciding.proposal import RuleTrace, TestTrace
from scoreline_registry.decisions.facts import Facts
from scoreline_registry.decisions.policy_conditions import condition_with_cuts
from scoreline_registry.decisions.strategies import StrategyRule
from scoreline_registry.routing.conditions import All, AnyOf, Condition, Not, Test

_SHOWN = 5
"""How many of the values of a list a trace shows."""


@dataclass(frozen=True, slots=True)
class MatchedRule:
    """A rule of a strategy and its condition with the values of cuts; None for one that always matches."""

    rule: StrategyRule
    condition: Condition | None


def match_rules(rules: Iterable[StrategyRule], cuts: Mapping[str, float]) -> tuple[MatchedRule, ...]:
    """The rules of a strategy, their conditions parsed."""
    return tuple(MatchedRule(rule, condition_with_cuts(rule.when, cuts)) for rule in rules)


def first_match(rules: tuple[MatchedRule, ...], facts: Facts) -> int:
    """The index of the first rule that matches a case; the last one always does."""
    last = len(rules) - 1
    for place in range(last):
        condition = rules[place].condition
        if condition is None or condition.matches(facts):
            return place
    return last


def traces_of(rules: tuple[MatchedRule, ...], deciding: int, facts: Facts) -> tuple[RuleTrace, ...]:
    """How the rules were tried, up to the one that decides."""
    return tuple(
        RuleTrace(rule.rule.name, matched=place == deciding, tests=_tests(rule.condition, facts))
        for place, rule in enumerate(rules[: deciding + 1])
    )


def _tests(condition: Condition | None, facts: Facts) -> tuple[TestTrace, ...]:
    found = () if condition is None else _wanted(condition, holds=True)
    return tuple(
        TestTrace(test.key, _text(test, holds=holds), facts.get(test.key), test.matches(facts) == holds)
        for test, holds in found
    )


def _wanted(condition: Condition, *, holds: bool) -> Iterator[tuple[Test, bool]]:
    """Every test from left to right, and whether it is to hold or, within a `not`, to fail."""
    match condition:
        case Test():
            yield condition, holds
        case Not(part):
            yield from _wanted(part, holds=not holds)
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from _wanted(part, holds=holds)


def _text(test: Test, *, holds: bool) -> str:
    """A test without its fact: ``gte 0.7``, or ``not gte 0.7``."""
    return ("" if holds else "not ") + f"{test.operator} {_operand(test)}"


def _operand(test: Test) -> str:
    if test.operator not in ("in", "not_in"):
        return _value(test.operand)
    values = sorted(_value(value) for _, value in test.operand)
    return f"[{', '.join(values[:_SHOWN])}{', …' if len(values) > _SHOWN else ''}]"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
