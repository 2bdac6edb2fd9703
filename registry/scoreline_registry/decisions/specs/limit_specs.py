"""Limits as people write them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, PlainValidator

from scoreline_registry.decisions.actions import ActionName, CategoryName, ChannelName, GroupName
from scoreline_registry.decisions.declared_limits import (
    MINUTES_PER_DAY,
    BudgetLimit,
    BudgetPeriod,
    ChannelLimit,
    CoolDownLimit,
    Count,
    CounterName,
    DeclaredLimit,
    ExclusiveLimit,
    FrequencyLimit,
    LimitName,
    Minute,
    QuietHoursLimit,
    SuppressionLimit,
    TotalCount,
    TotalLimit,
)
from scoreline_registry.decisions.policy_conditions import Conditions
from scoreline_registry.decisions.specs.reading import Number, listed, mapping, shown, whole
from scoreline_registry.names import hint
from scoreline_registry.routing.durations import Span
from scoreline_registry.routing.experiment import OutcomeName
from scoreline_registry.routing.strict_spec import Strict

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def minute_of(text: object) -> int:
    """The minute of the day of a time such as 22:00. Raises ValueError."""
    found = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        # YAML reads 22:00 without quotes as a number of base 60.
        is_bare = isinstance(text, int) and 0 <= text < MINUTES_PER_DAY
        example = clock(text) if is_bare and isinstance(text, int) else "22:00"
        raise ValueError(f'{shown(text)} is no time of the day: write it in quotes, such as "{example}"')
    return int(found[1]) * 60 + int(found[2])


def clock(minute: int) -> str:
    """A minute of the day as a time such as 22:00."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


TimeOfDay = Annotated[Minute, BeforeValidator(minute_of)]
Names = BeforeValidator(listed)


class LimitSpec(Strict):
    """What every limit has."""

    stored: ClassVar[type[Any]]
    renamed: ClassVar[Mapping[str, str]] = {}

    name: LimitName
    kind: str
    when: Conditions | None = None
    actions: Annotated[tuple[ActionName, ...], Names] = ()
    channels: Annotated[tuple[ChannelName, ...], Names] = ()
    categories: Annotated[tuple[CategoryName, ...], Names] = ()

    @property
    def document(self) -> DeclaredLimit:
        """What the registry stores."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return self.stored(**{self.renamed.get(name, name): value for name, value in given.items()})  # type: ignore[no-any-return]


class FrequencySpec(LimitSpec):
    """At most so many actions per unit and time."""

    stored = FrequencyLimit
    renamed: ClassVar[Mapping[str, str]] = {"per": "per_seconds"}

    at_most: Annotated[Count, BeforeValidator(whole)]
    per: Span


class CoolDownSpec(LimitSpec):
    """A rest after an action."""

    stored = CoolDownLimit
    renamed: ClassVar[Mapping[str, str]] = {"lasting": "for_seconds"}

    after: Annotated[tuple[ActionName, ...], Names] = Field(min_length=1)
    lasting: Span = Field(alias="for")


class TotalSpec(LimitSpec):
    """At most so many actions, ever."""

    stored = TotalLimit

    at_most: Annotated[TotalCount, BeforeValidator(whole)]


class ChannelSpec(LimitSpec):
    """At most so many actions of some channels, over policies."""

    stored = ChannelLimit
    renamed: ClassVar[Mapping[str, str]] = {"per": "per_seconds"}

    at_most: Annotated[Count, BeforeValidator(whole)]
    per: Span
    counter: CounterName | None = None


class BudgetSpec(LimitSpec):
    """At most so much cost."""

    stored = BudgetLimit

    at_most: Number
    per: BudgetPeriod


class QuietHoursSpec(LimitSpec):
    """No action at some hours."""

    stored = QuietHoursLimit
    renamed: ClassVar[Mapping[str, str]] = {"begin": "from_minute", "end": "to_minute"}

    begin: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")


class ExclusiveSpec(LimitSpec):
    """Actions of which a unit gets one."""

    stored = ExclusiveLimit
    renamed: ClassVar[Mapping[str, str]] = {"lasting": "for_seconds"}

    groups: Annotated[tuple[GroupName, ...], Names] = ()
    lasting: Span = Field(alias="for")


class SuppressionSpec(LimitSpec):
    """No action after an outcome."""

    stored = SuppressionLimit
    renamed: ClassVar[Mapping[str, str]] = {"lasting": "for_seconds"}

    outcome: OutcomeName
    lasting: Span = Field(alias="for")


LIMIT_SPECS: Mapping[str, type[LimitSpec]] = {
    "frequency": FrequencySpec,
    "cool_down": CoolDownSpec,
    "total": TotalSpec,
    "channel": ChannelSpec,
    "budget": BudgetSpec,
    "quiet_hours": QuietHoursSpec,
    "exclusive": ExclusiveSpec,
    "suppression": SuppressionSpec,
}


def read_limit(raw: object) -> DeclaredLimit:
    """Reads one limit. Raises ValueError."""
    written = mapping(raw, "{name: daily, kind: frequency, at_most: 1, per: 1d}")
    kind = written.get("kind")
    if kind is None:
        raise ValueError(f"a limit has a `kind`: {', '.join(LIMIT_SPECS)}")
    if not isinstance(kind, str) or kind not in LIMIT_SPECS:
        raise ValueError(f"unknown kind of limit {shown(kind)}; {hint(str(kind), LIMIT_SPECS, 'kind')}")
    return LIMIT_SPECS[kind].model_validate(written).document


LimitText = Annotated[DeclaredLimit, PlainValidator(read_limit)]
