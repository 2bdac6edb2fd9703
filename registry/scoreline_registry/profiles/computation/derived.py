"""Readers of features that are derived from other features and from the fields of the event at hand."""

import math
from collections.abc import Mapping
from typing import Any

from scoreline_registry.profiles.computation.readers import NAN, Moment, NumberReader
from scoreline_registry.profiles.feature import EVENT_FIELD
from scoreline_registry.routing.conditions import Condition, ContextValue, tests_of


def flag_reader(condition: Condition) -> NumberReader:
    """Reads 1 where the condition holds, else 0. A missing value is missing to the condition."""
    keys = tuple(dict.fromkeys(test.key for test in tests_of(condition)))

    def read(moment: Moment) -> float:
        return float(condition.matches({key: _fact(moment, key) for key in keys}))

    return read


def ratio_reader(of: str | float, to: str | float) -> NumberReader:
    """Reads one number over another; missing where either is missing or the divisor is 0."""

    def read(moment: Moment) -> float:
        divisor = _number(moment, to)
        return _number(moment, of) / divisor if divisor else NAN

    return read


def lookup_reader(field: str, values: Mapping[str, float]) -> NumberReader:
    """Reads the number that ``values`` has for a category of the event at hand; missing for any other."""

    def read(moment: Moment) -> float:
        name = moment.fields.get(field)
        return values.get(name, NAN) if isinstance(name, str) else NAN

    return read


def _fact(moment: Moment, key: str) -> ContextValue:
    if key.startswith(EVENT_FIELD):
        return moment.fields.get(key.removeprefix(EVENT_FIELD))
    return moment.numbers[key] if key in moment.numbers else moment.categories[key]


def _number(moment: Moment, operand: str | float) -> float:
    value: Any = _fact(moment, operand) if isinstance(operand, str) else operand
    return NAN if value is None or isinstance(value, str) or math.isnan(value) else float(value)
