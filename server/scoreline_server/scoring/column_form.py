"""Reads the packed form: little-endian blocks in the layout that the caller's schema digest names."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import ScoringError
from scoreline_server.reasons import Reason
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.rows import Context, Piece, check_count, context_of


@dataclass(frozen=True, slots=True)
class Regather:
    """Takes a piece in an older layout into a route's present one.

    Each array holds, per present column, the old column, or -1 where the old layout has none.
    """

    old: Layout
    numbers: npt.NDArray[np.intp]
    categories: npt.NDArray[np.intp]
    steps: npt.NDArray[np.intp]
    neighbors: npt.NDArray[np.intp]

    @classmethod
    def between(cls, old: Layout, new: Layout) -> "Regather":
        """Matches columns by name and kind."""
        return cls(
            old,
            _sources(new.numbers, old.numbers),
            _sources(new.categories, old.categories),
            _sources(new.steps, old.steps),
            _sources(new.neighbors, old.neighbors),
        )

    def __call__(self, piece: Piece) -> Piece:
        """The same rows in the present layout; columns that the old one lacks are missing."""
        nan, none = np.float32(np.nan), np.int32(-1)
        piece.numbers = _gather(piece.numbers, "<f4", len(self.old.numbers), self.numbers, nan)
        piece.categories = _gather(piece.categories, "<i4", len(self.old.categories), self.categories, none)
        piece.steps = _gather(piece.steps, "<f4", len(self.old.step_features), self.steps, nan)
        if self.old.has_neighbors:
            columns = len(self.old.neighbor_features)
            piece.neighbors = _gather(piece.neighbors, "<f4", columns, self.neighbors, nan)
        elif len(self.neighbors):
            piece.neighbor_counts = bytes(4 * len(piece))
        return piece


def _sources(new: Mapping[str, int], old: Mapping[str, int]) -> npt.NDArray[np.intp]:
    return np.array([old.get(name, -1) for name in new], np.intp)


def _gather(data: bytes, dtype: str, columns: int, sources: npt.NDArray[np.intp], absent: np.generic) -> bytes:
    if not columns:
        return data
    block = np.frombuffer(data, dtype).reshape(-1, columns)
    gathered = np.full((len(block), len(sources)), absent, dtype)
    present = sources >= 0
    gathered[:, present] = block[:, sources[present]]
    return gathered.tobytes()


def read_packed(packed: pb.PackedEntities, layout: Layout) -> Piece:
    """Reads one call's blocks as they stand in ``layout``.

    Raises ScoringError when the blocks cannot be what they say.
    """
    ids = packed.entity_ids
    count = len(ids)
    check_count(count)
    piece = Piece(ids, packed.numbers)
    if len(piece.numbers) != count * layout.number_bytes:
        _check_length("numbers", piece.numbers, count, len(layout.numbers))
    if layout.categories or packed.categories:
        piece.categories, piece.dictionary = packed.categories, packed.dictionary
        _check_length("categories", piece.categories, count, len(layout.categories), kind="int32")
    if layout.is_ragged or packed.lengths or packed.steps or packed.neighbors:
        _read_histories(piece, packed, layout)
        _read_neighbors(piece, packed, layout)
    if packed.contexts:
        piece.contexts = _contexts(packed, count)
    return piece


def _read_histories(piece: Piece, packed: pb.PackedEntities, layout: Layout) -> None:
    piece.lengths, piece.steps = packed.lengths, packed.steps
    lengths = _counts("lengths", piece.lengths, len(piece) if layout.has_sequence else 0)
    _check_length("steps", piece.steps, int(lengths.sum(dtype=np.int64)), len(layout.step_features))
    for row in np.flatnonzero(lengths > layout.max_length).tolist():
        piece.errors[row] = too_long(int(lengths[row]), layout.max_length)


def _read_neighbors(piece: Piece, packed: pb.PackedEntities, layout: Layout) -> None:
    piece.neighbor_counts, piece.neighbors = packed.neighbor_counts, packed.neighbors
    counts = _counts("neighbor_counts", piece.neighbor_counts, len(piece) if layout.has_neighbors else 0)
    _check_length("neighbors", piece.neighbors, int(counts.sum(dtype=np.int64)), len(layout.neighbor_features))
    for row in np.flatnonzero(counts > layout.max_neighbors).tolist():
        piece.errors.setdefault(row, too_many(int(counts[row]), layout.max_neighbors))


def _counts(name: str, data: bytes, rows: int) -> npt.NDArray[np.int32]:
    """How many items each row has. Raises ScoringError where these are not ``rows`` counts."""
    _check_length(name, data, rows, 1, kind="int32")
    counts = np.frombuffer(data, "<i4")
    if len(counts) and counts.min() < 0:
        raise ScoringError(Reason.WRONG_BLOCK_LENGTH, f"block {name} holds a negative number", block=name)
    return counts


def _contexts(packed: pb.PackedEntities, rows: int) -> list[Context]:
    contexts = [context_of(context.values) for context in packed.contexts]
    if len(contexts) == 1:
        return contexts * rows
    if len(contexts) != rows:
        raise ScoringError(
            Reason.WRONG_BLOCK_LENGTH, f"send no context, one, or {rows}; got {len(contexts)}", block="contexts"
        )
    return contexts


def too_long(length: int, most: int) -> ScoringError:
    """The error of a history with more steps than the route takes."""
    return ScoringError(
        Reason.SEQUENCE_TOO_LONG,
        f"the sequence has {length} steps, the route takes at most {most}: send the newest",
        found=length,
        most=most,
    )


def too_many(count: int, most: int) -> ScoringError:
    """The error of an entity with more neighbours than the route takes."""
    return ScoringError(
        Reason.TOO_MANY_NEIGHBORS,
        f"the entity has {count} neighbors, the route takes at most {most}: send those that are closest",
        found=count,
        most=most,
    )


def _check_length(name: str, data: bytes, rows: int, columns: int, *, kind: str = "float32") -> None:
    found, expected = len(data), 4 * rows * columns
    if found != expected:
        raise ScoringError(
            Reason.WRONG_BLOCK_LENGTH,
            f"block {name} has {found} bytes where {kind} [{rows}, {columns}] needs {expected}",
            block=name,
            found=found,
            expected=expected,
        )
