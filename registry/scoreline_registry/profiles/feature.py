"""Event types and features of a profile as the registry stores them."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.names import check_feature_name
from scoreline_registry.profiles.aggregates import AGGREGATES, Aggregate, AggregateName, FieldKind
from scoreline_registry.routing.conditions import COMBINATORS, Condition, parse_condition, tests_of
from scoreline_registry.routing.durations import SpanSeconds
from scoreline_registry.routing.rules import When

MAX_FIELDS = 64
MAX_STEPS = 512
MAX_NEIGHBORS = 256
MAX_VALUES = 1000
MAX_TILES = 512

EVENT_FIELD = "event."
"""Before a field of the event at hand, where derived features name it."""
SINCE_PREVIOUS = "since_previous_seconds"
"""The column of a sequence that has the seconds since the step before."""

TimeUnit: TypeAlias = Literal["second", "minute", "hour", "day"]
TimeUnits: TypeAlias = Literal["seconds", "minutes", "hours", "days"]


def _check_key(name: str) -> str:
    """A name that conditions can use as a key."""
    if name in COMBINATORS or name.startswith(EVENT_FIELD):
        raise ValueError(f"{name!r} is reserved: choose another name")
    return check_feature_name(name)


KeyName = Annotated[str, AfterValidator(_check_key)]
Operand: TypeAlias = str | float
Description = Annotated[str, Field(max_length=1000)]
Length = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Most = Annotated[int, Field(ge=1, le=MAX_NEIGHBORS)]
Values = Annotated[dict[FeatureName, float], Field(max_length=MAX_VALUES)]

_ABSENT: tuple[Any, ...] = (None, "", (), [], {})


class EventType(FrozenModel):
    """One type of events: the kind of each field. A field may be absent from an event, which then lacks the value."""

    fields: dict[KeyName, FieldKind] = Field(default_factory=dict, max_length=MAX_FIELDS)

    @model_validator(mode="after")
    def _no_reserved_name(self) -> Self:
        if SINCE_PREVIOUS in self.fields:
            raise ValueError(f"{SINCE_PREVIOUS!r} is a column of sequences: choose another name")
        return self


class ProfileFeature(FrozenModel):
    """One feature. Which options it has depends on its aggregate, see ``aggregates``; the others are None or empty.

    Attributes:
        events: the event types that it is computed from; empty for all that have the fields it names.
        field: the field of those events that is aggregated.
        where: a condition over the fields of events; those that do not meet it count as if they were not there.
        window_seconds: it looks so far back, to the edge of a tile. Without window, session and half-life it looks back
            to the first event.
        tile_seconds: how far the edge of the window moves at a time; set where ``window_seconds`` is.
        session_seconds: it looks at the current session, a run of events of any type of the profile, which a gap of
            more than so many seconds ends.
        half_life_seconds: after so many seconds an event weighs half.
        per: the unit of time of a rate.
        unit: the unit of a time.
        fields: the columns of a sequence: fields of its events, and ``since_previous_seconds``.
        length: the most steps of a sequence.
        most: the most neighbors.
        features: the features of each neighbor: numbers of this profile that need no event at hand.
        values: the number of each category.
        when: a condition over features before this one, and fields of the event at hand as ``event.<field>``.
        of: the dividend: a number, a feature before this one, or ``event.<field>``.
        to: the divisor, likewise.
        default: replaces a missing value, also where other features are derived from it.
    """

    name: KeyName
    aggregate: AggregateName
    description: Description = ""
    events: tuple[FeatureName, ...] = ()
    field: FeatureName | None = None
    where: When | None = None
    window_seconds: SpanSeconds | None = None
    tile_seconds: SpanSeconds | None = None
    session_seconds: SpanSeconds | None = None
    half_life_seconds: SpanSeconds | None = None
    per: TimeUnit | None = None
    unit: TimeUnits | None = None
    fields: tuple[FeatureName, ...] = ()
    length: Length | None = None
    most: Most | None = None
    features: tuple[FeatureName, ...] = ()
    values: Values = Field(default_factory=dict)
    when: When | None = None
    of: Operand | None = None
    to: Operand | None = None
    default: Operand | None = None

    @model_serializer(mode="wrap")
    def _without_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out options that it does not have. A default of 0 is one that it has."""
        known = type(self).model_fields
        return {name: value for name, value in serialize(self).items() if name not in known or value not in _ABSENT}

    @property
    def definition(self) -> Aggregate:
        """What its aggregate is."""
        return AGGREGATES[self.aggregate]

    @property
    def where_condition(self) -> Condition | None:
        """``where``, parsed."""
        return None if self.where is None else parse_condition(self.where)

    @property
    def when_condition(self) -> Condition | None:
        """``when``, parsed."""
        return None if self.when is None else parse_condition(self.when)

    @property
    def span_seconds(self) -> int | None:
        """How far back it can look: the window and one tile, or the gap of the session; None for back to the first."""
        if self.window_seconds is not None:
            return self.window_seconds + (self.tile_seconds or 0)
        return self.session_seconds

    @property
    def refers_to(self) -> tuple[str, ...]:
        """The features and ``event.<field>`` that it is derived from, and the features of its neighbors, each once."""
        keys = [test.key for test in tests_of(parse_condition(self.when))] if self.when is not None else []
        operands = [each for each in (self.of, self.to) if isinstance(each, str)]
        return tuple(dict.fromkeys([*keys, *operands, *self.features]))
