"""Routes as people write them, read strictly; ``route`` has what the registry stores."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from scoreline_registry.documents.base import refuse_duplicates
from scoreline_registry.documents.contract import FeatureKind, FeatureName, NeighborContract, SequenceContract
from scoreline_registry.routing.answer_cache import AnswerCacheSpec
from scoreline_registry.routing.experiment_spec import AllocationSpec, ExperimentSpec, OutcomesSpec, RampSpec
from scoreline_registry.routing.profile_inputs import MAX_PROFILES, ProfileInputsSpec, ProfileName
from scoreline_registry.routing.route import (
    MAX_OVERRIDES,
    MAX_SHADOWS,
    UNIT_ENTITY,
    OverrideUnit,
    RouteName,
    Salt,
    Unit,
)
from scoreline_registry.routing.rules import MAX_ARMS, MAX_RULES, Layer, Ref, When, check_last_rule
from scoreline_registry.routing.strict_spec import Percent, Strict


class SequenceSpec(SequenceContract, Strict):
    """The step features that callers send, in order, and the most steps."""


class NeighborSpec(NeighborContract, Strict):
    """The features of each neighbor that callers send, in order, and the most neighbors."""


class SchemaSpec(Strict):
    """Columns by name with their kind, in order, a sequence and neighbors; or ``like``: what that version takes."""

    features: dict[FeatureName, FeatureKind] = Field(default_factory=dict)
    sequence: SequenceSpec | None = None
    neighbors: NeighborSpec | None = None
    like: Ref | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        written = bool(self.features) or self.sequence is not None or self.neighbors is not None
        if (self.like is not None) == written:
            raise ValueError("write features, sequence and neighbors, or `like: model@alias`, not both")
        return self


class RuleSpec(Strict):
    """Weights in percent by arm, for the units of which ``when`` is true, split in ``layer``."""

    when: When | None = None
    layer: Layer | None = None
    split: dict[Ref, Percent] = Field(min_length=1, max_length=MAX_ARMS)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = sum(self.split.values(), Decimal(0))
        if total != 100:
            raise ValueError(f"the weights of {', '.join(self.split)} total {total.normalize():f}, not 100")
        return self


class ShadowSpec(Strict):
    """A model that scores ``sample`` percent of the units beside their arm, for comparison."""

    ref: Ref = Field(alias="model")
    sample: Percent = Decimal(100)

    @model_validator(mode="after")
    def _samples(self) -> Self:
        if not self.sample:
            raise ValueError(f"a shadow that samples nothing does nothing: leave {self.ref} out")
        return self


def _all_of_it(inputs: object) -> object:
    """What a route takes from a profile; nothing after its colon means ``{}``, every feature of the schema."""
    return {} if inputs is None else inputs


class RouteSpec(Strict):
    """A route as people write it."""

    route: RouteName
    input_schema: SchemaSpec = Field(alias="schema")
    unit: Unit = UNIT_ENTITY
    salt: Salt | None = None
    rules: tuple[RuleSpec, ...] = Field(min_length=1, max_length=MAX_RULES)
    overrides: dict[OverrideUnit, Ref] = Field(default_factory=dict, max_length=MAX_OVERRIDES, alias="testers")
    holdout: Percent = Decimal(0)
    fallback: Ref | None = None
    shadows: tuple[ShadowSpec, ...] = Field(default=(), max_length=MAX_SHADOWS)
    outcomes: OutcomesSpec | None = None
    experiment: ExperimentSpec | None = None
    ramp: RampSpec | None = None
    allocate: AllocationSpec | None = None
    cache: AnswerCacheSpec | None = None
    profiles: dict[ProfileName, Annotated[ProfileInputsSpec, BeforeValidator(_all_of_it)]] = Field(
        default_factory=dict, max_length=MAX_PROFILES
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_last_rule(self.rules[-1].when)
        refuse_duplicates("shadow", (shadow.ref for shadow in self.shadows))
        return self
