"""Notes of a report: what to know before its figures are believed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["problem", "caution", "info"]

PROBLEM: Final = "problem"
CAUTION: Final = "caution"
INFO: Final = "info"

_ORDER = (PROBLEM, CAUTION, INFO)


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a reader should look at before believing the rest."""

    severity: Severity
    text: str


def problems_first(notes: Iterable[Note]) -> list[Note]:
    """The notes by severity, in their own order within each."""
    return sorted(notes, key=lambda note: _ORDER.index(note.severity))
