"""Spaces of options that a search may try: by option, a range of numbers or a list of choices."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator


class _Dimension(BaseModel):
    """The base of a dimension: frozen and strict; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Range(_Dimension):
    """Numbers from ``low`` to ``high``, both included; whole numbers where both are written as such.

    ``log`` draws from their logarithms, so that 0.01 to 0.1 is as likely as 0.1 to 1.
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.low >= self.high:
            raise ValueError("'low' is below 'high'")
        if self.log and self.low <= 0:
            raise ValueError("a range by its logarithm is above 0")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{' on a log scale' if self.log else ''}"


class Choices(_Dimension):
    """Values of an option in no order; each is a JSON value."""

    choices: tuple[Any, ...] = Field(min_length=1, strict=False)

    def __str__(self) -> str:
        return ", ".join(map(str, self.choices))


def _way(dimension: object) -> str:
    has_choices = "choices" in dimension if isinstance(dimension, dict) else isinstance(dimension, Choices)
    return "choices" if has_choices else "range"


Dimension = Range | Choices
WrittenDimension = Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_way)]
"""A dimension as a recipe has it: one with "choices" is Choices."""

Space = Mapping[str, Dimension]
