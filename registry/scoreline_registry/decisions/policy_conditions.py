"""Conditions over the facts of a case in which operands may name cuts: ``{score: {gte: {cut: high}}}``."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from scoreline_registry.names import check_name
from scoreline_registry.routing.conditions import COMBINATORS, Condition, parse_condition

CUT = "cut"
"""The key of an operand that names a cut."""


def cut_names(when: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The cuts that a condition names, each once, in order."""
    return tuple(dict.fromkeys(cut for _, cut in cut_tests(when or {})))


def cut_tests(when: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fact and the cut of each test that compares one with the other."""
    for key, value in when.items():
        if key in COMBINATORS:
            for part in value if isinstance(value, list | tuple) else (value,):
                yield from cut_tests(part) if isinstance(part, Mapping) else ()
        elif isinstance(value, Mapping):
            yield from ((key, operand[CUT]) for operand in value.values() if names_cut(operand))


def with_cuts(when: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """The condition with the values of its cuts. Raises KeyError for a cut without a value."""
    return _replaced(when, values.__getitem__)


def condition_with_cuts(when: Mapping[str, Any] | None, values: Mapping[str, float]) -> Condition | None:
    """The condition, parsed, with the values of its cuts; None for None. Raises KeyError as ``with_cuts``."""
    return None if when is None else parse_condition(with_cuts(when, values))


def _replaced(when: Mapping[str, Any], value_of: Callable[[str], float]) -> dict[str, Any]:
    """A condition with each operand that names a cut replaced by its value. What is no condition is left as it is."""
    return {key: _replaced_entry(key, value, value_of) for key, value in when.items()}


def _replaced_entry(key: object, value: Any, value_of: Callable[[str], float]) -> Any:
    if key not in COMBINATORS:
        return _replaced_tests(value, value_of) if isinstance(value, Mapping) else value
    if isinstance(value, list | tuple):
        return [_replaced(part, value_of) if isinstance(part, Mapping) else part for part in value]
    return _replaced(value, value_of) if isinstance(value, Mapping) else value


def _replaced_tests(tests: Mapping[str, Any], value_of: Callable[[str], float]) -> dict[str, Any]:
    return {
        name: value_of(check_name("cut", operand[CUT])) if names_cut(operand) else operand
        for name, operand in tests.items()
    }


def names_cut(operand: object) -> bool:
    """Whether an operand names a cut."""
    return isinstance(operand, Mapping) and set(operand) == {CUT}


def _check(raw: dict[str, Any]) -> dict[str, Any]:
    parse_condition(_replaced(raw, lambda _: 0.0))
    return raw


Conditions = Annotated[dict[str, Any], AfterValidator(_check)]
"""A condition as YAML or JSON gives it, in which operands may be ``{cut: name}``."""
