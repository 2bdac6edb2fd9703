"""The bands of a score with the validation rows that fall into them. Values only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FEW_ROWS = 10
"""Fewer validation rows than this say little about a band, or about a label."""


@dataclass(frozen=True, slots=True)
class BandSummary:
    """One band and the validation rows whose score is in it.

    Attributes:
        name: of the band.
        from_score: where it starts.
        rows: how many validation rows it holds.
        rate: the share of label 1 among them; None where there are no rows, or no labels.
    """

    name: str
    from_score: float
    rows: int
    rate: float | None


def band_warnings(bands: Sequence[BandSummary]) -> Iterator[str]:
    """A warning for each band with fewer than FEW_ROWS validation rows."""
    for band in bands:
        if band.rows < FEW_ROWS:
            yield f"band {band.name!r} from {band.from_score:g} holds {band.rows} validation rows: its rate says little"
