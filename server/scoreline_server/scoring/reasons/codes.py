"""The reasons of a row as values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReasonCode:
    """How one input moved a score; see ``pb.ReasonCode``."""

    input: str
    value: str
    contribution: float
    standard_error: float
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class RowReasons:
    """The reasons of one row; see ``pb.Explanation``."""

    codes: tuple[ReasonCode, ...]
    base: float
    margin: float
    rest: float
    standard_error: float
