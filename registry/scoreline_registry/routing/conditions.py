"""The ``when`` of a rule: a condition over the facts that a caller sends as context.

    when:
      segment: {in: [premium, private]}     # one test per key and operator; all of a mapping must hold
      age: {gte: 18, lt: 65}
      any:
        - channel: {prefix: "mobile/"}
        - not: {region: {exists: true}}

Operators: ``eq``, ``in``, ``not_in`` take texts, numbers and flags; ``lt``, ``lte``, ``gt``, ``gte`` compare numbers
with numbers and texts with texts (by code point); ``prefix`` takes a text; ``exists`` takes true or false. ``all``,
``any`` and ``not`` combine conditions, so no context key has these names.

Nothing is converted: the number 1, the text "1" and the flag true differ. A key that is absent, None or NaN is
missing; on a missing value, or one of another type, every test is false but ``exists: false`` and ``not_in``, which
is exactly the opposite of ``in``.
"""

import difflib
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from scoreline_registry.names import check_feature_name

ContextValue: TypeAlias = str | float | bool | None
Context: TypeAlias = Mapping[str, ContextValue]

MAX_DEPTH = 16
MAX_TESTS = 200
MAX_CHOICES = 1000

COMBINATORS = ("all", "any", "not")
_EXACT_INTEGERS = 2**53


@dataclass(frozen=True, slots=True)
class Test:
    """One test of one key. ``operand`` is a frozenset of keyed values for ``in`` and ``not_in``, else a scalar."""

    key: str
    operator: str
    operand: Any

    def matches(self, context: Context) -> bool:
        """Whether the test holds."""
        value = context.get(self.key)
        if isinstance(value, float) and math.isnan(value):
            value = None
        return OPERATORS[self.operator](value, self.operand)


@dataclass(frozen=True, slots=True)
class All:
    """Holds when every part does."""

    parts: tuple["Condition", ...]

    def matches(self, context: Context) -> bool:
        """Whether every part holds."""
        return all(part.matches(context) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds when at least one part does."""

    parts: tuple["Condition", ...]

    def matches(self, context: Context) -> bool:
        """Whether at least one part holds."""
        return any(part.matches(context) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """Holds when its part does not."""

    part: "Condition"

    def matches(self, context: Context) -> bool:
        """Whether the part does not hold."""
        return not self.part.matches(context)


Condition: TypeAlias = Test | All | AnyOf | Not


def parse_condition(raw: object) -> Condition:
    """Reads a condition as YAML or JSON gives it. Raises ValueError that says what is wrong and where."""
    condition = _condition(raw, depth=0)
    if len(tests_of(condition)) > MAX_TESTS:
        raise ValueError(f"a condition has at most {MAX_TESTS} tests")
    return condition


def tests_of(condition: Condition) -> list[Test]:
    """Every test in a condition, from left to right."""
    match condition:
        case Test():
            return [condition]
        case Not(part):
            return tests_of(part)
        case All(parts) | AnyOf(parts):
            return [test for part in parts for test in tests_of(part)]


def _condition(raw: object, *, depth: int) -> Condition:
    if depth > MAX_DEPTH:
        raise ValueError(f"conditions nest at most {MAX_DEPTH} deep")
    if not isinstance(raw, Mapping) or not raw:
        raise ValueError("a condition is a mapping such as {segment: {in: [premium]}}; leave `when` out for always")
    parts = [part for key, value in raw.items() for part in _entry(key, value, depth=depth)]
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _entry(key: object, value: object, *, depth: int) -> list[Condition]:
    if not isinstance(key, str):
        raise ValueError(f"{key!r} is not a context key: put quotes around it")  # noqa: TRY004 - pydantic takes ValueError
    if key == "not":
        return [Not(_condition(value, depth=depth + 1))]
    if key in COMBINATORS:
        parts = _parts(key, value, depth=depth)
        return [All(parts) if key == "all" else AnyOf(parts)]
    return _tests(check_feature_name(key), value)


def _parts(key: str, value: object, *, depth: int) -> tuple[Condition, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"`{key}` takes a list of conditions")
    return tuple(_condition(part, depth=depth + 1) for part in value)


def _tests(key: str, value: object) -> list[Condition]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"{key}: write a test such as {{{key}: {{eq: {value}}}}}")
    return [_test(key, name, operand) for name, operand in value.items()]


def _test(key: str, name: object, operand: object) -> Condition:
    if not isinstance(name, str) or name not in OPERATORS:
        near = difflib.get_close_matches(str(name), OPERATORS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"use {', '.join(OPERATORS)}"
        raise ValueError(f"{key}: there is no operator {name!r}; {hint}")
    return Test(key, name, _operand(f"{key}: {name}", name, operand))


def _operand(where: str, name: str, operand: object) -> Any:
    if name in ("in", "not_in"):
        return _choices(where, operand)
    if name == "exists" and not isinstance(operand, bool):
        raise ValueError(f"{where} takes true or false")
    if name == "prefix" and (not isinstance(operand, str) or not operand):
        raise ValueError(f"{where} takes a text of at least one character")
    if name in ("lt", "lte", "gt", "gte") and isinstance(operand, bool):
        raise ValueError(f"{where} takes a number or a text")
    return _scalar(where, operand)


def _choices(where: str, operand: object) -> frozenset[tuple[bool, object]]:
    if not isinstance(operand, list | tuple) or not 1 <= len(operand) <= MAX_CHOICES:
        raise ValueError(f"{where} takes a list of 1 to {MAX_CHOICES} values")
    return frozenset(_keyed(_scalar(where, choice)) for choice in operand)


def _scalar(where: str, value: object) -> str | float | bool:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int) and abs(value) <= _EXACT_INTEGERS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(f"{where}: {value!r} is not a text, a finite number (whole ones up to 2**53) or a flag")


def _keyed(value: object) -> tuple[bool, object]:
    """A value that equals only values of its own type: to Python, True is 1."""
    return isinstance(value, bool), value


def _equal(value: ContextValue, operand: Any) -> bool:
    return _keyed(value) == _keyed(operand)


def _among(value: ContextValue, choices: frozenset[tuple[bool, object]]) -> bool:
    return _keyed(value) in choices


def _not_among(value: ContextValue, choices: frozenset[tuple[bool, object]]) -> bool:
    return _keyed(value) not in choices


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[ContextValue, Any], bool]:
    def compared(value: ContextValue, operand: Any) -> bool:
        if value is None or isinstance(value, bool) or isinstance(value, str) != isinstance(operand, str):
            return False
        return compare(value, operand)

    return compared


def _has_prefix(value: ContextValue, prefix: str) -> bool:
    return isinstance(value, str) and value.startswith(prefix)


def _exists(value: ContextValue, wanted: bool) -> bool:  # noqa: FBT001 - one signature for all operators
    return (value is not None) == wanted


OPERATORS: Mapping[str, Callable[[ContextValue, Any], bool]] = {
    "in": _among,
    "not_in": _not_among,
    "eq": _equal,
    "lt": _ordered(operator.lt),
    "lte": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "gte": _ordered(operator.ge),
    "prefix": _has_prefix,
    "exists": _exists,
}
