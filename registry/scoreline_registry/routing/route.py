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
from scoreline_registry.names import ModelRef, check_feature_name, check_name
from scoreline_registry.routing.bucketing import BucketRange, partition_error, share
from scoreline_registry.routing.conditions import Condition, parse_condition

ROUTE_SCHEMA = 2
FIRST_ROUTE_SCHEMA = 1
MAX_EARLIER_SCHEMAS = 8
MAX_RULES = 100
MAX_ARMS = 100
MAX_OVERRIDES = 1000
MAX_SHADOWS = 20
MAX_UNIT_LENGTH = 256

UNIT_ENTITY = "entity_id"
UNIT_CONTEXT = "context."
HOLDOUT_LAYER = "holdout"


def _check_ref(text: str) -> str:
    return str(ModelRef.parse(text))


def _check_unit(text: str) -> str:
    if text != UNIT_ENTITY and not text.startswith(UNIT_CONTEXT):
        raise ValueError(f"{text!r} is no unit: write {UNIT_ENTITY!r} or '{UNIT_CONTEXT}<key>'")
    check_feature_name(text.removeprefix(UNIT_CONTEXT))
    return text


def _check_when(raw: dict[str, Any]) -> dict[str, Any]:
    parse_condition(raw)
    return raw


def _check_layer(name: str) -> str:
    if name == HOLDOUT_LAYER:
        raise ValueError(f"the layer {name!r} is the route's own: choose another name")
    return check_name("layer", name)


def _check_override(unit: str) -> str:
    if not 1 <= len(unit) <= MAX_UNIT_LENGTH or not unit.isprintable():
        raise ValueError(f"a tester is a unit of 1 to {MAX_UNIT_LENGTH} printable characters, not {unit[:40]!r}")
    return unit


def check_last_rule(when: object) -> None:
    """Raises ValueError for a last rule with a condition: a unit that meets none would have no arm."""
    if when is not None:
        raise ValueError("the last rule must have no `when`, so that every unit gets an arm")


Ref = Annotated[str, AfterValidator(_check_ref)]
RouteName = Annotated[str, AfterValidator(lambda name: check_name("route", name))]
Unit = Annotated[str, AfterValidator(_check_unit)]
# Printable, so that it has no NUL: that parts it from the unit in the hash.
Salt = Annotated[str, AfterValidator(check_feature_name)]
When = Annotated[dict[str, Any], AfterValidator(_check_when)]
Layer = Annotated[str, AfterValidator(_check_layer)]
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
    """Identifies the layout of packed entities: names, kinds and order, never vocabularies or lengths.

    The sha256 of the canonical JSON of ``{"features": [[name, kind], ...], "sequence": [name, ...] or null}``, with
    ``"neighbors": [name, ...]`` where there are any: layouts without neighbors keep their earlier digest.
    """
    layout: dict[str, Any] = {
        "features": [[feature.name, feature.kind] for feature in schema.features],
        "sequence": None,
    }
    layout |= {each.name: list(each.features) for each in schema.ragged}
    return sha256_hex(canonical_json(layout))


class Arm(FrozenModel):
    """One arm of a rule: a model by version or alias, and the buckets that it serves, ascending."""

    ref: Ref
    ranges: tuple[BucketRange, ...] = ()

    @property
    def millionths(self) -> int:
        """The arm's share of the rule's units."""
        return share(self.ranges)


class Rule(OmitDefaults):
    """Arms that share the units of which ``when`` is true; without ``when``, of all units that no rule before took.

    The split hashes with the route's salt, in a ``layer`` with one of its own: rules of different layers split units
    independently of each other, rules of the same salt and layer alike, whatever route they are in.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"layer"})

    when: When | None = None
    layer: Layer | None = None
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=MAX_ARMS)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        refuse_duplicates("arm", (arm.ref for arm in self.arms))
        error = partition_error(arm.ranges for arm in self.arms)
        if error:
            raise ValueError(error)
        return self

    @property
    def condition(self) -> Condition | None:
        """``when``, parsed."""
        return None if self.when is None else parse_condition(self.when)


class Shadow(FrozenModel):
    """A model that also scores a sample of the units, for comparison; its scores are never returned to callers."""

    ref: Ref
    sample_millionths: int = Field(ge=1, le=1_000_000)


class RouteDocument(OmitDefaults):
    """A route as stored. The last rule has no condition, so every unit gets an arm.

    ``earlier_schemas`` are the last layouts before this one, newest first, so that callers who still pack by them can
    be understood. ``overrides``, under the key "testers", give units a fixed arm before anything else is looked at.
    ``holdout_millionths`` of the other units always get the first arm of the last rule. A route with overrides or
    layers is of schema 2, because a reader that knows neither would give units other arms. ``shadows`` ask for no
    higher schema: a reader that does not know them gives the same answers.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"testers", "shadows"})

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
        later = self.overrides or any(rule.layer for rule in self.rules)
        return ROUTE_SCHEMA if later else FIRST_ROUTE_SCHEMA
