"""The interventions of a policy: changes of inputs that what-if tries."""

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.decisions.amounts import ZERO, Amount
from scoreline_registry.documents.base import OmitDefaults, refuse_duplicates
from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.names import check_name

MAX_INTERVENTIONS = 100
MAX_CHANGES = 50

ChangeBy: TypeAlias = Literal["set", "add", "multiply", "cap", "floor"]
CHANGES_BY: tuple[ChangeBy, ...] = ("set", "add", "multiply", "cap", "floor")
InterventionName = Annotated[str, AfterValidator(lambda name: check_name("intervention", name))]


class InputChange(OmitDefaults):
    """A change of one input: ``set`` to the value, ``add`` it, ``multiply`` by it, keep it at most at it by ``cap``, or
    at least at it by ``floor``.

    A category can only be set, to a text.
    """

    feature: FeatureName
    by: ChangeBy
    value: float | str

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if isinstance(self.value, str) and self.by != "set":
            raise ValueError(f"{self.by} {self.feature}: {self.value!r} is not a number")
        return self


class Intervention(OmitDefaults):
    """Changes of inputs, in order, with their cost; none of ``excludes`` can be done together with it."""

    OMITTED: ClassVar[frozenset[str]] = frozenset({"description", "excludes"})

    description: str = Field(default="", max_length=1000)
    changes: tuple[InputChange, ...] = Field(min_length=1, max_length=MAX_CHANGES)
    cost: Amount = ZERO
    excludes: tuple[InterventionName, ...] = Field(default=(), max_length=MAX_INTERVENTIONS)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates("changed input", (change.feature for change in self.changes))
        refuse_duplicates("excluded intervention", self.excludes)
        return self
