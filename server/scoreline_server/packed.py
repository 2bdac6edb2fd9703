"""Reads the packed form: little-endian blocks in the layout that the caller's schema digest names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import ScoringError
from scoreline_server.layout import Layout
from scoreline_server.model import Float32, Int32
from scoreline_server.reasons import Reason
from scoreline_server.rows import Context, Rows, check_count, context_of

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Regather:
    """Takes blocks of an older layout into a route's present one.

    Each array holds, per present column, the old column, or -1 where the old layout has none.
    """

    old: Layout
    numbers: npt.NDArray[np.intp]
    categories: npt.NDArray[np.intp]
    steps: npt.NDArray[np.intp]

    @classmethod
    def between(cls, old: Layout, new: Layout) -> "Regather":
        """Matches columns by name and kind."""
        return cls(
            old,
            _sources(new.numbers, old.numbers),
            _sources(new.categories, old.categories),
            _sources(new.steps, old.steps),
        )

    def __call__(self, rows: Rows) -> Rows:
        """The same rows in the present layout; columns that the old one lacks are missing."""
        rows.numbers = _gather(rows.numbers, self.numbers, np.float32(np.nan))
        rows.categories = _gather(rows.categories, self.categories, np.int32(-1))
        rows.steps = _gather(rows.steps, self.steps, np.float32(np.nan))
        return rows


def _sources(new: Mapping[str, int], old: Mapping[str, int]) -> npt.NDArray[np.intp]:
    return np.array([old.get(name, -1) for name in new], np.intp)


def _gather(block: npt.NDArray[_T], sources: npt.NDArray[np.intp], absent: _T) -> npt.NDArray[_T]:
    gathered = np.full((len(block), len(sources)), absent, block.dtype)
    present = sources >= 0
    gathered[:, present] = block[:, sources[present]]
    return gathered


def read_packed(packed: pb.PackedEntities, layout: Layout) -> Rows:
    """Reads one call's blocks as they stand in ``layout``.

    Raises ScoringError when the blocks cannot be what they say.
    """
    ids = packed.entity_ids
    count = len(ids)
    check_count(count)
    lengths = _lengths(packed.lengths, count, layout)
    rows = Rows(
        ids=ids,
        numbers=_floats("numbers", packed.numbers, count, len(layout.numbers)),
        categories=_categories(packed, count, len(layout.categories)),
        dictionary=packed.dictionary,
        steps=_floats("steps", packed.steps, int(lengths.sum()), len(layout.step_features)),
        lengths=lengths,
        contexts=_contexts(packed, count),
    )
    _refuse_long(rows, layout)
    return rows


def _floats(name: str, data: bytes, rows: int, columns: int) -> Float32:
    _check_length(name, len(data), 4 * rows * columns, f"float32 [{rows}, {columns}]")
    return np.frombuffer(data, "<f4").reshape(rows, columns)


def _categories(packed: pb.PackedEntities, rows: int, columns: int) -> Int32:
    _check_length("categories", len(packed.categories), 4 * rows * columns, f"int32 [{rows}, {columns}]")
    codes = np.frombuffer(packed.categories, "<i4").reshape(rows, columns)
    if columns and not (codes.min() >= -1 and codes.max() < len(packed.dictionary)):
        raise ScoringError(
            Reason.WRONG_BLOCK_LENGTH,
            f"categories point outside the dictionary of {len(packed.dictionary)} names",
            block="dictionary",
        )
    return codes


def _lengths(data: bytes, rows: int, layout: Layout) -> Int32:
    expected = rows if layout.has_sequence else 0
    _check_length("lengths", len(data), 4 * expected, f"int32 [{expected}]")
    lengths = np.frombuffer(data, "<i4")
    if expected and lengths.min() < 0:
        raise ScoringError(Reason.WRONG_BLOCK_LENGTH, "a length is negative", block="lengths")
    return lengths


def _contexts(packed: pb.PackedEntities, rows: int) -> list[Context]:
    contexts = [context_of(context.values) for context in packed.contexts]
    if len(contexts) == 1:
        return contexts * rows
    if contexts and len(contexts) != rows:
        raise ScoringError(
            Reason.WRONG_BLOCK_LENGTH,
            f"send no context, one, or {rows}; got {len(contexts)}",
            block="contexts",
        )
    return contexts


def _refuse_long(rows: Rows, layout: Layout) -> None:
    if layout.has_sequence and int(rows.lengths.max()) > layout.max_length:
        for row in np.flatnonzero(rows.lengths > layout.max_length).tolist():
            rows.errors[row] = too_long(int(rows.lengths[row]), layout.max_length)


def too_long(length: int, most: int) -> ScoringError:
    """The error of a history with more steps than the route takes."""
    return ScoringError(
        Reason.SEQUENCE_TOO_LONG,
        f"the sequence has {length} steps, the route takes at most {most}: send the newest",
        found=length,
        most=most,
    )


def _check_length(name: str, found: int, expected: int, shape: str) -> None:
    if found != expected:
        raise ScoringError(
            Reason.WRONG_BLOCK_LENGTH,
            f"block {name} has {found} bytes where {shape} needs {expected}",
            block=name,
            found=found,
            expected=expected,
        )
