"""Durations as people write them: 45s, 30m, 2h, 7d."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WRITTEN = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_LONGEST = 366 * 86_400
_YEARS = 3_660 * 86_400


def seconds_of(text: object, *, longest: int = _LONGEST) -> int:
    """The seconds of a duration such as 30m. Raises ValueError for anything else, for none and for over ``longest``."""
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"write a duration as a whole number with its unit, such as 45s, 30m, 2h or 7d, not {text!r}")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if not 0 < seconds <= longest:
        raise ValueError(f"a duration is between 1s and {duration_text(longest)}, not {text}")
    return seconds


def duration_text(seconds: int) -> str:
    """Whole seconds in the largest unit that divides them: 1800 is 30m."""
    unit = next(unit for unit, size in _SECONDS.items() if seconds % size == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def rounded_text(seconds: int) -> str:
    """Whole seconds rounded up in the largest unit that divides them or of which there are two: 5063 is 85m."""
    unit = next(unit for unit, size in _SECONDS.items() if seconds % size == 0 or seconds > 2 * size)
    return f"{-(-seconds // _SECONDS[unit])}{unit}"


Seconds = Annotated[int, Field(ge=1, le=_LONGEST)]
Duration = Annotated[Seconds, BeforeValidator(seconds_of)]
# Spans of history: up to ten years.
SpanSeconds = Annotated[int, Field(ge=1, le=_YEARS)]
Span = Annotated[SpanSeconds, BeforeValidator(lambda text: seconds_of(text, longest=_YEARS))]
