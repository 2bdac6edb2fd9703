"""Policies as the registry stores them: which action a score leads to, at which value, within which limits.

``specs`` has policies as people write them and makes the one from the other; ``checks`` says why one cannot decide.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from scoreline_registry.decisions.actions import MAX_ACTIONS, Action, ActionName
from scoreline_registry.decisions.amounts import Amount
from scoreline_registry.decisions.cuts import MAX_CUTS, Cut, CutName
from scoreline_registry.decisions.declared_limits import MAX_LIMITS, DeclaredLimit, LimitsUnavailable
from scoreline_registry.decisions.facts import BUILT_IN_FLAGS
from scoreline_registry.decisions.interventions import MAX_INTERVENTIONS, Intervention, InterventionName
from scoreline_registry.decisions.message_texts import ActionMessages, LanguageChoice
from scoreline_registry.decisions.policy_conditions import Conditions
from scoreline_registry.decisions.policy_state import CutValue, EffectsState
from scoreline_registry.decisions.strategies import (
    CONTROL_LAYER,
    MAX_STRATEGIES,
    SplitRule,
    Strategy,
    StrategyName,
)
from scoreline_registry.documents.actionability import Actionability
from scoreline_registry.documents.base import OmitDefaults, refuse_duplicates
from scoreline_registry.documents.contract import MAX_FEATURES, FeatureName
from scoreline_registry.names import check_name
from scoreline_registry.routing.assignment import layer_salt
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.durations import SpanSeconds
from scoreline_registry.routing.experiment import OutcomeName
from scoreline_registry.routing.route import UNIT_ENTITY, RouteName, Salt, Unit
from scoreline_registry.routing.rules import MAX_RULES

POLICY_SCHEMA = 1
"""Grows when policies have something that earlier versions would refuse or decide otherwise, such as another limit."""
MAX_FLAGS = 50
UTC = "UTC"


def _check_currency(code: str) -> str:
    if len(code) != 3 or not (code.isascii() and code.isupper() and code.isalpha()):
        raise ValueError(f"{code!r} is no currency: write its code of three letters, such as EUR")
    return code


def _check_flag(name: str) -> str:
    if name in BUILT_IN_FLAGS:
        raise ValueError(f"the flag {name!r} is always there: choose another name")
    return check_name("flag", name)


PolicyName = Annotated[str, AfterValidator(lambda name: check_name("policy", name))]
FlagName = Annotated[str, AfterValidator(_check_flag)]
Currency = Annotated[str, AfterValidator(_check_currency)]
Zone: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
Description = Annotated[str, Field(max_length=1000)]


class ZoneChoice(OmitDefaults):
    """The time zone of a case: the IANA name in the context key ``context``, ``default`` where it is absent.

    Days, weeks and months of budgets, which are not of one customer, are those of ``default``.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"context"})

    context: FeatureName | None = None
    default: Zone = UTC


class Learning(OmitDefaults):
    """The outcome from which effects are learned, and when a case has matured.

    A case counts as one with the outcome where its value is not 0 and it was observed within ``matured_seconds`` of the
    decision. ``window_seconds`` is how far back cases are looked at; None for all that the journal has.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"window_seconds"})

    outcome: OutcomeName
    matured_seconds: SpanSeconds
    window_seconds: SpanSeconds | None = None


class Policy(OmitDefaults):
    """A policy as stored.

    Attributes:
        route: whose scores it decides on.
        unit: what control, splits and limits count by.
        salt: of the splits and the control.
        control_millionths: the units, of a million, that never get an action.
        actions: by name, without an order. Ties of expected value are decided by the order in which a rule names them.
        cuts: thresholds that conditions name.
        flags: conditions over the facts of a case; each is the fact ``flag.<name>``, known to all other conditions.
        strategies: ways to decide.
        rules: which units get which strategy; the last one has no condition.
        shadows: strategies that are evaluated and journaled as well, without any action.
        limits_unavailable: what is decided while the store of limits does not answer: ``hold`` takes no action that a
            limit is about, ``act`` takes the best one, which is then not counted.
        messages: by action.
        interventions: for what-if.
        score_value: the value of a score of 1 against one of 0, negative where a low score is better; None where
            what-if knows no value.
        recourse: how far inputs can be changed, in place of what the contracts of the route's arms say of them.
        cuts_state: the computed values of adaptive cuts.
        effects_state: what was learned of effects; None before that.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset(
        {
            "description",
            "currency",
            "cuts",
            "flags",
            "shadows",
            "limits",
            "limits_unavailable",
            "messages",
            "interventions",
            "score_value",
            "recourse",
            "learning",
            "cuts_state",
            "effects_state",
        }
    )

    schema_number: int = Field(default=POLICY_SCHEMA, ge=1)
    policy: PolicyName
    description: Description = ""
    route: RouteName
    unit: Unit = UNIT_ENTITY
    salt: Salt
    timezone: ZoneChoice = ZoneChoice()
    language: LanguageChoice = LanguageChoice()
    currency: Currency | None = None
    control_millionths: int = Field(default=0, ge=0, le=WHOLE)
    actions: dict[ActionName, Action] = Field(min_length=1, max_length=MAX_ACTIONS)
    cuts: dict[CutName, Cut] = Field(default_factory=dict, max_length=MAX_CUTS)
    flags: dict[FlagName, Conditions] = Field(default_factory=dict, max_length=MAX_FLAGS)
    strategies: dict[StrategyName, Strategy] = Field(min_length=1, max_length=MAX_STRATEGIES)
    rules: tuple[SplitRule, ...] = Field(min_length=1, max_length=MAX_RULES)
    shadows: tuple[StrategyName, ...] = Field(default=(), max_length=MAX_STRATEGIES)
    limits: tuple[DeclaredLimit, ...] = Field(default=(), max_length=MAX_LIMITS)
    limits_unavailable: LimitsUnavailable = "hold"
    messages: dict[ActionName, ActionMessages] = Field(default_factory=dict, max_length=MAX_ACTIONS)
    interventions: dict[InterventionName, Intervention] = Field(default_factory=dict, max_length=MAX_INTERVENTIONS)
    score_value: Amount | None = None
    recourse: dict[FeatureName, Actionability] = Field(default_factory=dict, max_length=MAX_FEATURES)
    learning: Learning | None = None
    cuts_state: dict[CutName, CutValue] = Field(default_factory=dict, max_length=MAX_CUTS)
    effects_state: EffectsState | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rules[-1].when is not None:
            raise ValueError("the last of `rules` must have no `when`, so that every unit gets a strategy")
        refuse_duplicates("limit", (limit.name for limit in self.limits))
        refuse_duplicates("shadow", self.shadows)
        return self

    @property
    def cut_values(self) -> Mapping[str, float]:
        """The value in force of each cut: as computed, else its start."""
        computed = {name: found.value for name, found in self.cuts_state.items()}
        return {name: computed.get(name, cut.start) for name, cut in self.cuts.items()}

    @property
    def refs(self) -> tuple[str, ...]:
        """The models beside those of the route, whose scores are effects of actions; each once."""
        effects = (action.effect for action in self.actions.values())
        return tuple(dict.fromkeys(effect.uplift for effect in effects if effect is not None and effect.uplift))

    @property
    def control_salt(self) -> str:
        """The salt of the buckets by which units belong to the control: those below its share."""
        return layer_salt(self.salt, CONTROL_LAYER)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels of its actions, each once."""
        return tuple(dict.fromkeys(action.channel for action in self.actions.values() if action.channel))
