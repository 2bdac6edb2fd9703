"""Messages for customers: what one is written of, and how it came out."""

from dataclasses import dataclass
from typing import Protocol


class ChosenAction(Protocol):
    """An action with the variant of its message, "" for the only one."""

    @property
    def action(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def cost(self) -> float: ...
    @property
    def expected_value(self) -> float | None: ...


class MessageReason(Protocol):
    """A reason of a score, as messages name it."""

    @property
    def text(self) -> str: ...
    @property
    def input(self) -> str: ...
    @property
    def direction(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was written.

    Attributes:
        language: the tag of its template.
        problem: why there is no text, such as a placeholder without a value; "" where there is one.
    """

    text: str
    language: str
    problem: str = ""
