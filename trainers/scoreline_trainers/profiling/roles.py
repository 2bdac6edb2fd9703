"""Finds whom rows are about, when they were observed, and whether they are steps or events of units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from scoreline_trainers.profiling.document import Shape
from scoreline_trainers.profiling.names import BIRTH, OBSERVED, names_a_person, names_an_id, names_the_later, words
from scoreline_trainers.profiling.reading import ReadColumn

_REPEATED = 1.5
_STEPS = 3
_SAME_LABEL = 0.99
_UNITS = 20


@dataclass(frozen=True, slots=True)
class Roles:
    """Columns with a role of their own; empty where there is none.

    Attributes:
        unit: whom a row is about.
        units: how many there are.
        time: when a row was observed.
        ordered_by: dates that the rows are sorted by.
        order: of the steps of a unit.
        shape: what a row stands for.
        varying: of histories, the columns whose values change within a unit.
    """

    unit: str = ""
    units: int = 0
    time: str = ""
    ordered_by: str = ""
    order: str = ""
    shape: Shape = "rows"
    varying: frozenset[str] = frozenset()


def find_roles(columns: Sequence[ReadColumn], *, label: str | None, time: str | None, unit: str | None) -> Roles:
    """The roles of a table's columns; ``time`` and ``unit`` are those that a person named."""
    others = [column for column in columns if column.name != label]
    found_unit = unit or _unit(others)
    dates = {column.name: column for column in others if column.kind == "date"}
    when = time or _time(dates)
    ordered = next((name for name in sorted(dates, key=lambda name: name != when) if _sorted(dates[name])), "")
    by_name = {column.name: column for column in columns}
    units = by_name[found_unit].values.n_unique() if found_unit else 0
    order = _order(others, found_unit, when)
    shape = _shape(by_name, label, Roles(found_unit, units, when, ordered, order))
    if shape == "rows":
        return Roles(found_unit, units, when, ordered)
    varying = _varying(columns, by_name[found_unit])
    return Roles(found_unit, units, when, ordered, order, shape, varying)


def _unit(columns: Sequence[ReadColumn]) -> str:
    """People before other ids; of ids without a person's name only one without repeats says whom rows are about."""
    possible = [column for column in columns if column.kind in ("number", "category", "text") and _names_units(column)]
    people = [column.name for column in possible if names_a_person(column.name)]
    rows = [
        column.name
        for column in possible
        if names_an_id(column.name) and column.values.n_unique() == len(column.values)
    ]
    plain = [column.name for column in possible if words(column.name) == ("id",)]
    return next(iter((*people, *plain, *rows)), "")


def _names_units(column: ReadColumn) -> bool:
    values = column.values
    whole = values.dtype == pl.String or values.dtype.is_integer()
    if not whole or values.null_count() or not _named(column.name):
        return False
    return values.n_unique() >= max(2, min(_UNITS, len(values) // 10))


def _named(name: str) -> bool:
    return names_an_id(name) or names_a_person(name)


def _time(dates: Mapping[str, ReadColumn]) -> str:
    """The date that rows are most likely to be observed at: complete, sorted, named so, and not of a later event."""

    def rank(name: str) -> tuple[int, int]:
        found, values = words(name), dates[name].values
        score = 3 * _sorted(dates[name]) + 2 * (not OBSERVED.isdisjoint(found)) + (values.null_count() == 0)
        score -= 6 * (names_the_later(name) or not BIRTH.isdisjoint(found)) + 4 * (values.null_count() > 0)
        return score, -list(dates).index(name)

    complete = [name for name in dates if dates[name].values.n_unique() > 1]
    best = max(complete, key=rank, default="")
    return best if best and rank(best)[0] > 0 else ""


def _sorted(column: ReadColumn) -> bool:
    values = column.values.drop_nulls()
    return values.n_unique() > 1 and bool(values.is_sorted() or values.is_sorted(descending=True))


def _order(columns: Sequence[ReadColumn], unit: str, time: str) -> str:
    """The column by which the rows of one unit can be sorted: without repeats within a unit."""
    if not unit:
        return ""
    units = next(column.values for column in columns if column.name == unit)
    steps = {"step", "month", "months", "day", "days", "week", "period", "order", "seq", "sequence", "index", "balance"}
    named = [column for column in columns if column.name == time]
    named += [
        column
        for column in columns
        if column.values.dtype.is_integer() and column.name != unit and not steps.isdisjoint(words(column.name))
    ]
    for column in named:
        pairs = pl.DataFrame({"unit": units, "step": column.values})
        if column.values.null_count() == 0 and not pairs.is_duplicated().any():
            return column.name
    return ""


def _varying(columns: Sequence[ReadColumn], unit: ReadColumn) -> frozenset[str]:
    flat = [column.values for column in columns if column.kind != "nested" and column.name != unit.name]
    table = pl.DataFrame([unit.values, *flat])
    changing = table.group_by(unit.name).agg(pl.all().n_unique() > 1).drop(unit.name).select(pl.all().any())
    return frozenset(name for name in changing.columns if changing[name][0])


def _shape(columns: Mapping[str, ReadColumn], label: str | None, roles: Roles) -> Shape:
    rows = len(next(iter(columns.values())).values) if columns else 0
    if not roles.unit or rows < _REPEATED * roles.units:
        return "rows"
    if label is None:
        return "events" if roles.time else "rows"
    labels = pl.DataFrame({"unit": columns[roles.unit].values, "label": columns[label].values})
    same = labels.group_by("unit").agg(pl.col("label").n_unique() == 1)["label"].mean()
    steps = rows >= _STEPS * roles.units and bool(roles.order)
    return "histories" if steps and isinstance(same, float) and same >= _SAME_LABEL else "rows"
