"""The limits of a policy as the registry stores them; ``limits`` turns them into reservations."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field

from scoreline_registry.decisions.actions import Action, ActionName, CategoryName, ChannelName, GroupName
from scoreline_registry.decisions.policy_conditions import Conditions
from scoreline_registry.decisions.reservations import MICRO, MOST, MOST_IN_WINDOW
from scoreline_registry.documents.base import OmitDefaults
from scoreline_registry.names import check_name
from scoreline_registry.routing.durations import SpanSeconds
from scoreline_registry.routing.experiment import OutcomeName

MAX_LIMITS = 100
MINUTES_PER_DAY = 24 * 60

LimitName = Annotated[str, AfterValidator(lambda name: check_name("limit", name))]
CounterName = Annotated[str, AfterValidator(lambda name: check_name("counter", name))]
Count = Annotated[int, Field(ge=1, le=MOST_IN_WINDOW)]
TotalCount = Annotated[int, Field(ge=1, le=MOST)]
Minute = Annotated[int, Field(ge=0, lt=MINUTES_PER_DAY)]
BudgetPeriod: TypeAlias = Literal["day", "week", "month", "total"]
LimitsUnavailable: TypeAlias = Literal["hold", "act"]


class LimitBase(OmitDefaults):
    """What every limit has. It covers the actions that fit all of ``actions``, ``channels`` and ``categories``.

    An empty one of these fits every action. ``when`` is a condition over the facts of a case, in which operands may be
    ``{cut: name}``; a limit is in force for the cases that meet it, None for all.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"when", "actions", "channels", "categories", "groups", "counter"})

    name: LimitName
    when: Conditions | None = None
    actions: tuple[ActionName, ...] = ()
    channels: tuple[ChannelName, ...] = ()
    categories: tuple[CategoryName, ...] = ()

    def covers(self, name: str, action: Action) -> bool:
        """Whether the limit is about an action."""
        return (
            (not self.actions or name in self.actions)
            and (not self.channels or action.channel in self.channels)
            and (not self.categories or action.category in self.categories)
        )

    def covered(self, actions: Mapping[str, Action]) -> tuple[str, ...]:
        """The names of the actions that the limit is about, in their order."""
        return tuple(name for name, action in actions.items() if self.covers(name, action))


class FrequencyLimit(LimitBase):
    """A unit gets at most ``at_most`` of the actions together in any ``per_seconds``."""

    kind: Literal["frequency"] = "frequency"
    at_most: Count
    per_seconds: SpanSeconds


class CoolDownLimit(LimitBase):
    """A unit that got one of the actions ``after`` gets none of the actions for ``for_seconds``."""

    kind: Literal["cool_down"] = "cool_down"
    after: tuple[ActionName, ...] = Field(min_length=1)
    for_seconds: SpanSeconds


class TotalLimit(LimitBase):
    """All units together get at most ``at_most`` of the actions, ever."""

    kind: Literal["total"] = "total"
    at_most: TotalCount


class ChannelLimit(LimitBase):
    """A unit gets at most ``at_most`` actions of the channels in any ``per_seconds``, over all policies.

    Policies count together whose limits have the same ``counter``; None counts for this policy and limit alone.
    """

    kind: Literal["channel"] = "channel"
    at_most: Count
    per_seconds: SpanSeconds
    counter: CounterName | None = None


class BudgetLimit(LimitBase):
    """The costs of the actions together are at most ``at_most`` per day, week or month of the policy's zone, or ever.

    Weeks begin on Monday.
    """

    kind: Literal["budget"] = "budget"
    at_most: float = Field(gt=0, le=MOST // MICRO)
    per: BudgetPeriod


class QuietHoursLimit(LimitBase):
    """No action from ``from_minute`` up to ``to_minute`` of the day, by the customer's clock; over midnight if less."""

    kind: Literal["quiet_hours"] = "quiet_hours"
    from_minute: Minute
    to_minute: Minute

    def is_quiet(self, minute: int) -> bool:
        """Whether a minute of the day, 0 to 1439, is within the quiet hours."""
        if self.from_minute <= self.to_minute:
            return self.from_minute <= minute < self.to_minute
        return minute >= self.from_minute or minute < self.to_minute


class ExclusiveLimit(LimitBase):
    """A unit that got one of the actions gets no other one of them for ``for_seconds``; the same one it may get again.

    The actions are those that fit, of the ``groups`` where there are any.
    """

    kind: Literal["exclusive"] = "exclusive"
    groups: tuple[GroupName, ...] = ()
    for_seconds: SpanSeconds

    def covers(self, name: str, action: Action) -> bool:
        """Whether the limit is about an action."""
        return (not self.groups or action.exclusive in self.groups) and super().covers(name, action)


class SuppressionLimit(LimitBase):
    """A unit gets none of the actions for ``for_seconds`` after an outcome of one of its decisions.

    The outcome counts where its value is not 0.
    """

    kind: Literal["suppression"] = "suppression"
    outcome: OutcomeName
    for_seconds: SpanSeconds


DeclaredLimit: TypeAlias = Annotated[
    FrequencyLimit
    | CoolDownLimit
    | TotalLimit
    | ChannelLimit
    | BudgetLimit
    | QuietHoursLimit
    | ExclusiveLimit
    | SuppressionLimit,
    Field(discriminator="kind"),
]
