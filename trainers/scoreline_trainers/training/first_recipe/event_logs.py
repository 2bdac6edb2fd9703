"""The first recipe of an event log: cuts, windows and a label of the days after a cut."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scoreline_trainers.data.reading.csv_files import CsvFormat
from scoreline_trainers.data.reading.dates import EPOCH_MILLISECONDS, EPOCH_SECONDS
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import as_yaml
from scoreline_trainers.profiling.document import ColumnProfile, TableProfile
from scoreline_trainers.profiling.names import words
from scoreline_trainers.training.first_recipe.choices import Choice, Item

_HORIZONS = (90, 30, 14, 7, 3, 1)
_WINDOWS = (7, 30, 90, 180)
_CUTS = (("month", 30, 240), ("week", 7, 56), ("day", 1, 0))
_PART = 6
_FEW_CUTS = 8
_NUMBERED = {"month": 30, "week": 7, "day": 1}
_UNITS = {EPOCH_SECONDS: "second", EPOCH_MILLISECONDS: "millisecond"}


@dataclass(frozen=True, slots=True)
class Event:
    """What is to be predicted: an event within days of a cut; of one value of a column, or any."""

    column: str | None = None
    value: str | None = None
    within_days: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """Times of a log.

    Attributes:
        span: days from the first event to the last.
        first: its date, or its number.
        name: "day", "week" or "month" where times are numbers of them.
        unit: days that a number stands for.
    """

    span: int
    first: datetime | int
    name: str | None = None
    unit: int = 1

    def at(self, days: float) -> str | int:
        """The moment so many days after the first event, as a recipe writes it."""
        if isinstance(self.first, int):
            return self.first + int(days // self.unit)
        return (self.first + timedelta(days=days)).date().isoformat()


def choices_of_log(table: TableProfile, event: Event, *, name: str, data: str, form: CsvFormat) -> tuple[Choice, ...]:
    """The keys of a recipe that predicts ``event`` for each unit of the log. Raises DataError for logs too short."""
    if not table.unit or not table.time:
        missing = "whose the events are (--unit)" if not table.unit else "when they happened (--time)"
        raise DataError("", f"an event log needs a column that says {missing}; none was found")
    time = table.column(table.time)
    scale = _scale(time)
    days = event.within_days or next((each for each in _HORIZONS if each * _PART <= scale.span), None)
    if days is None or days * 3 > scale.span:
        text = f"spans {scale.span:g} days, too few for an event in the days after a cut: give --within"
        raise DataError(table.time, text)
    windows = [each for each in _WINDOWS if each * 3 <= scale.span and each >= scale.unit] or [scale.unit]
    every, length, _ = next(each for each in _CUTS if scale.span >= each[2])
    start, end = max(days, windows[0]), scale.span - days
    log = {
        **_file(data, form),
        "entity": table.unit,
        "time": table.time,
        **_times(time, scale),
        "windows_days": windows,
    }
    happens = {"within_days": days, **_condition(table, event)}
    step = every if scale.name is None else max(1, length // scale.unit)
    cuts = {"every": step, "first": scale.at(start), "last": scale.at(end)}
    what = f"{event.column} == {event.value}" if event.value is not None else "any event"
    reason = (
        f"{table.rows:,} events of {table.units:,} units from {scale.at(0)} to {scale.at(scale.span)}: each unit is a "
        f"row at each cut; features are of the windows before it, the label is 1 where {what} follows within "
        f"{days:g} days"
    )
    folded = scale.name is None and (end - start) // length >= _FEW_CUTS
    return (
        Choice("name", name),
        Choice("data", {"cuts": cuts, "events": log, "label": happens}, reason),
        Choice("features", (Item("auto", "counts, recency, sums and means in each window"),)),
        Choice("family", "lightgbm", "trees take any table as it is"),
        _validation(days, folded=folded),
        Choice("score", {"meaning": f"probability of {what} within {days:g} days"}),
    )


def _validation(days: float, *, folded: bool) -> Choice:
    if not folded:
        return Choice("validation", {"kind": "time"}, "the newest cuts judge the model; there are few of them")
    reason = f"the newest cuts are the test part; {days:g} days between parts, as labels are known only then"
    return Choice("validation", {"kind": "time", "gap_days": days, "test": 0.2}, reason)


def _file(data: str, form: CsvFormat) -> dict[str, Any]:
    found: dict[str, Any] = {"file": data}
    if form.separator not in (None, ","):
        found["separator"] = form.separator
    if form.decimal == ",":
        found["decimal"] = ","
    return found if form.encoding in (None, "utf-8-sig", "utf-16") else {**found, "encoding": form.encoding}


def _times(time: ColumnProfile, scale: Scale) -> dict[str, str]:
    """How the log's times are written, where that is not as in ISO 8601."""
    if scale.name is not None or time.date_format in _UNITS:
        return {"time_unit": scale.name or _UNITS[time.date_format]}
    return {} if not time.date_format or time.date_format.startswith("%Y-%m-%d") else {"time_format": time.date_format}


def _scale(time: ColumnProfile) -> Scale:
    """The scale of a column of dates, or of one that numbers days, weeks or months. Raises DataError."""
    if time.earliest:
        first, last = (datetime.fromisoformat(text) for text in (time.earliest, time.latest))
        return Scale((last - first).days, first)
    name = next((each for each in _NUMBERED if not {each, f"{each}s"}.isdisjoint(words(time.name))), None)
    if time.quantiles is None or name is None:
        raise DataError(
            time.name, "holds neither dates nor numbers of days, weeks or months, so that no cut can be made"
        )
    span = (time.quantiles.max - time.quantiles.min) * _NUMBERED[name]
    return Scale(int(span), int(time.quantiles.min), name, _NUMBERED[name])


def _condition(table: TableProfile, event: Event) -> dict[str, str]:
    """Which events count; a text that looks like a number is quoted, as the value is YAML."""
    if event.column is None or event.value is None:
        return {}
    named = table.column(event.column).kind in ("category", "text")
    return {"where": f"{event.column} == {as_yaml(event.value) if named else event.value}"}
