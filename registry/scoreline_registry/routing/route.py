"""Routes as the registry stores them: the schema itself, and which buckets belong to which arm.

``route_spec`` has routes as people write them; ``planning`` makes the one from the other.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from scoreline_registry.documents.base import FrozenModel, OmitDefaults, refuse_duplicates
from scoreline_registry.documents.contract import (
    MAX_FEATURES,
    FeatureKind,
    FeatureName,
    NeighborContract,
    SequenceContract,
    ragged_inputs,
)
from scoreline_registry.documents.documents import Name, canonical_json, sha256_hex
from scoreline_registry.documents.ragged import RaggedInput
from scoreline_registry.names import check_feature_name, check_name
from scoreline_registry.routing.allocation import Allocation, AllocationState
from scoreline_registry.routing.answer_cache import AnswerCache
from scoreline_registry.routing.experiment import DEFAULT_KEEP_DAYS, Experiment, Outcomes
from scoreline_registry.routing.profile_inputs import MAX_PROFILES, ProfileInputs, ProfileName
from scoreline_registry.routing.ramp import Ramp, RampState
from scoreline_registry.routing.rules import MAX_RULES, Ref, Rule, check_last_rule

ROUTE_SCHEMA = 3
LAYERS_ROUTE_SCHEMA = 2
FIRST_ROUTE_SCHEMA = 1
MAX_EARLIER_SCHEMAS = 8
MAX_OVERRIDES = 1000
MAX_SHADOWS = 20
MAX_UNIT_LENGTH = 256

UNIT_ENTITY = "entity_id"
UNIT_CONTEXT = "context."


def _check_unit(text: str) -> str:
    if text != UNIT_ENTITY and not text.startswith(UNIT_CONTEXT):
        raise ValueError(f"{text!r} is no unit: write {UNIT_ENTITY!r} or '{UNIT_CONTEXT}<key>'")
    check_feature_name(text.removeprefix(UNIT_CONTEXT))
    return text


def _check_override(unit: str) -> str:
    if not 1 <= len(unit) <= MAX_UNIT_LENGTH or not unit.isprintable():
        raise ValueError(f"a tester is a unit of 1 to {MAX_UNIT_LENGTH} printable characters, not {unit[:40]!r}")
    return unit


RouteName = Annotated[str, AfterValidator(lambda name: check_name("route", name))]
Unit = Annotated[str, AfterValidator(_check_unit)]
# Printable, so that it has no NUL: that parts it from the unit in the hash.
Salt = Annotated[str, AfterValidator(check_feature_name)]
OverrideUnit = Annotated[str, AfterValidator(_check_override)]


class SchemaFeature(FrozenModel):
    """One column that callers send."""

    name: FeatureName
    kind: FeatureKind = "number"


class RouteSchema(OmitDefaults):
    """What callers of a route send: named columns in order, and optionally a sequence of steps and neighbors."""

    OMITTED: ClassVar[frozenset[str]] = frozenset({"neighbors"})

    features: tuple[SchemaFeature, ...] = Field(default=(), max_length=MAX_FEATURES)
    sequence: SequenceContract | None = None
    neighbors: NeighborContract | None = None

    @model_validator(mode="after")
    def _something_distinct(self) -> Self:
        if not self.features and not self.ragged:
            raise ValueError("a schema has features, a sequence, neighbors or several of them")
        refuse_duplicates("feature", (feature.name for feature in self.features))
        return self

    @property
    def ragged(self) -> tuple[RaggedInput, ...]:
        """The ragged inputs that callers send, of each kind at most one."""
        return ragged_inputs(self.sequence, self.neighbors)

    @property
    def kinds(self) -> Mapping[str, FeatureKind]:
        """The kind of each feature by name, in order."""
        return {feature.name: feature.kind for feature in self.features}


def schema_digest(schema: RouteSchema) -> str:
    """Identifies the layout of packed entities: names, kinds and order, never lengths or vocabularies of features.

    Steps hold categories as indices into the route's vocabularies, so those belong to the layout.

    The sha256 of the canonical JSON of ``{"features": [[name, kind], ...], "sequence": [name, ...] or null}``, with
    ``"neighbors": [name, ...]`` and ``"vocabularies": {name: [name, ...]}`` where there are any: layouts without them
    keep their earlier digest.
    """
    layout: dict[str, Any] = {
        "features": [[feature.name, feature.kind] for feature in schema.features],
        "sequence": None,
    }
    layout |= {each.name: list(each.features) for each in schema.ragged}
    for each in schema.ragged:
        if each.vocabularies:
            layout["vocabularies"] = {name: list(names) for name, names in each.vocabularies.items()}
    return sha256_hex(canonical_json(layout))


class Shadow(FrozenModel):
    """A model that also scores a sample of the units, for comparison; its scores are never returned to callers."""

    ref: Ref
    sample_millionths: int = Field(ge=1, le=1_000_000)


class RouteDocument(OmitDefaults):
    """A route as stored. The last rule has no condition, so every unit gets an arm.

    ``earlier_schemas`` are the last layouts before this one, newest first, so that callers who still pack by them can
    be understood. ``overrides``, under the key "testers", give units a fixed arm before anything else is looked at.
    ``holdout_millionths`` of the other units always get the first arm of the last rule. A route with overrides or
    layers is of schema 2, because a reader that knows neither would give units other arms; one with ``profiles`` is of
    schema 3, because a reader that does not know them would score without their features. ``shadows`` and the other
    sections ask for no higher schema: a reader that does not know them gives the same answers.

    ``ramp_state`` and ``allocation_state`` are where the route's ramp and allocation stand; None before they began.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset(
        {
            "testers",
            "shadows",
            "outcomes",
            "experiment",
            "ramp",
            "ramp_state",
            "allocate",
            "allocation_state",
            "cache",
            "profiles",
        }
    )

    schema_number: int = Field(default=FIRST_ROUTE_SCHEMA, ge=1)
    route: Name
    input_schema: RouteSchema = Field(alias="schema")
    earlier_schemas: tuple[RouteSchema, ...] = Field(default=(), max_length=MAX_EARLIER_SCHEMAS)
    unit: Unit = UNIT_ENTITY
    salt: Salt
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=MAX_RULES)
    overrides: dict[OverrideUnit, Ref] = Field(default_factory=dict, max_length=MAX_OVERRIDES, alias="testers")
    holdout_millionths: int = Field(default=0, ge=0, le=1_000_000)
    fallback: Ref | None = None
    shadows: tuple[Shadow, ...] = Field(default=(), max_length=MAX_SHADOWS)
    outcomes: Outcomes | None = None
    experiment: Experiment | None = None
    ramp: Ramp | None = None
    ramp_state: RampState | None = None
    allocate: Allocation | None = None
    allocation_state: AllocationState | None = None
    cache: AnswerCache | None = None
    profiles: dict[ProfileName, ProfileInputs] = Field(default_factory=dict, max_length=MAX_PROFILES)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_last_rule(self.rules[-1].when)
        refuse_duplicates("shadow", (shadow.ref for shadow in self.shadows))
        return self

    @property
    def refs(self) -> tuple[str, ...]:
        """Every model reference of the route, each once: those that answer, then shadows."""
        return tuple(dict.fromkeys([*self.answering_refs, *(shadow.ref for shadow in self.shadows)]))

    @property
    def answering_refs(self) -> tuple[str, ...]:
        """The references without which the route cannot serve: arms in order, those of overrides, then the fallback."""
        return tuple(dict.fromkeys([*self.arms, self.fallback] if self.fallback else self.arms))

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm that a unit can be given, each once: those of the rules in order, then those of overrides."""
        ruled = [arm.ref for rule in self.rules for arm in rule.arms]
        return tuple(dict.fromkeys([*ruled, *self.overrides.values()]))

    @property
    def least_schema(self) -> int:
        """The lowest schema number whose readers understand all of this."""
        if self.profiles:
            return ROUTE_SCHEMA
        later = self.overrides or any(rule.layer for rule in self.rules)
        return LAYERS_ROUTE_SCHEMA if later else FIRST_ROUTE_SCHEMA

    @property
    def outcome_days(self) -> int:
        """For how many days the journal keeps rows, without inputs, because an outcome may still reach them."""
        return DEFAULT_KEEP_DAYS if self.outcomes is None else self.outcomes.keep_days

    @property
    def experiment_digest(self) -> str:
        """Identifies the plan of the experiment; "" without one."""
        return "" if self.experiment is None else self.experiment.digest
