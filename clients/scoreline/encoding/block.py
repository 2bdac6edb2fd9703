"""N encoded entities as blocks of one schema, which can be cut into messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline.encoding.ragged import Ragged
from scoreline.v1 import scoring_pb2 as pb

_FIELD_BYTES = 6
"""The most bytes of a repeated field's tag and length, for values below 4 GiB."""


@dataclass(frozen=True, eq=False)
class Block:
    """Entities encoded by a schema.

    ``numbers`` is float32 [N, F], ``categories`` int32 [N, C] of indices into ``dictionary`` with -1 for missing.
    ``contexts`` holds none, one for all, or N; ``events`` none or N.
    """

    digest: str
    entity_ids: Sequence[str]
    numbers: npt.NDArray[np.float32]
    categories: npt.NDArray[np.int32]
    dictionary: Sequence[str]
    ragged: Sequence[Ragged]
    contexts: Sequence[pb.Context]
    events: Sequence[pb.Event] = ()

    def __len__(self) -> int:
        return len(self.entity_ids)

    def message(self, start: int, stop: int) -> pb.PackedEntities:
        """The message of the rows from ``start`` up to ``stop``."""
        codes, dictionary = self._words(start, stop)
        message = pb.PackedEntities(
            schema_digest=self.digest,
            entity_ids=self.entity_ids[start:stop],
            numbers=self.numbers[start:stop].astype("<f4", copy=False).tobytes(),
            dictionary=dictionary,
            categories=codes.astype("<i4", copy=False).tobytes(),
            contexts=self.contexts if len(self.contexts) <= 1 else self.contexts[start:stop],
            events=self.events[start:stop],
        )
        for each in self.ragged:
            values, counts = each.rows(start, stop)
            setattr(message, each.kind.block, values)
            setattr(message, each.kind.counts, counts)
        return message

    def row_bytes(self) -> npt.NDArray[np.int64]:
        """The most bytes that each row adds to a message; int64 [N]. A word counts in every row that has it."""
        fixed = 4 * (self.numbers.shape[1] + self.categories.shape[1])
        total = np.full(len(self), fixed, np.int64)
        total += np.fromiter((len(name.encode()) + _FIELD_BYTES for name in self.entity_ids), np.int64, len(self))
        # The last entry is for index -1, a missing category.
        words = np.array([*(len(word.encode()) + _FIELD_BYTES for word in self.dictionary), 0], np.int64)
        total += words[self.categories].sum(axis=1)
        for each in self.ragged:
            total += each.row_bytes()
        if len(self.contexts) > 1:
            total += np.array([context.ByteSize() + _FIELD_BYTES for context in self.contexts], np.int64)
        if self.events:
            total += np.array([event.ByteSize() + _FIELD_BYTES for event in self.events], np.int64)
        return total

    def _words(self, start: int, stop: int) -> tuple[npt.NDArray[np.int32], Sequence[str]]:
        """The part's category codes and only the words that they point to."""
        codes = self.categories[start:stop]
        if len(codes) == len(self):
            return codes, self.dictionary
        used, inverse = np.unique(codes, return_inverse=True)
        missing = int(used.size > 0 and used[0] < 0)
        local = inverse.reshape(codes.shape).astype(np.int32) - np.int32(missing)
        return local, [self.dictionary[word] for word in used[missing:]]


def cut(row_bytes: npt.NDArray[np.int64], *, max_rows: int, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Yields consecutive ``(start, stop)`` that hold at most so many rows and bytes each, but one row at least."""
    ends = np.cumsum(row_bytes)
    start = 0
    while start < len(ends):
        before = ends[start - 1] if start else 0
        fitting = int(np.searchsorted(ends, before + max_bytes, side="right"))
        stop = min(max(fitting, start + 1), start + max_rows, len(ends))
        yield start, stop
        start = stop
