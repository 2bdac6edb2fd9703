"""How parts of a policy are read as people write them: numbers strictly, and specs that become stored values."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import BeforeValidator, PlainValidator

from scoreline_registry.decisions.amounts import LARGEST_AMOUNT, Amount
from scoreline_registry.decisions.facts import FEATURE, FactName
from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.routing.strict_spec import Strict

_NUMBER = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", re.ASCII)

D_co = TypeVar("D_co", covariant=True)


class Spec(Protocol[D_co]):
    """A part as people write it."""

    @property
    def document(self) -> D_co:
        """What the registry stores."""
        ...

    @classmethod
    def model_validate(cls, obj: Any) -> "Spec[D_co]":
        """Reads it."""
        ...


def number(raw: object) -> float:
    """A finite number, neither a text nor a flag. Raises ValueError."""
    if isinstance(raw, str) and _NUMBER.fullmatch(raw):
        raise ValueError(f"{shown(raw)} is a text to YAML: leave out quotes and exponents")
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise ValueError(f"{shown(raw)} is not a number")  # noqa: TRY004 - pydantic takes ValueError
    if isinstance(raw, float) and not math.isfinite(raw):
        raise ValueError(f"{raw} is not a finite number")
    if not -LARGEST_AMOUNT <= raw <= LARGEST_AMOUNT:
        raise ValueError(f"{shown(raw)} is not a number from -1e15 to 1e15")
    return float(raw)


def share(raw: object) -> float:
    """A share from 0 to 1. Raises ValueError, with the share that a percentage over 1 may have meant."""
    value = number(raw)
    if not 0 <= value <= 1:
        meant = f": write {value / 100:g} for {value:g} %" if 1 < value <= 100 else ""
        raise ValueError(f"{value:g} is not a share between 0 and 1{meant}")
    return value


def whole(raw: object) -> int:
    """A whole number, neither a text nor a flag. Raises ValueError."""
    value = number(raw)
    if value != int(value):
        raise ValueError(f"{value:g} is not a whole number")
    return int(value)


Number = Annotated[float, BeforeValidator(number)]
Share = Annotated[float, BeforeValidator(share)]


def listed(value: object) -> object:
    """A list; a single name is a list of one."""
    return [value] if isinstance(value, str) else value


def spec_reader(spec: type[Spec[D_co]], example: str) -> PlainValidator:
    """A validator that reads a mapping by ``spec`` and gives what is stored; ``example`` says how to write it."""
    return PlainValidator(read_by(spec, example))


def read_by(spec: type[Spec[D_co]], example: str) -> Callable[[object], D_co]:
    """Reads a mapping by ``spec`` and gives what is stored; ``example`` says how to write it."""

    def read(raw: object) -> D_co:
        return spec.model_validate(mapping(raw, example)).document

    return read


def mapping(raw: object, example: str) -> Mapping[Any, Any]:
    """A mapping itself. Raises ValueError, with an example of how to write it."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"write it as {example}, not {shown(raw)}")  # noqa: TRY004 - pydantic takes ValueError
    return raw


def shown(raw: object) -> str:
    """A value in a message: at most 40 characters of it."""
    text = repr(raw)
    return text if len(text) <= 40 else f"{text[:37]}..."


class AmountSpec(Strict):
    """An amount that depends on a fact."""

    feature: FeatureName | None = None
    fact: FactName | None = None
    times: Number = 1.0
    plus: Number = 0.0
    default: Number | None = None

    @property
    def document(self) -> Amount:
        """What the registry stores."""
        if (self.feature is None) == (self.fact is None):
            raise ValueError("an amount names one `feature`, or one `fact` such as profile.<profile>.<feature>")
        fact = f"{FEATURE}{self.feature}" if self.fact is None else self.fact
        return Amount(plus=self.plus, fact=fact, times=self.times, default=self.default)


def read_amount(raw: object) -> Amount:
    """Reads an amount: a number, or a mapping that names a fact. Raises ValueError."""
    if isinstance(raw, Mapping):
        return AmountSpec.model_validate(raw).document
    try:
        return Amount(plus=number(raw))
    except ValueError as error:
        raise ValueError(f"{error}: write a number, or {{feature: name, times: 0.1}}") from error


AmountText = Annotated[Amount, PlainValidator(read_amount)]
