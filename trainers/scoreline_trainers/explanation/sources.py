"""The sources of a version: the players whose contributions are computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Bools, Float32, Int64
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


def mixed(rows: Batch, reference: Batch, chosen: Bools, sources: Sequence[Source]) -> Batch:
    """Rows made of pairs: the sources that are chosen come from one row, all others from the other.

    Histories are laid side by side from their newest step; where a row has fewer steps than the mixture, the older ones
    are missing.

    Args:
        rows, reference: M rows each.
        chosen: bool [M, players], True where the source is ``rows``'.
        sources: the players.
    """
    parts: dict[str, npt.NDArray[Any]] = {}
    of_features = [place for place, source in enumerate(sources) if source.kind in ("number", "category")]
    if rows.features is not None:
        parts["features"] = np.where(chosen[:, of_features], rows.table, reference.table)
    if rows.sequence is not None:
        of_steps = [place for place, source in enumerate(sources) if source.kind == "steps"]
        parts["sequence"], parts["lengths"] = _mixed_histories(rows, reference, chosen[:, of_steps])
    if rows.neighbors is not None:
        ours = chosen[:, -1]
        for name in ("neighbors", "neighbor_mask"):
            first, second = (each.feeds()[name] for each in (rows, reference))
            parts[name] = np.where(ours.reshape(-1, *[1] * (first.ndim - 1)), first, second)
    return Batch(**parts)


def _mixed_histories(rows: Batch, reference: Batch, chosen: Bools) -> tuple[Float32, Int64]:
    """The last column of ``chosen`` is the length's."""
    (first, first_lengths), (second, second_lengths) = rows.history, reference.history
    lengths = np.where(chosen[:, -1], first_lengths, second_lengths)
    steps = np.where(
        chosen[:, None, :-1],
        _with_length(first, first_lengths, lengths),
        _with_length(second, second_lengths, lengths),
    )
    return steps, lengths


def _with_length(sequence: Float32, lengths: Int64, wanted: Int64) -> Float32:
    """The newest ``wanted`` steps of each row, from place 0 on; NaN for those that a row does not have."""
    places = np.arange(sequence.shape[1]) + (lengths - wanted)[:, None]
    there = (places >= 0) & (places < lengths[:, None])
    steps = np.take_along_axis(sequence, np.where(there, places, 0)[:, :, None], axis=1)
    return np.where(there[:, :, None], steps, np.float32(np.nan))
