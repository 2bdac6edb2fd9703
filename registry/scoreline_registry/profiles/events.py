"""Events as the computation takes them."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

FieldValue: TypeAlias = float | str


class EventError(ValueError):
    """An event that is refused. ``field`` is the wrong one: entity_id, id, time, type, or one of the type's fields."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message
        super().__init__(f"{field}: {message}")


class Event(NamedTuple):
    """Something that an entity did, as its profile declares it.

    Attributes:
        entity: whose profile it belongs to, 1 to 256 printable characters.
        id: of the event, 1 to 128 printable characters. One that comes again with the same id is the same event.
        time: when it happened, in microseconds since 1970, UTC.
        type: one of the profile's event types.
        fields: numbers as float64, categories and entities as texts. A field that is absent is missing.
    """

    entity: str
    id: str
    time: int
    type: str
    fields: Mapping[str, FieldValue]

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the order in which an entity's events are folded: by time, then by id."""
        return self.time, self.id
