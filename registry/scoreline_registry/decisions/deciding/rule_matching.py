"""The rules of a strategy with their conditions parsed: which one decides a case, and how each was tried. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scoreline_registry.decisions.deciding.proposal import RuleTrace, TestTrace
from scoreline_registry.decisions.facts import Facts
from scoreline_registry.decisions.policy_conditions import condition_with_cuts
from scoreline_registry.decisions.strategies import StrategyRule
from scoreline_registry.routing.conditions import Condition, Test, tests_of

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
    tests = () if condition is None else tests_of(condition)
    return tuple(TestTrace(test.key, _text(test), facts.get(test.key), test.matches(facts)) for test in tests)


def _text(test: Test) -> str:
    """A test without its fact: ``gte 0.7``."""
    if test.operator not in ("in", "not_in"):
        return f"{test.operator} {_value(test.operand)}"
    values = sorted(_value(value) for _, value in test.operand)
    more = ", …" if len(values) > _SHOWN else ""
    return f"{test.operator} [{', '.join(values[:_SHOWN])}{more}]"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
