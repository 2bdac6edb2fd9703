"""Amounts of money or value in a policy: a constant, or a fact of the case times a factor."""

import math
from typing import Any, ClassVar

from pydantic import Field

from scoreline_registry.decisions.facts import FEATURE, FactName, Facts
from scoreline_registry.documents.base import OmitDefaults

LARGEST_AMOUNT = 1e15


class Amount(OmitDefaults):
    """``plus`` + ``times`` x the fact; ``plus`` alone without a fact. Computed in float64.

    Attributes:
        default: replaces the fact where it is missing; None leaves the amount without a value there.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"fact"})

    plus: float = Field(default=0.0, ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT)
    fact: FactName | None = None
    times: float = Field(default=1.0, ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT)
    default: float | None = Field(default=None, ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT)

    def of(self, facts: Facts) -> float | None:
        """The amount for one case; None where its fact is missing or no finite number, and it has no default."""
        if self.fact is None:
            return self.plus
        value = facts.get(self.fact)
        if isinstance(value, bool | str) or value is None or not math.isfinite(value):
            value = self.default
        return None if value is None else self.plus + self.times * value

    @property
    def written(self) -> float | dict[str, Any]:
        """The amount as people write it."""
        if self.fact is None:
            return self.plus
        named = {"feature": self.fact.removeprefix(FEATURE)} if self.fact.startswith(FEATURE) else {"fact": self.fact}
        given = {"times": (self.times, 1.0), "plus": (self.plus, 0.0), "default": (self.default, None)}
        return {**named, **{name: value for name, (value, usual) in given.items() if value != usual}}

    @property
    def text(self) -> str:
        """The amount in a few words, such as ``0.1 x feature.monthly_fee``."""
        if self.fact is None:
            return f"{self.plus:g}"
        parts = [self.fact if self.times == 1 else f"{self.times:g} x {self.fact}"]
        parts += [f"{self.plus:+g}"] if self.plus else []
        return " ".join(parts)


ZERO = Amount()
