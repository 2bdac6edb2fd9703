"""A profile as a recipe names it: its events in files, and which of its features are put beside the rows."""

from typing import Any, Self

from pydantic import Field, model_validator

from scoreline_trainers.data.sources.files import FileSpec
from scoreline_trainers.data.sources.times import SourceSpec, TimeSpec

REGISTRY = "registry"
"""The only key of a ``profile`` that is read from the registry."""


class EventFile(FileSpec, TimeSpec):
    """A file with one event of a profile in each row.

    Attributes:
        type: the event type of all of its events; or
        type_column: the column that names the type of each.
        entity: the column of the entity that each event is of.
        id: the column of the event's id; without it, events are numbered in the order of the file.
        id_prefix: before each id, where one column numbers events of several types.
        time: the column of the time of each event.
        delay_days: an event becomes known so many days after that time, and counts from then on.
        fields: field of the profile -> column; a field that is not listed is the column of its name, if there is one.
    """

    type: str = ""
    type_column: str | None = None
    entity: str
    id: str | None = None
    id_prefix: str = ""
    time: str
    delay_days: float = Field(default=0, ge=0)
    fields: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_type(self) -> Self:
        if bool(self.type) == (self.type_column is not None):
            raise ValueError("give either the 'type' of the events or the 'type_column' that names it")
        return self


class EventAtHand(SourceSpec):
    """The event that a row is about: its type, and field of the profile -> column of the rows.

    A field that is not listed is the column of its name, where there is one.
    """

    type: str
    fields: dict[str, str] = Field(default_factory=dict)


class ProfileSource(SourceSpec):
    """A profile whose features are put beside the rows of a table, as of the time of each row.

    Attributes:
        profile: a .yaml file, relative to the recipe; the name of a packaged profile; ``{registry: name}`` for one of
            the registry; or the profile itself, as a mapping.
        entity: the column of the rows that names their entity.
        events: files of its events.
        event: the event that each row is about.
        features: of the profile; by default every number and category.
        sequence: the profile's sequence, whose fields become columns of lists.
        neighbors: the profile's neighbors, whose features become columns of lists.
    """

    profile: str | dict[str, Any]
    entity: str
    events: tuple[EventFile, ...] = Field(min_length=1)
    event: EventAtHand | None = None
    features: tuple[str, ...] | None = None
    sequence: str | None = None
    neighbors: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("events"), dict):
            return {**given, "events": (given["events"],)}
        return given

    @property
    def in_registry(self) -> str | None:
        """The name of the profile in the registry, where it is to be read from there."""
        if isinstance(self.profile, dict) and self.profile.keys() == {REGISTRY}:
            return str(self.profile[REGISTRY])
        return None
