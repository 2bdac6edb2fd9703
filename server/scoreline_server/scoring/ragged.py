"""What rows have any number of, steps and neighbours, as one model takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from scoreline_server.errors import ScoringError
from scoreline_server.reasons import Reason
from scoreline_server.scoring.model import Float32, Int32, padded

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Items:
    """The items of n rows.

    Attributes:
        values: float32 [total, W], the columns in the model's order.
        starts: [n], where each row's items begin.
        counts: int32 [n], how many each row has.
    """

    values: Float32
    starts: Indices
    counts: Int32

    @classmethod
    def of(cls, values: Float32, counts: Int32, rows: Indices, sources: Indices) -> Self:
        """Those of ``rows`` of a block whose every item stands in ``values`` [total, columns], as ``counts`` say."""
        starts = np.cumsum(counts, dtype=np.intp) - counts
        return cls(values[:, sources], starts[rows], counts[rows])

    def padded(self, group: Indices) -> Float32:
        """float32 [len(group), the most of them but at least 1, W]; zero after each row's end."""
        return padded(self.values, self.starts[group], self.counts[group])


def groups_of(items: Sequence[Items]) -> list[Indices]:
    """Splits rows into groups that have similarly many of each, so that padding at most doubles what is computed.

    Returns row indices per group; together they are every row once.
    """
    if len(items[0].counts) == 1:
        return [np.zeros(1, np.intp)]
    exponents = [np.ceil(np.log2(np.maximum(each.counts, 1))).astype(np.intp) for each in items]
    # Counts are of int32, so exponents stay below 64.
    keys = sum((exponent << 6 * place for place, exponent in enumerate(exponents)), np.zeros(1, np.intp))
    return [np.flatnonzero(keys == key) for key in np.unique(keys)]


def refuse_infinite(
    values: Float32,
    counts: Int32,
    rows: Indices,
    sources: Indices,
    errors: dict[int, ScoringError],
    *,
    where: str,
) -> None:
    """Notes an error for each of ``rows`` whose items hold an infinite number in a column that the model reads."""
    if not np.isinf(values).any():
        return
    owners = np.repeat(np.arange(len(counts)), counts)
    infinite = np.isinf(values[:, sources]).any(axis=1)
    for row in set(owners[infinite].tolist()) & set(rows.tolist()):
        errors.setdefault(row, ScoringError(Reason.NOT_FINITE, f"{where} holds an infinite number"))
