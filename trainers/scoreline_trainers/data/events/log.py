"""Event logs as arrays, sorted by entity and time, and which events lie before a moment."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from scoreline_trainers.data.batch import Bools, Float64, Int64, RowIndices
from scoreline_trainers.data.sources.conditions import rows_that_meet
from scoreline_trainers.data.sources.times import DAY
from scoreline_trainers.errors import DataError

_CODE, _MOMENT = "__code", "__moment"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a table as a log sees them.

    Attributes:
        codes: int64 [N], the number of each row's entity in the log; -1 where the log has no event of it.
        moments: int64 [N], microseconds: what is computed reads events before them.
    """

    codes: Int64
    moments: Int64

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: RowIndices | Bools) -> "Rows":
        """The given rows."""
        return Rows(self.codes[rows], self.moments[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """For each of N rows the events from ``start`` up to but without ``stop``, int64 [N] each."""

    start: Int64
    stop: Int64

    @property
    def count(self) -> Int64:
        """int64 [N]: how many events."""
        return self.stop - self.start


class Log:
    """Events sorted by entity and time.

    Args:
        frame: one row per event.
        entity: the column of the entity that each is of.
        times: int64 [E], microseconds since 1970.

    Attributes:
        entities: the M entities in the order of their codes.
        codes: int64 [E], the entity of each event, ascending.
        times: int64 [E], ascending within an entity; events of one moment are in the order of the file.
        frame: E rows, the log's columns.

    Raises:
        DataError: an event has no entity.
    """

    def __init__(self, frame: pl.DataFrame, *, entity: str, times: Int64) -> None:
        missing = frame[entity].null_count()
        if missing:
            raise DataError(entity, f"is missing in {missing:,} of {len(frame):,} events: every event has an entity")
        self.entities = frame[entity].unique().sort()
        numbered = pl.DataFrame({entity: self.entities}).with_row_index(_CODE)
        events = frame.with_columns(pl.Series(_MOMENT, times))
        events = events.join(numbered, on=entity, how="left", maintain_order="left")
        events = events.sort(_CODE, _MOMENT, maintain_order=True)
        self.codes: Int64 = events[_CODE].to_numpy().astype(np.int64)
        self.times: Int64 = events[_MOMENT].to_numpy()
        self.frame = events.drop(_CODE, _MOMENT)

    def __len__(self) -> int:
        return len(self.codes)

    @cached_property
    def _moments(self) -> Int64:
        return np.unique(self.times)

    @cached_property
    def _keys(self) -> Int64:
        """int64 [E], ascending: entity and time in one number."""
        places: Int64 = np.searchsorted(self._moments, self.times)
        return self.codes * (len(self._moments) + 1) + places

    @cached_property
    def firsts(self) -> Int64:
        """int64 [M + 1]: the place of the first event of each entity, and E."""
        return np.searchsorted(self.codes, np.arange(len(self.entities) + 1)).astype(np.int64)

    def codes_of(self, entities: pl.Series) -> Int64:
        """int64 [N]: the code of each entity, -1 where the log has no event of it. Raises DataError."""
        ours, theirs = self.entities.dtype, entities.dtype
        if ours != theirs and not (ours.is_integer() and theirs.is_integer()):
            raise DataError(entities.name, f"holds {theirs} and the log's entities are {ours}: ids must have one type")
        numbered = pl.DataFrame({"id": self.entities}).with_row_index(_CODE)
        asked = pl.DataFrame({"id": entities.cast(ours, strict=False)})
        found = asked.join(numbered, on="id", how="left", maintain_order="left")
        codes: Int64 = found[_CODE].cast(pl.Int64).fill_null(-1).to_numpy()
        return codes

    def before(self, codes: Int64, moments: Int64) -> Int64:
        """int64 [N]: the place after the last event of each entity that is before the moment; 0 for code -1."""
        keys = codes * (len(self._moments) + 1) + np.searchsorted(self._moments, moments)
        return np.where(codes < 0, 0, np.searchsorted(self._keys, keys))

    def span(self, rows: Rows, *, days: float | None, ends_days_before: float = 0.0) -> Span:
        """The events of the last ``days`` days, or all there are, before each row's moment less some days."""
        until = rows.moments - round(ends_days_before * DAY)
        stop = self.before(rows.codes, until)
        if days is None:
            return Span(np.where(rows.codes < 0, 0, self.firsts[rows.codes]), stop)
        return Span(self.before(rows.codes, until - round(days * DAY)), stop)

    def ahead(self, rows: Rows, *, gap_days: float, days: float) -> Span:
        """The events of ``days`` days that begin ``gap_days`` after each row's moment, its first moment included."""
        begins = rows.moments + round(gap_days * DAY)
        return Span(self.before(rows.codes, begins), self.before(rows.codes, begins + round(days * DAY)))

    def numbers(self, column: str) -> Float64:
        """float64 [E]: a column, NaN where missing. Raises DataError for what is no number."""
        values = self.frame[column]
        if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
            raise DataError(column, f"holds {values.dtype}, and numbers are needed: `replace` makes numbers of names")
        found: Float64 = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        if np.isinf(found).any():
            raise DataError(column, "holds infinite values: clean the data")
        return found

    def names(self, column: str) -> Int64:
        """int64 [E]: a number for each value of a column, -1 where missing."""
        ranks: Int64 = self.frame[column].rank("dense").cast(pl.Int64).fill_null(-1).to_numpy()
        return ranks

    def meeting(self, where: tuple[str, ...]) -> Bools:
        """bool [E]: whether each event meets the conditions. Raises DataError."""
        return rows_that_meet(self.frame, where).to_numpy()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The events of a log that meet conditions, with spans of the log as spans of the part.

    Attributes:
        kept: bool [E].
        places: int64 [E + 1]: how many events before each place are kept.
    """

    kept: Bools
    places: Int64

    @classmethod
    def of(cls, log: Log, where: tuple[str, ...]) -> "Part":
        """The events that meet ``where``. Raises DataError."""
        kept = log.meeting(where)
        return cls(kept, np.concatenate([[0], np.cumsum(kept)]))

    def span(self, span: Span) -> Span:
        """The kept events of ``span``, by their places among those kept."""
        return Span(self.places[span.start], self.places[span.stop])
