"""Converts the items of ragged inputs (sequence steps, neighbors) to the padded arrays that a model takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.ragged import RaggedInput, RaggedKind
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.arrays import Float32, Indices, Int32
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.ragged_messages import MESSAGES
from scoreline_server.scoring.rows import RaggedBlock


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
        """The items of ``rows`` out of a block's ``values`` [total, columns] and ``counts`` [block rows]."""
        starts = np.cumsum(counts, dtype=np.intp) - counts
        return cls(values[:, sources], starts[rows], counts[rows])

    def row_bytes(self) -> list[bytes]:
        """The bytes of each row's items, their number first."""
        ends = self.starts + self.counts
        return [
            int(end - start).to_bytes(4, "little") + self.values[start:end].tobytes()
            for start, end in zip(self.starts, ends, strict=True)
        ]

    def padded(self, group: Indices) -> Float32:
        """float32 [len(group), the most of them but at least 1, W]; zero after each row's end."""
        starts, counts = self.starts[group], self.counts[group]
        within = np.arange(max(int(counts.max()), 1))
        present = within < counts[:, None]
        block = np.zeros((len(counts), len(within), self.values.shape[1]), np.float32)
        block[present] = self.values[(starts[:, None] + within)[present]]
        return block


@dataclass(frozen=True, slots=True)
class RaggedBinding:
    """One ragged input of a model laid over a route's layout.

    Attributes:
        kind: sequence or neighbors.
        place: which of the layout's ragged inputs it reads.
        sources: for each of the model's columns, the layout's.
        recodes: the model's code of each of the layout's, by the model's column; empty where the vocabularies are the
            same.
    """

    kind: RaggedKind
    place: int
    sources: Indices
    recodes: Mapping[int, Float32]

    @classmethod
    def of(cls, taken: RaggedInput, layout: Layout) -> Self:
        """Where the layout has the columns that the model reads, in its order."""
        place = layout.places[taken.name]
        columns = layout.items[place]
        sources = np.array([columns[name] for name in taken.features], np.intp)
        return cls(taken.kind, place, sources, recodes_of(layout.ragged[place], taken))

    def check(self, block: RaggedBlock, rows: Indices, errors: dict[int, ScoringError]) -> None:
        """Notes an error for each of ``rows`` without items where some are required, or with an infinite number."""
        message = MESSAGES[self.kind.name]
        if message.empty is not None:
            for row in rows[block.counts[rows] == 0].tolist():
                errors.setdefault(row, message.empty())
        if not np.isinf(block.values).any():
            return
        owners = np.repeat(np.arange(len(block.counts)), block.counts)
        infinite = np.isinf(block.values[:, self.sources]).any(axis=1)
        for row in set(owners[infinite].tolist()) & set(rows.tolist()):
            errors.setdefault(row, ScoringError(ErrorReason.NOT_FINITE, f"{message.one} holds an infinite number"))

    def missing(self, block: RaggedBlock, rows: Indices) -> npt.NDArray[np.int64] | None:
        """How many of the columns hold no value in any item of each of ``rows``; None where no value is missing.

        Of rows without items nothing is missing.
        """
        holes = np.isnan(block.values[:, self.sources])
        if not holes.any():
            return None
        owners = np.repeat(np.arange(len(block.counts)), block.counts)
        missing = np.zeros(len(block.counts), np.int64)
        for column in holes.T:
            known = np.bincount(owners[~column], minlength=len(missing))
            missing += (known == 0) & (block.counts > 0)
        return missing[rows]

    def items(self, block: RaggedBlock, rows: Indices) -> Items:
        """The items of ``rows`` in the model's columns."""
        items = Items.of(block.values, block.counts, rows, self.sources)
        for column, table in self.recodes.items():
            items.values[:, column] = recoded(items.values[:, column], table)
        return items

    def inputs(self, items: Items, group: Indices) -> Mapping[str, npt.NDArray[Any]]:
        """The graph's inputs for a group of rows."""
        values, counts = items.padded(group), items.counts[group]
        presence = np.arange(values.shape[1]) < counts[:, None] if self.kind.masked else counts.astype(np.int64)
        return {self.kind.name: values, self.kind.presence: presence}


def recodes_of(given: RaggedInput, wanted: RaggedInput) -> dict[int, Float32]:
    """The codes by ``wanted`` of the codes by ``given``, of each of the columns whose vocabularies differ.

    A table is float32 [names + 1]: the last is that of names outside the vocabulary.
    """
    tables = {}
    for column, name in enumerate(wanted.features):
        before, after = given.vocabularies.get(name, ()), wanted.vocabularies.get(name, ())
        if before and before != after:
            codes = {text: code for code, text in enumerate(after)}
            tables[column] = np.array([*(codes.get(text, len(after)) for text in before), len(after)], np.float32)
    return tables


def recoded(codes: Float32, table: Float32) -> Float32:
    """Codes [n] by another vocabulary; what is no code is missing."""
    known = codes > -1
    places = np.where(known, np.minimum(codes, len(table) - 1), 0).astype(np.intp)
    return np.where(known, table[places], np.float32(np.nan))


def groups_of(items: Sequence[Items]) -> list[Indices]:
    """Splits rows into groups of similar item counts, so that padding at most doubles the computation.

    Returns row indices per group; together they are every row once.
    """
    if len(items[0].counts) == 1:
        return [np.zeros(1, np.intp)]
    exponents = [np.ceil(np.log2(np.maximum(each.counts, 1))).astype(np.intp) for each in items]
    # Counts are of int32, so exponents stay below 64.
    keys = sum((exponent << 6 * place for place, exponent in enumerate(exponents)), np.zeros(1, np.intp))
    return [np.flatnonzero(keys == key) for key in np.unique(keys)]
