"""The options of a call, checked when they are given."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from scoreline.encoding.validation import invalid, no_text, wrong_type
from scoreline.encoding.values import is_text

MAX_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The route and options of a call. ``request_id`` None means a new one, ``timeout_seconds`` None the client's.

    ``reasons`` is how many reasons of each score to return, in ``language``. Raises InvalidRequestError for a name that
    is no text, for extras that are no list of names, and for another number of reasons than 0 to 20.
    """

    route: str
    extras: Sequence[str] = ()
    request_id: str | None = None
    timeout_seconds: float | None = None
    reasons: int = 0
    language: str = ""

    def __post_init__(self) -> None:
        check_text("route", self.route)
        if self.request_id is not None:
            check_text("request_id", self.request_id)
        if self.reasons or self.language or type(self.reasons) is not int:
            check_reasons(self.reasons)
            check_text("language", self.language)
        if type(self.extras) is not tuple or self.extras:
            if isinstance(self.extras, str) or not isinstance(self.extras, Collection):
                raise wrong_type("extras", "a list of names", self.extras)
            for name in self.extras:
                check_text("extras", name)


def check_reasons(count: Any) -> None:
    """Raises InvalidRequestError for what is no number of reasons."""
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_REASONS:
        raise invalid(f"reasons takes a number from 0 to {MAX_REASONS}", "INVALID", "reasons")


def check_text(name: str, value: Any) -> None:
    """Raises InvalidRequestError for what is no text, or cannot be sent as UTF-8."""
    if not isinstance(value, str):
        raise wrong_type(name, "text", value)
    if not is_text(value):
        raise no_text(name)
