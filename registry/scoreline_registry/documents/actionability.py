"""How far a person can change an input of a model, which recourse respects.

An input without an ``Actionability`` is kept as it is. A derived input is computed from others, so it moves with them
and is never changed by itself.
"""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from scoreline_registry.documents.base import FrozenModel, refuse_duplicates
from scoreline_registry.names import check_feature_name

Formula = Literal["ratio_of", "product_of", "sum_of", "difference_of"]

FORMULAS: tuple[Formula, ...] = ("ratio_of", "product_of", "sum_of", "difference_of")
_OF_TWO = ("ratio_of", "difference_of")

Name = Annotated[str, AfterValidator(check_feature_name)]
Parts = Annotated[tuple[Name, ...], Field(max_length=64)]


class Actionability(FrozenModel):
    """How far one input can be changed; without any option it is free within the limits of the contract.

    Attributes:
        immutable: it stays as it is.
        direction: it may only rise, or only fall.
        min, max: of the new value, and of a derived one.
        integer: the new value is a whole number.
        step: the new value is a multiple of it.
        allowed: the names that a category may change to; empty for all of its vocabulary.
        cost: the weight of a change of one spread of the training data, or of a category to another.
        ratio_of, product_of, sum_of, difference_of: the inputs that it is computed from; one of the four at most.
    """

    immutable: bool = False
    direction: Literal["up", "down"] | None = None
    min: float | None = None
    max: float | None = None
    integer: bool = False
    step: float | None = Field(default=None, gt=0)
    allowed: tuple[Name, ...] = ()
    cost: float = Field(default=1.0, gt=0)
    ratio_of: Parts = ()
    product_of: Parts = ()
    sum_of: Parts = ()
    difference_of: Parts = ()

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """``immutable`` stays, so that an input that may change freely is not left out of its document as empty."""
        fields = type(self).model_fields
        return {
            name: value
            for name, value in serialize(self).items()
            if name == "immutable" or name not in fields or getattr(self, name) != fields[name].default
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"recourse: min {self.min:g} is above max {self.max:g}")
        if self.integer and self.step is not None and self.step != int(self.step):
            raise ValueError(f"recourse: an integer cannot move in steps of {self.step:g}")
        refuse_duplicates("allowed name", self.allowed)
        formulas = [name for name in FORMULAS if getattr(self, name)]
        if len(formulas) > 1:
            raise ValueError(f"recourse: give one of {' and '.join(formulas)}, not both")
        if formulas:
            self._check_derived(formulas[0])
        return self

    def _check_derived(self, formula: Formula) -> None:
        parts: tuple[str, ...] = getattr(self, formula)
        if len(parts) < 2 or (formula in _OF_TWO and len(parts) != 2):
            raise ValueError(
                f"recourse: {formula} takes {'two inputs' if formula in _OF_TWO else 'two inputs or more'}"
            )
        refuse_duplicates(f"input of {formula}", parts)
        if self.immutable or self.integer or self.step is not None or self.allowed:
            raise ValueError(f"recourse: {formula} computes the input: leave out immutable, integer, step and allowed")

    @property
    def formula(self) -> Formula | None:
        """How a derived input is computed; None for one that is not derived."""
        return next((name for name in FORMULAS if getattr(self, name)), None)

    @property
    def parts(self) -> tuple[str, ...]:
        """The inputs that a derived input is computed from, in the order of the formula."""
        return () if self.formula is None else getattr(self, self.formula)


class ActionabilitySpec(Actionability):
    """An ``Actionability`` as people write it: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


def check_actionability(given: Mapping[str, Actionability], kinds: Mapping[str, tuple[str, ...] | None]) -> None:
    """Checks what is declared of inputs against these.

    Args:
        given: by input.
        kinds: the vocabulary of each input that is a category, None for numbers.

    Raises:
        ValueError: an unknown input, an option that does not fit its kind, or derived inputs in a circle.
    """
    for name, each in given.items():
        if name not in kinds:
            raise ValueError(f"recourse of {name!r}: there is no such input")
        _check_kind(name, each, kinds[name])
        for part in each.parts:
            if kinds.get(part, ()) is not None:
                raise ValueError(
                    f"recourse of {name!r}: {each.formula} names {part!r}, which is no number of the model"
                )
    derived_order(given)


def derived_order(given: Mapping[str, Actionability]) -> tuple[str, ...]:
    """The derived inputs, each after those that it is computed from. Raises ValueError where they form a circle."""
    graph = {name: each.parts for name, each in given.items() if each.parts}
    try:
        return tuple(name for name in TopologicalSorter(graph).static_order() if name in graph)
    except CycleError as error:
        raise ValueError(f"recourse: inputs are computed from each other: {' -> '.join(error.args[1])}") from error


def _check_kind(name: str, given: Actionability, vocabulary: tuple[str, ...] | None) -> None:
    if vocabulary is None:
        if given.allowed:
            raise ValueError(f"recourse of {name!r}: 'allowed' goes with a category; a number has min and max")
        return
    wrong = [key for key in ("direction", "min", "max", "step", *FORMULAS) if getattr(given, key)]
    wrong += [key for key in ("min", "max") if getattr(given, key) is not None and key not in wrong]
    if wrong or given.integer:
        raise ValueError(f"recourse of {name!r}: {(wrong or ['integer'])[0]!r} goes with a number, not with a category")
    unknown = next((each for each in given.allowed if each not in vocabulary), None)
    if unknown is not None:
        raise ValueError(f"recourse of {name!r}: {unknown!r} is not in its vocabulary")
