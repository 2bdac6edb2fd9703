"""Outcomes: what became of scored entities, as callers report them.

An outcome belongs to one scored row, by its prediction id, or to a unit and a window of time: to the rows of that unit
that were scored in the window.
"""

import re
import time
from dataclasses import dataclass
from typing import Any

from scoreline.fields import Time, nanoseconds, number, wrong_field

MAX_NAME = 128
"""The longest name, in characters."""
MAX_UNIT = 1024
"""The longest unit, in characters."""

PREDICTION_ID = re.compile(r"([0-9a-f]{24})-(0|[1-9][0-9]{0,4})")
"""A prediction id: the call's 12 bytes in hex, a dash and the row's index in its call."""
MAX_PLACE = 65535


@dataclass(frozen=True, slots=True, init=False)
class Outcome:
    """One outcome of a prediction, or of a unit's predictions in a window.

        Outcome("default", 1, prediction_id=score.prediction_id)
        Outcome("spend", 42.5, unit="c-17", since=monday, until=sunday)

    Reporting it again changes nothing; with another value it is a correction: of the outcomes with one name and one
    prediction id, or one name, unit and window, the last reported counts.

    Attributes:
        name: what was observed, such as "default" or "purchase": printable, at most 128 characters.
        value: the number that was observed, from -1e30 to 1e30; 1 or 0 for something that happened or did not.
        prediction_id: of the scored row, from ``Score.prediction_id``; empty with a unit.
        unit: of the route's split, mostly the entity id; empty with a prediction id.
        since, until: the window [since, until) in which the unit's rows were scored, in ns since 1970; None with a
            prediction id.
        weight: how much it counts, from 0 to 1e30; 0 withdraws an outcome.
        observed_at: when it was observed, in ns since 1970.
    """

    name: str
    value: float
    prediction_id: str
    unit: str
    since: int | None
    until: int | None
    weight: float
    observed_at: int

    def __init__(
        self,
        name: str,
        value: float,
        *,
        prediction_id: str = "",
        unit: str = "",
        since: Time | None = None,
        until: Time | None = None,
        weight: float = 1.0,
        observed_at: Time | None = None,
    ) -> None:
        """``observed_at`` None means now. Raises InvalidRequestError that names the wrong field."""
        put = object.__setattr__
        put(self, "name", _name(name))
        put(self, "value", number("value", value))
        if bool(prediction_id) == bool(unit):
            raise wrong_field("prediction_id", "give either a prediction_id or a unit with since and until")
        put(self, "prediction_id", _prediction_id(prediction_id) if prediction_id else "")
        put(self, "unit", _unit(unit) if unit else "")
        begin, end = _window(since, until) if unit else _no_window(since, until)
        put(self, "since", begin)
        put(self, "until", end)
        put(self, "weight", _weight(weight))
        put(self, "observed_at", time.time_ns() if observed_at is None else nanoseconds("observed_at", observed_at))


@dataclass(frozen=True, slots=True)
class RefusedOutcome:
    """An outcome that the server refused; the others of its call were kept.

    ``index`` is its place among those reported, ``reason`` one of docs/reference/errors.md, ``message`` says what is
    wrong.
    """

    index: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class OutcomesReport:
    """The result of ``report_outcomes``.

    Attributes:
        accepted: how many outcomes were kept; they are on the server's disk.
        unknown: prediction ids of kept outcomes that the journal of the server's host does not have: of another host,
            or wrong. Kept all the same.
        refused: the outcomes that were not kept, by ascending index.
        unchecked: whether the server could not search its journal, so that ``unknown`` may lack some.
    """

    accepted: int = 0
    unknown: tuple[str, ...] = ()
    refused: tuple[RefusedOutcome, ...] = ()
    unchecked: bool = False


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise wrong_field("name", f"takes text, not {type(name).__name__}", "WRONG_TYPE")
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise wrong_field("name", f"must be 1 to {MAX_NAME} printable characters without spaces around them")
    return name


def _prediction_id(prediction_id: Any) -> str:
    match = PREDICTION_ID.fullmatch(prediction_id) if isinstance(prediction_id, str) else None
    if match is None or int(match[2]) > MAX_PLACE:
        raise wrong_field("prediction_id", "is not one: 24 hex digits, a dash and a row index, as a score has it")
    return match[0]


def _unit(unit: Any) -> str:
    if not isinstance(unit, str):
        raise wrong_field("unit", f"takes text, not {type(unit).__name__}", "WRONG_TYPE")
    if len(unit) > MAX_UNIT:
        raise wrong_field("unit", f"must be at most {MAX_UNIT:,} characters")
    if not unit.isascii():
        try:
            unit.encode()
        except UnicodeEncodeError:
            raise wrong_field("unit", "holds half of a surrogate pair, which is no character") from None
    return unit


def _window(since: Any, until: Any) -> tuple[int, int]:
    if since is None or until is None:
        raise wrong_field(
            "since" if since is None else "until", "is required with a unit: since and until are its window"
        )
    begin, end = nanoseconds("since", since), nanoseconds("until", until)
    if begin >= end:
        raise wrong_field("until", "must be after since: the window is [since, until)")
    return begin, end


def _no_window(since: Any, until: Any) -> tuple[None, None]:
    if since is not None or until is not None:
        raise wrong_field("since", "a window goes with a unit, not with a prediction_id")
    return None, None


def _weight(weight: Any) -> float:
    found = number("weight", weight)
    if found < 0:
        raise wrong_field("weight", "must not be negative")
    return found
