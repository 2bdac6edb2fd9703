"""The actions of a policy: cost, benefit and effect of each."""

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.decisions.amounts import ZERO, Amount
from scoreline_registry.documents.base import OmitDefaults
from scoreline_registry.names import check_name
from scoreline_registry.routing.experiment import OutcomeName
from scoreline_registry.routing.rules import Ref

NO_ACTION = "none"
MAX_ACTIONS = 100
ANY_CHANNEL = "default"
"""The channel of messages for actions without one, and for channels without a message of their own."""


def _check_action(name: str) -> str:
    if name == NO_ACTION:
        raise ValueError(f"the action {NO_ACTION!r} is always there: choose another name")
    return check_name("action", name)


def _check_channel(name: str) -> str:
    if name == ANY_CHANNEL:
        raise ValueError(f"the channel {ANY_CHANNEL!r} stands for any: choose another name")
    return check_name("channel", name)


ActionName = Annotated[str, AfterValidator(_check_action)]
ActionOrNone = Annotated[str, AfterValidator(lambda name: check_name("action", name))]
ChannelName = Annotated[str, AfterValidator(_check_channel)]
CategoryName = Annotated[str, AfterValidator(lambda name: check_name("category", name))]
GroupName = Annotated[str, AfterValidator(lambda name: check_name("group", name))]

ShareOfScore = Annotated[float, Field(ge=-1, le=1)]
Change = Annotated[float, Field(ge=-1e9, le=1e9)]


class LearnedEffect(OmitDefaults):
    """An effect that is learned from outcomes, with what is believed before there are any.

    Exactly one of ``reduces`` and ``changes`` is set; what is learned is of the same kind. ``weight`` is the number of
    cases that the belief counts as. ``outcome`` is the policy's ``learning`` outcome where it is None.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"outcome"})

    reduces: ShareOfScore | None = None
    changes: Change | None = None
    weight: float = Field(default=50.0, gt=0, le=1e9)
    outcome: OutcomeName | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.reduces is None) == (self.changes is None):
            raise ValueError("a learned effect starts from `reduces` or from `changes`: write exactly one of them")
        return self


class Effect(OmitDefaults):
    """How much an action changes what the score predicts; exactly one field is set.

    Attributes:
        reduces: the share of the score that it takes away, such as 0.6: the change is 0.6 x score.
        changes: a constant change.
        uplift: a second model, whose score is the change.
        learned: the change is learned from outcomes.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"uplift", "learned"})

    reduces: ShareOfScore | None = None
    changes: Change | None = None
    uplift: Ref | None = None
    learned: LearnedEffect | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in Effect.model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            kinds = ", ".join(Effect.model_fields)
            raise ValueError(f"an effect is exactly one of {kinds}; this one has {' and '.join(given) or 'none'}")
        return self


class Action(OmitDefaults):
    """Something that can be done about a case. Its expected value is ``benefit`` x the change - ``cost``.

    Attributes:
        benefit: the value of a change of 1.
        effect: None for an action without an expected value, which only rules that name it choose.
        channel: how it reaches the customer; None for an action that needs none.
        exclusive: a group of actions, of which limits of the kind exclusive give a unit one at most.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"effect", "channel", "category", "exclusive", "description"})

    description: str = Field(default="", max_length=1000)
    cost: Amount = ZERO
    benefit: Amount = ZERO
    effect: Effect | None = None
    channel: ChannelName | None = None
    category: CategoryName | None = None
    exclusive: GroupName | None = None
