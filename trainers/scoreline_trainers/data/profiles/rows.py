"""The rows of a table as a profile reads them: entity, moment and the event at hand, in the order of the events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
import polars as pl

from scoreline_registry.profiles.events import Event, FieldValue
from scoreline_registry.profiles.profile import Profile
from scoreline_trainers.data.batch import Int64, RowIndices
from scoreline_trainers.data.profiles.event_tables import check_type, entity_texts, field_columns
from scoreline_trainers.data.profiles.spec import ProfileSource
from scoreline_trainers.data.tables import require


@dataclass(frozen=True, slots=True, eq=False)
class ProfileRows:
    """N rows by entity and moment.

    Attributes:
        order: intp [N], the place of each in the table.
        entities: N texts, ascending.
        moments: int64 [N], microseconds since 1970, ascending within an entity: a reading takes events before them.
        event_type: of the events that the rows are about; None where they are about none.
        fields: N rows, the fields of these events by their names.
    """

    order: RowIndices
    entities: pl.Series
    moments: Int64
    event_type: str | None
    fields: pl.DataFrame

    def __len__(self) -> int:
        return len(self.order)

    def at_hand(self) -> Iterator[Event | None]:
        """The event that each row is about, without an id."""
        if self.event_type is None:
            yield from repeat(None, len(self))
            return
        names = self.fields.columns
        values: Iterable[tuple[FieldValue | None, ...]] = self.fields.iter_rows() if names else repeat(())
        for entity, moment, row in zip(self.entities, self.moments.tolist(), values, strict=False):
            known = {name: value for name, value in zip(names, row, strict=True) if value is not None}
            yield Event(entity, "", moment, self.event_type, known)


def profile_rows(frame: pl.DataFrame, source: ProfileSource, profile: Profile, *, times: Int64) -> ProfileRows:
    """The rows of a table. Raises DataError where a column is missing or does not hold what it should."""
    require(frame, source.entity)
    rows, event = rows_of(entity_texts(frame[source.entity]), times), source.event
    if event is None:
        return rows
    check_type(event.type, profile)
    fields = pl.DataFrame(field_columns(frame, profile.events[event.type].fields, event.fields))
    return replace(rows, event_type=event.type, fields=fields[rows.order])


def rows_of(entities: pl.Series, times: Int64) -> ProfileRows:
    """Rows that are about no event, of N entities and times, int64 [N]."""
    order = pl.DataFrame({"entity": entities, "time": times}).with_row_index("row").sort("entity", "time", "row")["row"]
    places = order.to_numpy().astype(np.intp)
    return ProfileRows(places, entities[places], times[places], None, pl.DataFrame())
