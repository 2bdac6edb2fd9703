"""Profiles as people write them, read strictly; ``profile`` has what the registry stores."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.profiles.aggregates import AggregateName
from scoreline_registry.profiles.feature import (
    Description,
    EventType,
    KeyName,
    Length,
    Most,
    Operand,
    ProfileFeature,
    TimeUnit,
    TimeUnits,
    Values,
)
from scoreline_registry.profiles.profile import (
    DEFAULT_FUTURE_SECONDS,
    DEFAULT_LATENESS_SECONDS,
    MAX_PROFILE_FEATURES,
    OffsetMinutes,
    Profile,
)
from scoreline_registry.routing.durations import Span
from scoreline_registry.routing.profile_inputs import ProfileName
from scoreline_registry.routing.rules import When
from scoreline_registry.routing.strict_spec import Strict

_DAY = 86_400
_TILES = (1, 5, 15, 60, 300, 900, 3_600, 3 * 3_600, 12 * 3_600, _DAY, 7 * _DAY, 28 * _DAY)
_TILES_PER_WINDOW = 32
_LEAST_KEEP = 30 * _DAY
_KEEP_OF_EVER = 400 * _DAY


def default_tile(window_seconds: int) -> int:
    """The tile of a window that declares none: a 32nd of it, rounded down to a usual length of time, in seconds."""
    return max((tile for tile in _TILES if tile * _TILES_PER_WINDOW <= window_seconds), default=_TILES[0])


def default_keep(features: tuple[ProfileFeature, ...]) -> int:
    """How long entities without events are kept where a profile does not say, in seconds.

    As far as any feature looks back and at least 30 days; at least 400 days where one looks back to the first event.
    """
    spans = [each.span_seconds for each in features if each.definition.looks_back]
    least = _KEEP_OF_EVER if None in spans else _LEAST_KEEP
    return max([least, *(span for span in spans if span is not None)])


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _not_too_many(features: object) -> object:
    """The features, before any of them is checked."""
    if isinstance(features, Mapping) and len(features) > MAX_PROFILE_FEATURES:
        raise ValueError(f"a profile has at most {MAX_PROFILE_FEATURES} features, this one has {len(features):,}")
    return features


class EventTypeSpec(EventType, Strict):
    """One type of events: the kind of each field."""


class FeatureSpec(Strict):
    """One feature: an aggregate with its options."""

    aggregate: AggregateName
    description: Description = ""
    events: Annotated[tuple[FeatureName, ...], BeforeValidator(_listed)] = ()
    field: FeatureName | None = None
    where: When | None = None
    window: Span | None = None
    tile: Span | None = None
    session: Span | None = None
    half_life: Span | None = None
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

    def document(self, name: str) -> ProfileFeature:
        """What the registry stores, under a name."""
        spans: dict[str, Any] = {f"{span}_seconds": getattr(self, span) for span in SPAN_OPTIONS}
        if self.window is not None and self.tile is None:
            spans["tile_seconds"] = default_tile(self.window)
        options = self.model_dump(exclude=set(SPAN_OPTIONS))
        if self.aggregate.startswith("time_since"):
            options["unit"] = self.unit or "seconds"
        return ProfileFeature(name=name, **options, **spans)


SPAN_OPTIONS = ("window", "tile", "session", "half_life")
"""The options that are durations as people write them and seconds as stored."""


class ProfileSpec(Strict):
    """A profile as people write it."""

    profile: ProfileName
    description: Description = ""
    lateness: Span = DEFAULT_LATENESS_SECONDS
    future: Span = DEFAULT_FUTURE_SECONDS
    timezone_offset_minutes: OffsetMinutes = 0
    keep: Span | None = None
    events: dict[FeatureName, EventTypeSpec] = Field(min_length=1)
    features: Annotated[dict[KeyName, FeatureSpec], BeforeValidator(_not_too_many)] = Field(min_length=1)

    @property
    def document(self) -> Profile:
        """What the registry stores. Raises ValidationError where its parts do not fit together."""
        features = tuple(feature.document(name) for name, feature in self.features.items())
        return Profile(
            profile=self.profile,
            description=self.description,
            lateness_seconds=self.lateness,
            future_seconds=self.future,
            keep_seconds=self.keep or default_keep(features),
            timezone_offset_minutes=self.timezone_offset_minutes,
            events={name: EventType(fields=event.fields) for name, event in self.events.items()},
            features=features,
        )
