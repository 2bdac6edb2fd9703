"""Profiles as the registry stores them: what is known of each entity's events, and the features read from them.

``spec`` has profiles as people write them, ``validation`` the checks that both share.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from scoreline_registry.documents.base import OmitDefaults
from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.profiles.aggregates import FeatureKind
from scoreline_registry.profiles.feature import Description, EventType, ProfileFeature
from scoreline_registry.profiles.validation import Problem, profile_errors, result_kind, types_of
from scoreline_registry.routing.durations import SpanSeconds
from scoreline_registry.routing.profile_inputs import ProfileName

PROFILE_SCHEMA = 1
"""Grows when profiles have something that earlier versions would refuse, such as another aggregate."""
MAX_EVENT_TYPES = 64
MAX_PROFILE_FEATURES = 512
DEFAULT_LATENESS_SECONDS = 600
DEFAULT_FUTURE_SECONDS = 300
_FARTHEST_ZONE = 14 * 60

OffsetMinutes = Annotated[int, Field(ge=-_FARTHEST_ZONE, le=_FARTHEST_ZONE)]


class Profile(OmitDefaults):
    """A profile as stored. Features are in the order in which they were written: each refers to earlier ones only.

    Attributes:
        lateness_seconds: an event is taken while it is at most so much older than its entity's newest.
        future_seconds: an event is refused when it is further ahead of the server's clock.
        keep_seconds: an entity without events for so long is dropped.
        timezone_offset_minutes: from UTC to the clock by which hours of the day are meant.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"description", "timezone_offset_minutes"})

    schema_number: int = Field(default=PROFILE_SCHEMA, ge=1)
    profile: ProfileName
    description: Description = ""
    lateness_seconds: SpanSeconds = DEFAULT_LATENESS_SECONDS
    future_seconds: SpanSeconds = DEFAULT_FUTURE_SECONDS
    keep_seconds: SpanSeconds
    timezone_offset_minutes: OffsetMinutes = 0
    events: dict[FeatureName, EventType] = Field(min_length=1, max_length=MAX_EVENT_TYPES)
    features: tuple[ProfileFeature, ...] = Field(min_length=1, max_length=MAX_PROFILE_FEATURES)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = profile_errors(self.events, self.features, keep_seconds=self.keep_seconds)
        if problems:
            raise ValidationError.from_exception_data(type(self).__name__, [_detail(each) for each in problems])
        return self

    @property
    def by_name(self) -> Mapping[str, ProfileFeature]:
        """Each feature by its name, in order."""
        return {feature.name: feature for feature in self.features}

    @property
    def kinds(self) -> Mapping[str, FeatureKind]:
        """The kind of each feature by its name, in order."""
        return {feature.name: self.kind_of(feature) for feature in self.features}

    def kind_of(self, feature: ProfileFeature) -> FeatureKind:
        """Whether a feature is a number, a category, a sequence or neighbors."""
        return result_kind(feature, self.events)

    def types_of(self, feature: ProfileFeature) -> tuple[str, ...]:
        """The event types that a feature is computed from, sorted; none for one that is derived from other features."""
        return types_of(feature, self.events)


def _detail(problem: Problem) -> InitErrorDetails:
    error = PydanticCustomError("profile", "{text}", {"text": problem.text})
    return InitErrorDetails(type=error, loc=problem.place, input=None)
