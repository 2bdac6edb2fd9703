"""Which rules of a policy can never match, whatever values its adaptive cuts take."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scoreline_registry.decisions.checks.parts import rule_place
from scoreline_registry.decisions.cuts import Cut, FixedCut
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_conditions import CUT, names_cut
from scoreline_registry.routing.conditions import COMBINATORS, Condition, parse_condition
from scoreline_registry.routing.dead_rules import dead_rules, never_matches

When = Mapping[str, Any]


def unreached_rules(policy: Policy) -> Iterator[str]:
    """One line for each rule that no case reaches; the last one, for every other case, may have none left."""
    for name, strategy in policy.strategies.items():
        places = [rule_place(name, rule.name) for rule in strategy.rules]
        yield from _unreached(places, [rule.when for rule in strategy.rules], policy.cuts)
    places = [f"rules: rule {position}" for position in range(1, len(policy.rules) + 1)]
    yield from _unreached(places, [rule.when for rule in policy.rules], policy.cuts)


def symbolic(when: When, cuts: Mapping[str, Cut]) -> Condition:
    """A condition with the values of fixed cuts, in which a test against an adaptive cut is one of a key of its own.

    What never matches then does not match for any value of the adaptive cuts.
    """
    return parse_condition(_symbolic(when, cuts))


def _unreached(places: Sequence[str], whens: Sequence[When | None], cuts: Mapping[str, Cut]) -> Iterator[str]:
    conditions = [None if when is None else symbolic(when, cuts) for when in whens]
    first = conditions.index(None)
    if first < len(conditions) - 1:
        yield f"{places[first]} has no `when`, so the rules after it can never match: move it to the end"
    for index in dead_rules(conditions[: first + 1]):
        if index < first:
            yield f"{places[index]} can never match: {_why(conditions[index])}"


def _why(condition: Condition | None) -> str:
    if condition is not None and never_matches(condition):
        return "its conditions contradict each other"
    return "every case that meets it meets an earlier rule"


def _symbolic(when: When, cuts: Mapping[str, Cut]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in when.items():
        if key == "not":
            found[key] = _symbolic(value, cuts)
        elif key in COMBINATORS:
            found[key] = [_symbolic(part, cuts) for part in value]
        else:
            for name, operand in value.items():
                place, plain = _placed(key, operand, cuts)
                found.setdefault(place, {})[name] = plain
    return found


def _placed(key: str, operand: Any, cuts: Mapping[str, Cut]) -> tuple[str, Any]:
    """The key and the operand of one test."""
    if not names_cut(operand):
        return key, operand
    cut = cuts.get(operand[CUT])
    return (key, cut.value) if isinstance(cut, FixedCut) else (f"{key[:100]} < {operand[CUT]} >", 0.0)
