"""Routes as people write them, read strictly; ``route`` has what the registry stores."""

import difflib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from scoreline_registry.documents.base import refuse_duplicates
from scoreline_registry.documents.contract import FeatureKind, FeatureName, NeighborContract, SequenceContract
from scoreline_registry.routing.bucketing import percent
from scoreline_registry.routing.route import (
    MAX_ARMS,
    MAX_OVERRIDES,
    MAX_RULES,
    MAX_SHADOWS,
    UNIT_ENTITY,
    Layer,
    OverrideUnit,
    Ref,
    RouteName,
    Salt,
    Unit,
    When,
    check_last_rule,
)

Percent = Annotated[Decimal, BeforeValidator(percent)]


def _error(text: str, kind: str = "value_error", place: tuple[int | str, ...] = ()) -> InitErrorDetails:
    message = text.removeprefix("Value error, ")
    return InitErrorDetails(type=PydanticCustomError(kind, "{text}", {"text": message}), loc=place, input=None)


def _hint(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use {', '.join(known)}"


class Strict(BaseModel):
    """The base of specs: an unknown key is an error that names the nearest known key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _known_keys(cls, raw: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Reports unknown keys together with everything else that is wrong."""
        known = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [key for key in raw if key not in known] if isinstance(raw, Mapping) else []
        if not unknown:
            return handler(raw)
        errors = [_error(f"unknown key {key!r}; {_hint(str(key), known)}") for key in unknown]
        try:
            handler({key: value for key, value in dict(raw).items() if key in known})  # type: ignore[call-overload]
        except ValidationError as error:
            errors += [_error(each["msg"], each["type"], each["loc"]) for each in error.errors()]
        raise ValidationError.from_exception_data(cls.__name__, errors)


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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_last_rule(self.rules[-1].when)
        refuse_duplicates("shadow", (shadow.ref for shadow in self.shadows))
        return self
