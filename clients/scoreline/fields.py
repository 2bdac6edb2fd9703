"""Checks of single values that callers give beside features: times, numbers and names."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from scoreline.errors import InvalidRequestError

Time: TypeAlias = datetime | int
"""A datetime with a timezone, or nanoseconds since 1970."""

MAX_NUMBER = 1e30
"""The largest number: squares and products of squares can still be added up."""
LAST_NANOSECOND = 2**63 - 1
"""The latest time, in the year 2262."""

NUMBERS = (Real, np.bool_, Decimal)
"""The types that are numbers."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OF_1980 = 315_532_800 * 10**9
"""A number of ns below this is one of seconds, milliseconds or microseconds: those reach it after the year 11000."""


def nanoseconds(field: str, moment: Any) -> int:
    """A time as ns since 1970. Raises InvalidRequestError for other types and times outside 1970 to 2262."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise wrong_field(field, "has no timezone: write datetime(..., tzinfo=UTC) for UTC")
        since = moment - _EPOCH
        found = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
    elif isinstance(moment, int) and not isinstance(moment, bool):
        found = moment
    elif hasattr(moment, "__index__") and not isinstance(moment, bool):
        found = moment.__index__()
    else:
        raise wrong_field(field, f"takes a datetime or ns since 1970, not {type(moment).__name__}", "WRONG_TYPE")
    if not 0 <= found <= LAST_NANOSECOND:
        raise wrong_field(field, "must be from 1970 to 2262")
    return found


def event_time(field: str, moment: Any) -> int:
    """A time of events as ns since 1970. Raises InvalidRequestError as ``nanoseconds`` does, and for another unit.

    A whole number that would be before 1980 is taken for seconds, milliseconds or microseconds.
    """
    found = nanoseconds(field, moment)
    if found < _OF_1980 and not isinstance(moment, datetime):
        raise wrong_field(
            field,
            f"{found} is before 1980 in ns since 1970, so it looks like seconds, milliseconds or microseconds: "
            "send a datetime with a timezone, or ns since 1970, such as time.time_ns()",
        )
    return found


def number(field: str, value: Any) -> float:
    """A finite number of at most MAX_NUMBER in size. Raises InvalidRequestError for anything else."""
    if type(value) is not float:
        if not isinstance(value, NUMBERS):
            raise wrong_field(field, f"takes a number, not {type(value).__name__}", "WRONG_TYPE")
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
    if not math.isfinite(value):
        raise wrong_field(field, "must be finite", "NOT_FINITE")
    if abs(value) > MAX_NUMBER:
        raise wrong_field(field, f"must be at most {MAX_NUMBER:g} in size, not {value:g}", "NOT_FINITE")
    found: float = value
    return found


def wrong_field(field: str, problem: str, reason: str = "INVALID") -> InvalidRequestError:
    """The error of one field, which its metadata names."""
    return InvalidRequestError(f"{field}: {problem}", reason=reason, metadata={"field": field})
