"""The rules of a route as stored: conditions, layers, and which buckets belong to which arm."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.documents.base import FrozenModel, OmitDefaults, refuse_duplicates
from scoreline_registry.names import ModelRef, check_name
from scoreline_registry.routing.bucketing import BucketRange, partition_error, share
from scoreline_registry.routing.conditions import Condition, parse_condition

MAX_RULES = 100
MAX_ARMS = 100
HOLDOUT_LAYER = "holdout"


def _check_ref(text: str) -> str:
    return str(ModelRef.parse(text))


def _check_when(raw: dict[str, Any]) -> dict[str, Any]:
    parse_condition(raw)
    return raw


def _check_layer(name: str) -> str:
    if name == HOLDOUT_LAYER:
        raise ValueError(f"the layer {name!r} is the route's own: choose another name")
    return check_name("layer", name)


def check_last_rule(when: object) -> None:
    """Raises ValueError for a last rule with a condition: a unit that meets none would have no arm."""
    if when is not None:
        raise ValueError("the last rule must have no `when`, so that every unit gets an arm")


Ref = Annotated[str, AfterValidator(_check_ref)]
When = Annotated[dict[str, Any], AfterValidator(_check_when)]
Layer = Annotated[str, AfterValidator(_check_layer)]


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
