"""Conditions on the columns of a row, written as text: ``amount > 0``, ``status in [2, 3]``."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import polars as pl
import yaml
from pydantic import AfterValidator, BeforeValidator

from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import as_yaml

Value = str | int | float | bool

_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_MEMBER = ("not in", "in")
_WRITTEN = re.compile(r"\s*(?P<column>.+?)\s*(?P<operator>==|!=|>=|<=|>|<|\s(?:not in|in)\s)\s*(?P<value>.+?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a column with a value; ``in`` and ``not in`` compare with several.

    A missing value meets no condition.
    """

    column: str
    operator: str
    values: tuple[Value, ...]

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Reads ``column operator value``; the value is YAML. Raises ValueError."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a condition: write `column > 0`, `column == name` or `column in [a, b]`")
        name = found["operator"].strip()
        try:
            value = yaml.safe_load(found["value"])
        except yaml.YAMLError as error:
            raise ValueError(f"{text!r} is not a condition: {found['value']!r} is not a value") from error
        values = value if name in _MEMBER and isinstance(value, list) else [value]
        if not values or not all(isinstance(each, Value) for each in values):
            raise ValueError(f"{text!r} is not a condition: {found['value']!r} is neither a number nor text")
        return cls(found["column"], name, tuple(values))

    def expression(self) -> pl.Expr:
        """Whether each row meets it; never missing."""
        column = pl.col(self.column)
        if self.operator in _MEMBER:
            inside = column.is_in(list(self.values))
            met = ~inside if self.operator == "not in" else inside
        else:
            met = _COMPARED[self.operator](column, self.values[0])
        return met.fill_null(value=False)

    def check(self, frame: pl.DataFrame) -> None:
        """Raises DataError where the column is missing, or is text and compared with a number or the other way."""
        require(frame, self.column)
        textual = frame.schema[self.column] in (pl.String, pl.Categorical)
        wrong = next((value for value in self.values if isinstance(value, str) != textual), None)
        if wrong is None:
            return
        held = "text" if textual else str(frame.schema[self.column])
        advice = f"quote the value: '{wrong}'" if textual else f"compare it with a number, not {wrong!r}"
        raise DataError(self.column, f"holds {held} and is compared with {as_yaml(wrong)}: {advice}")


def conditions(texts: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions that ``texts`` write. Raises ValueError."""
    return tuple(Condition.parse(text) for text in texts)


def rows_that_meet(frame: pl.DataFrame, texts: Iterable[str]) -> pl.Series:
    """Boolean [N]: whether each row meets all conditions. Raises DataError."""
    met = conditions(texts)
    for each in met:
        each.check(frame)
    holds = pl.Series("met", [True]).new_from_index(0, len(frame))
    for each in met:
        holds = holds & frame.select(met=each.expression())["met"]
    return holds


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _checked(texts: tuple[str, ...]) -> tuple[str, ...]:
    conditions(texts)
    return texts


Where = Annotated[tuple[str, ...], BeforeValidator(_several), AfterValidator(_checked)]
"""Conditions of a recipe, all of which a row must meet: one text or a list."""
