"""The inputs of a version as reasons name them, in the order of their contributions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_registry.documents.reason_texts import ReasonTexts

HISTORY_LENGTH = "length of history"
NEIGHBORS = "neighbors"
OTHER = "(other)"
"""What stands for a name outside a category's vocabulary, which may be any text."""

Inputs = Mapping[str, npt.NDArray[Any]]
"""The arrays of some rows by the name of the graph input that each feeds."""


@dataclass(frozen=True, slots=True)
class Player:
    """One input: a feature, a step feature with all of its steps, how many steps there are, or all neighbors.

    Attributes:
        name: as callers send it.
        kind: of the value that is said of it; "none" for steps and neighbors, which have many.
        column: of a feature.
        vocabulary: of a category.
        texts: by language.
    """

    name: str
    kind: Literal["number", "category", "length", "none"] = "none"
    column: int = 0
    vocabulary: Sequence[str] = ()
    texts: Mapping[str, ReasonTexts] = field(default_factory=dict)

    def value(self, inputs: Inputs, row: int) -> str:
        """The value of one row as text; empty where it is missing or there are many."""
        if self.kind == "length":
            return str(int(inputs["lengths"][row]))
        number = float(inputs["features"][row, self.column]) if self.kind != "none" else float("nan")
        if not np.isfinite(number):
            return ""
        if self.kind == "number":
            return f"{float(f'{number:.7g}'):.15g}"
        code = int(number)
        return self.vocabulary[code] if 0 <= code < len(self.vocabulary) else OTHER


def players_of(inputs: InputContract) -> tuple[Player, ...]:
    """The players of a contract: features, step features and how many steps there are, neighbors."""
    found = [_feature(each, column) for column, each in enumerate(inputs.features)]
    if inputs.sequence is not None:
        found += [Player(name) for name in inputs.sequence.features]
        found.append(Player(HISTORY_LENGTH, "length"))
    if inputs.neighbors is not None:
        found.append(Player(NEIGHBORS))
    return tuple(found)


def _feature(feature: Feature, column: int) -> Player:
    return Player(feature.name, feature.kind, column, feature.vocabulary, feature.texts)
