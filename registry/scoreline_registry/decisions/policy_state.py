"""What controllers have found out for a policy from the journal, kept in its document."""

from typing import ClassVar

from pydantic import Field

from scoreline_registry.decisions.actions import MAX_ACTIONS, ActionName
from scoreline_registry.decisions.message_texts import VariantName
from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.routing.experiment import UtcMoment


class CutValue(OmitDefaults):
    """The computed value of an adaptive cut.

    Attributes:
        at: when it was computed.
        cases: from how many cases.
        reached: the share of them that reach or exceed it; None where it is not known.
        cost: the cost per case at the value, for cuts by costs.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"reached", "cost"})

    value: float
    at: UtcMoment
    cases: int = Field(default=0, ge=0)
    reached: float | None = Field(default=None, ge=0, le=1)
    cost: float | None = None


class EffectValue(FrozenModel):
    """The posterior of a learned effect, of the kind of its prior: a share of the score or a change.

    Attributes:
        mean: the posterior mean.
        spread: the posterior standard deviation.
        cases: matured cases that got the action.
        control_cases: matured cases of the control that would have got it.
    """

    mean: float = Field(ge=-1e9, le=1e9)
    spread: float = Field(default=0.0, ge=0, le=1e9)
    cases: int = Field(default=0, ge=0)
    control_cases: int = Field(default=0, ge=0)


class VariantCounts(FrozenModel):
    """The matured cases that got a variant of a message, with and without the outcome; both start from 1 as a prior."""

    successes: float = Field(default=1.0, gt=0, le=1e12)
    failures: float = Field(default=1.0, gt=0, le=1e12)


class EffectsState(OmitDefaults):
    """The learned effects of actions, and the counts of the variants of their messages, as of ``at``."""

    OMITTED: ClassVar[frozenset[str]] = frozenset({"variants"})

    at: UtcMoment
    effects: dict[ActionName, EffectValue] = Field(default_factory=dict, max_length=MAX_ACTIONS)
    variants: dict[ActionName, dict[VariantName, VariantCounts]] = Field(default_factory=dict, max_length=MAX_ACTIONS)
