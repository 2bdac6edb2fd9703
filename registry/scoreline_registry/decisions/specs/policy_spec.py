"""Policies as people write them, read strictly; ``policy`` has what the registry stores."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, PlainValidator, model_validator

from scoreline_registry.decisions.actions import ActionName, ActionOrNone
from scoreline_registry.decisions.amounts import ZERO
from scoreline_registry.decisions.cuts import CutName
from scoreline_registry.decisions.declared_limits import LimitsUnavailable
from scoreline_registry.decisions.interventions import (
    CHANGES_BY,
    InputChange,
    Intervention,
    InterventionName,
)
from scoreline_registry.decisions.message_texts import LanguageChoice
from scoreline_registry.decisions.policy import (
    Currency,
    Description,
    FlagName,
    Learning,
    PolicyName,
    Zone,
    ZoneChoice,
)
from scoreline_registry.decisions.policy_conditions import Conditions
from scoreline_registry.decisions.specs.action_specs import ActionText, CutText
from scoreline_registry.decisions.specs.limit_specs import LimitText, Names
from scoreline_registry.decisions.specs.message_specs import LanguageText, MessagesText
from scoreline_registry.decisions.specs.reading import AmountText, Number, Share, mapping, number, spec_reader
from scoreline_registry.decisions.strategies import (
    MAX_STRATEGIES,
    Exploration,
    ExploreBy,
    RuleName,
    Strategy,
    StrategyName,
    StrategyRule,
)
from scoreline_registry.documents.actionability import Actionability, ActionabilitySpec
from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.routing.durations import Span
from scoreline_registry.routing.experiment import OutcomeName
from scoreline_registry.routing.route import UNIT_ENTITY, RouteName, Salt, Unit
from scoreline_registry.routing.rules import MAX_RULES, Layer
from scoreline_registry.routing.strict_spec import Percent, Strict


class StrategyRuleSpec(Strict):
    """One rule of a strategy."""

    name: RuleName
    when: Conditions | None = None
    action: ActionOrNone | None = None
    choose: Annotated[tuple[ActionName, ...], Names] = ()
    always: bool = False

    @property
    def document(self) -> StrategyRule:
        """What the registry stores."""
        return StrategyRule(name=self.name, when=self.when, action=self.action, choose=self.choose, always=self.always)


class ExplorationSpec(Strict):
    """Actions that are tried."""

    by: ExploreBy
    among: Annotated[tuple[ActionOrNone, ...], Names]
    floor: Share = 0.0
    share: Share = 0.0
    outcome: OutcomeName | None = None

    @property
    def document(self) -> Exploration:
        """What the registry stores."""
        return Exploration(by=self.by, among=self.among, floor=self.floor, share=self.share, outcome=self.outcome)


RuleText = Annotated[StrategyRule, spec_reader(StrategyRuleSpec, "{name: high, when: {...}, action: block}")]
ExplorationText = Annotated[Exploration, spec_reader(ExplorationSpec, "{by: uniform, share: 0.05, among: [...]}")]


class StrategySpec(Strict):
    """Rules in order, and what is explored."""

    description: Description = ""
    rules: tuple[RuleText, ...] = Field(min_length=1)
    explore: ExplorationText | None = None

    @property
    def document(self) -> Strategy:
        """What the registry stores."""
        return Strategy(description=self.description, rules=self.rules, explore=self.explore)


class SplitRuleSpec(Strict):
    """Weights in percent by strategy, for the units of which ``when`` is true."""

    when: Conditions | None = None
    layer: Layer | None = None
    split: dict[StrategyName, Percent] = Field(min_length=1, max_length=MAX_STRATEGIES)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(self.split.values(), Decimal(0))
        if total != 100:
            raise ValueError(f"the weights of {', '.join(self.split)} total {total.normalize():f}, not 100")
        return self


def _number_or_text(raw: object) -> float | str:
    return raw if isinstance(raw, str) else number(raw)


ByFeature = dict[FeatureName, Number]


class InterventionSpec(Strict):
    """Changes of inputs with their cost."""

    description: Description = ""
    set_to: dict[FeatureName, Annotated[float | str, PlainValidator(_number_or_text)]] = Field(
        default_factory=dict, alias="set"
    )
    add: ByFeature = Field(default_factory=dict)
    multiply: ByFeature = Field(default_factory=dict)
    cap: ByFeature = Field(default_factory=dict)
    floor: ByFeature = Field(default_factory=dict)
    cost: AmountText = ZERO
    excludes: Annotated[tuple[InterventionName, ...], Names] = ()

    @property
    def document(self) -> Intervention:
        """What the registry stores."""
        numbers = (self.add, self.multiply, self.cap, self.floor)
        values: tuple[Mapping[str, float | str], ...] = (self.set_to, *numbers)
        changes = [
            InputChange(feature=feature, by=kind, value=value)
            for kind, by_feature in zip(CHANGES_BY, values, strict=True)
            for feature, value in by_feature.items()
        ]
        if not changes:
            raise ValueError(
                "an intervention changes something: write set, add, multiply, cap or floor, such as {set: {fee: 5}}"
            )
        return Intervention(
            description=self.description, changes=tuple(changes), cost=self.cost, excludes=self.excludes
        )


class ZoneSpec(Strict):
    """The time zone of a case."""

    context: FeatureName
    default: Zone


def read_zone(raw: object) -> ZoneChoice:
    """Reads a time zone: one for all cases, or the context key that has it with a default. Raises ValueError."""
    if isinstance(raw, str):
        return ZoneChoice(default=raw)
    example = "Europe/Berlin or {context: timezone, default: Europe/Berlin}"
    spec = ZoneSpec.model_validate(mapping(raw, example))
    return ZoneChoice(context=spec.context, default=spec.default)


class LearningSpec(Strict):
    """The outcome that effects are learned from."""

    outcome: OutcomeName
    matured: Span
    window: Span | None = None

    @property
    def document(self) -> Learning:
        """What the registry stores."""
        return Learning(outcome=self.outcome, matured_seconds=self.matured, window_seconds=self.window)


def read_actionability(raw: object) -> Actionability:
    """Reads how far an input can be changed; nothing after its colon means freely. Raises ValueError."""
    return Actionability.model_validate(ActionabilitySpec.model_validate({} if raw is None else raw).model_dump())


ZoneText = Annotated[ZoneChoice, PlainValidator(read_zone)]
LearningText = Annotated[Learning, spec_reader(LearningSpec, "{outcome: returned, matured: 7d}")]
InterventionText = Annotated[Intervention, spec_reader(InterventionSpec, "{multiply: {monthly_fee: 0.9}, cost: 5}")]
StrategyText = Annotated[Strategy, spec_reader(StrategySpec, "{rules: [{name: otherwise, action: none}]}")]
ActionabilityText = Annotated[Actionability, PlainValidator(read_actionability)]


class PolicySpec(Strict):
    """A policy as people write it."""

    policy: PolicyName
    description: Description = ""
    route: RouteName
    unit: Unit = UNIT_ENTITY
    salt: Salt | None = None
    timezone: ZoneText = ZoneChoice()
    language: LanguageText = LanguageChoice()
    currency: Currency | None = None
    control: Percent = Decimal(0)
    actions: dict[ActionName, ActionText] = Field(min_length=1)
    cuts: dict[CutName, CutText] = Field(default_factory=dict)
    flags: dict[FlagName, Conditions] = Field(default_factory=dict)
    strategies: dict[StrategyName, StrategyText] = Field(min_length=1)
    rules: tuple[SplitRuleSpec, ...] = Field(default=(), max_length=MAX_RULES)
    shadows: Annotated[tuple[StrategyName, ...], Names] = ()
    limits: tuple[LimitText, ...] = ()
    limits_unavailable: LimitsUnavailable = "hold"
    messages: dict[ActionName, MessagesText] = Field(default_factory=dict)
    interventions: dict[InterventionName, InterventionText] = Field(default_factory=dict)
    score_value: AmountText | None = None
    recourse: dict[FeatureName, ActionabilityText] = Field(default_factory=dict)
    learning: LearningText | None = None

    @model_validator(mode="after")
    def _every_unit(self) -> Self:
        if not self.rules and len(self.strategies) > 1:
            names = ", ".join(self.strategies)
            raise ValueError(
                f"say which units get which of {names}: rules: [{{split: {{{next(iter(self.strategies))}: 100}}}}]"
            )
        return self

    @property
    def splits(self) -> tuple[SplitRuleSpec, ...]:
        """The rules; without any, the only strategy decides for every unit."""
        return self.rules or (SplitRuleSpec(split=dict.fromkeys(self.strategies, Decimal(100))),)
