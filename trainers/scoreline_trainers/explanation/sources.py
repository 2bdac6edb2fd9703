"""The sources of a version: the players whose contributions are computed."""

from dataclasses import dataclass

import numpy as np

from scoreline_registry.attributions import mixing
from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Bools
from scoreline_trainers.explanation.document import SourceKind, SourceValue

HISTORY = "length of history"
NEIGHBORHOOD = "neighbors"


@dataclass(frozen=True, slots=True)
class Source:
    """One player: a feature, a step feature with all of its steps, how many steps there are, or all neighbors.

    ``column`` is its place in its part of the inputs; ``vocabulary`` are the names of a category.
    """

    name: str
    kind: SourceKind
    column: int = 0
    vocabulary: tuple[str, ...] = ()

    def value(self, batch: Batch, row: int) -> SourceValue:
        """What one row has: a number, a category's name or None."""
        if self.kind == "steps" and self.name == HISTORY:
            return int(batch.history[1][row])
        if self.kind not in ("number", "category"):
            return None
        value = float(batch.table[row, self.column])
        if not np.isfinite(value):
            return None
        if self.kind == "number":
            return float(f"{value:.7g}")
        code = int(value)
        return self.vocabulary[code] if 0 <= code < len(self.vocabulary) else "(other)"


def sources_of(inputs: InputContract) -> tuple[Source, ...]:
    """The players of a contract, features first and in their order."""
    found = [Source(each.name, each.kind, column, each.vocabulary) for column, each in enumerate(inputs.features)]
    if inputs.sequence is not None:
        found += [Source(name, "steps", column) for column, name in enumerate(inputs.sequence.features)]
        found.append(Source(HISTORY, "steps"))
    if inputs.neighbors is not None:
        found.append(Source(NEIGHBORHOOD, "neighbors"))
    return tuple(found)


def mixed(rows: Batch, reference: Batch, chosen: Bools) -> Batch:
    """Mixtures of M pairs of rows; ``chosen`` bool [M, players] says which sources are ``rows``', see ``mixing``."""
    return Batch(**mixing.mixed(rows.feeds(), reference.feeds(), chosen))
