"""The strategies of a policy: ordered rules that lead from the facts of a case to actions, and the units of each."""

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.decisions.actions import MAX_ACTIONS, ActionName, ActionOrNone
from scoreline_registry.decisions.policy_conditions import Conditions
from scoreline_registry.documents.base import FrozenModel, OmitDefaults, refuse_duplicates
from scoreline_registry.names import check_name
from scoreline_registry.routing.bucketing import BucketRange, partition_error, share
from scoreline_registry.routing.experiment import OutcomeName
from scoreline_registry.routing.rules import Layer

MAX_STRATEGIES = 20
MAX_STRATEGY_RULES = 100
CONTROL_LAYER = "control"

ExploreBy: TypeAlias = Literal["uniform", "thompson"]
StrategyName = Annotated[str, AfterValidator(lambda name: check_name("strategy", name))]
RuleName = Annotated[str, AfterValidator(lambda name: check_name("rule", name))]


class StrategyRule(OmitDefaults):
    """One rule: an ``action``, or the best by expected value of ``choose``; exactly one of them is set.

    ``none``, of value 0, is always among those to choose from, but where ``always`` is set. ``when`` is None for every
    case that no rule before took.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"action", "choose", "always"})

    name: RuleName
    when: Conditions | None = None
    action: ActionOrNone | None = None
    choose: tuple[ActionName, ...] = Field(default=(), max_length=MAX_ACTIONS)
    always: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.action is None) == (not self.choose):
            raise ValueError(f"rule {self.name!r}: write an `action` or actions to `choose` from")
        refuse_duplicates(f"action of rule {self.name!r}:", self.choose)
        if self.always and not self.choose:
            raise ValueError(f"rule {self.name!r}: `always` goes with `choose`")
        return self

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that it names."""
        return self.choose if self.action is None else (self.action,)


class Exploration(OmitDefaults):
    """Actions that are tried although others look better, so that their effects become known.

    ``thompson`` draws among the actions of ``among`` that a rule may choose, by their posteriors, each with a
    probability of at least ``floor``. ``uniform`` draws one of them with equal probabilities for a ``share`` of the
    cases, 0 to 1. ``outcome`` is the policy's ``learning`` outcome where it is None.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"outcome", "share", "floor"})

    by: ExploreBy
    among: tuple[ActionOrNone, ...] = Field(min_length=2, max_length=MAX_ACTIONS)
    floor: float = Field(default=0.0, ge=0, le=0.5)
    share: float = Field(default=0.0, ge=0, le=1)
    outcome: OutcomeName | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        refuse_duplicates("action to explore:", self.among)
        if self.by == "uniform" and (not self.share or self.floor):
            raise ValueError("exploration by uniform has a `share` above 0 and no `floor`")
        if self.by == "thompson" and self.share:
            raise ValueError("exploration by thompson has a `floor` and no `share`")
        if self.floor * len(self.among) > 1:
            raise ValueError(f"a floor of {self.floor:g} for {len(self.among)} actions totals more than 1")
        return self


class Strategy(OmitDefaults):
    """Rules in order, of which the first that matches decides; the last one has no condition."""

    OMITTED: ClassVar[frozenset[str]] = frozenset({"explore", "description"})

    description: str = Field(default="", max_length=1000)
    rules: tuple[StrategyRule, ...] = Field(min_length=1, max_length=MAX_STRATEGY_RULES)
    explore: Exploration | None = None

    @model_validator(mode="after")
    def _for_every_case(self) -> Self:
        refuse_duplicates("rule", (rule.name for rule in self.rules))
        if self.rules[-1].when is not None:
            raise ValueError("the last rule must have no `when`, so that there is an action for every case")
        return self

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that its rules name, each once."""
        return tuple(dict.fromkeys(action for rule in self.rules for action in rule.actions))


class StrategyShare(FrozenModel):
    """A strategy and the buckets that it decides for, ascending."""

    strategy: StrategyName
    ranges: tuple[BucketRange, ...] = ()

    @property
    def millionths(self) -> int:
        """Its share of the rule's units."""
        return share(self.ranges)


class SplitRule(OmitDefaults):
    """Strategies that share the units of which ``when`` is true; without ``when``, all that no rule before took.

    The split hashes with the policy's salt, in a ``layer`` with one of its own, as a route's.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"layer", "when"})

    when: Conditions | None = None
    layer: Layer | None = None
    strategies: tuple[StrategyShare, ...] = Field(min_length=1, max_length=MAX_STRATEGIES)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        refuse_duplicates("strategy", (each.strategy for each in self.strategies))
        error = partition_error(each.ranges for each in self.strategies)
        if error:
            raise ValueError(error)
        if self.layer == CONTROL_LAYER:
            raise ValueError(f"the layer {CONTROL_LAYER!r} is the policy's own: choose another name")
        return self
