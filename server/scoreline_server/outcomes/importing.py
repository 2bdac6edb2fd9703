"""Imports the outcomes of a table: by columns for prediction ids, or for units and windows of time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from scoreline.errors import InvalidRequestError
from scoreline.fields import nanoseconds
from scoreline.outcomes import Outcome, OutcomesReport
from scoreline_server.table_files import is_missing, parts, time_of

FIELDS = ("prediction_id", "unit", "name", "value", "weight", "observed_at", "since", "until")
"""The fields of an outcome; a column of the same name is taken where no other is named."""
BY_PREDICTION, BY_UNIT = "prediction_id", "unit"

_FLAGS = {"true": 1.0, "false": 0.0}

Send: TypeAlias = Callable[[Sequence[Outcome]], OutcomesReport]
"""Keeps some outcomes, by a server or in a folder."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """How the rows of a table are outcomes.

    Attributes:
        columns: the column of each field that the table has.
        name: of every outcome; empty where a column has it.
        within: for units without columns of the window: it is the time before ``observed_at``, in ns; 0 for none.
    """

    columns: Mapping[str, str]
    name: str = ""
    within: int = 0


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not kept; ``row`` counts from 1, the header aside."""

    row: int
    reason: str
    message: str


@dataclass(slots=True)
class ImportReport:
    """What an import did: rows that were kept, unknown prediction ids, refused rows, and rows without a value."""

    accepted: int = 0
    without_value: int = 0
    unchecked: bool = False
    unknown: list[str] = field(default_factory=list)
    refused: list[RefusedRow] = field(default_factory=list)


def plan_of(
    names: Sequence[str], *, columns: Mapping[str, str], name: str = "", by: str = "", within: int = 0
) -> ImportPlan:
    """The plan for a table with some columns.

    Args:
        names: the table's columns.
        columns: fields and the columns that hold them, where these are called otherwise.
        name: of every outcome, in place of a column.
        by: BY_PREDICTION or BY_UNIT; empty for the one whose column is there, prediction ids first.
        within: the window of a unit, in ns before ``observed_at``.

    Raises InvalidRequestError for columns that are missing.
    """
    for given, column in columns.items():
        if column not in names:
            raise _wrong(f"there is no column {column!r} for {given}; there is {', '.join(map(repr, names))}")
    found = {each: each for each in FIELDS if each in names} | dict(columns)
    by = by or (BY_PREDICTION if BY_PREDICTION in found else BY_UNIT)
    needed = [by, "value"]
    if by == BY_PREDICTION:
        left_out: Sequence[str] = ("unit", "since", "until")
        if within:
            raise _wrong("a window goes with units, not with prediction ids: write --by unit --within")
    else:
        left_out = ("prediction_id", "since", "until") if within else ("prediction_id",)
        needed += ["observed_at"] if within else ["since", "until"]
    needed += [] if name else ["name"]
    missing = [each for each in needed if each not in found]
    if missing:
        hint = {"name": "; or give --name", "since": "; or give --within", "until": "; or give --within"}
        raise _wrong(f"there is no column {missing[0]!r}: name it with --column{hint.get(missing[0], '')}")
    kept = {each: column for each, column in found.items() if each not in left_out and not (name and each == "name")}
    return ImportPlan(kept, name, within)


def import_table(path: Path, plan: ImportPlan, send: Send, *, on_rows: Callable[[int], None]) -> ImportReport:
    """Imports a table part by part; ``on_rows`` is told how many rows each part had.

    Wrong rows fail alone. Raises InvalidRequestError for a file that cannot be read, and what ``send`` raises.
    """
    report = ImportReport()
    seen = 0
    for part in parts(path, list(dict.fromkeys(plan.columns.values()))):
        rows: list[int] = []
        outcomes: list[Outcome] = []
        for row, values in enumerate(_rows(part, plan), seen + 1):
            if is_missing(values["value"]):
                report.without_value += 1
                continue
            try:
                outcomes.append(_outcome(values, plan))
            except InvalidRequestError as error:
                report.refused.append(RefusedRow(row, error.reason, error.message))
            else:
                rows.append(row)
        if outcomes:
            _add(report, send(outcomes), rows)
        count = len(next(iter(part.values())))
        seen += count
        on_rows(count)
    report.refused.sort(key=lambda refused: refused.row)
    return report


def _add(report: ImportReport, kept: OutcomesReport, rows: Sequence[int]) -> None:
    report.accepted += kept.accepted
    report.unchecked = report.unchecked or kept.unchecked
    report.unknown += kept.unknown
    report.refused += [RefusedRow(rows[each.index], each.reason, each.message) for each in kept.refused]


def _rows(part: Mapping[str, Sequence[Any]], plan: ImportPlan) -> Iterator[dict[str, Any]]:
    fields = list(plan.columns)
    for values in zip(*(part[plan.columns[each]] for each in fields), strict=True):
        yield dict(zip(fields, values, strict=True))


def _outcome(values: Mapping[str, Any], plan: ImportPlan) -> Outcome:
    """The outcome of a row. Raises InvalidRequestError that names the wrong field."""
    times = {each: _moment(each, values[each]) for each in ("observed_at", "since", "until") if each in values}
    if plan.within:
        times |= {"since": max(times["observed_at"] - plan.within, 0), "until": times["observed_at"]}
    weight = values.get("weight")
    return Outcome(
        plan.name or _text("name", values["name"]),
        _number("value", values["value"]),
        prediction_id=_text("prediction_id", values["prediction_id"]) if "prediction_id" in values else "",
        unit=_text("unit", values["unit"]) if "unit" in values else "",
        weight=1.0 if is_missing(weight) else _number("weight", weight),
        **times,
    )


def _moment(name: str, value: Any) -> int:
    """A time in ns since 1970 of an outcome."""
    if is_missing(value):
        raise _wrong(f"{name}: is missing")
    return nanoseconds(name, time_of(name, value))


def _number(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return _FLAGS[value.lower()] if value.lower() in _FLAGS else float(value)
    except ValueError:
        raise _wrong(f"{name}: takes a number, not {value[:40]!r}") from None


def _text(name: str, value: Any) -> str:
    if is_missing(value):
        raise _wrong(f"{name}: is missing")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value  # type: ignore[no-any-return]  # Outcome refuses what is no text


def _wrong(text: str) -> InvalidRequestError:
    return InvalidRequestError(text, reason="WRONG_TYPE")
