"""The engine's one form of input: entities as blocks in a route's layout.

Both entity forms of the wire become a ``Piece`` per call, which is little more than the bytes that came; the pieces of
a batch are joined into one ``Rows`` per route. Whatever is wrong with a single entity is kept beside its row, so that
the others are scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.ragged import RaggedInput
from scoreline_server.errors import ScoringError
from scoreline_server.reasons import Reason
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.model import Float32, Int32

ContextValue = str | float | bool
Context = Mapping[str, ContextValue]

MAX_ENTITIES = 1024


class RaggedBytes(NamedTuple):
    """The items of a call's rows in one ragged input.

    Attributes:
        values: float32 [sum of counts, features].
        counts: int32 [N], how many items each row has.
    """

    values: bytes
    counts: bytes


class RaggedBlock(NamedTuple):
    """As ``RaggedBytes``, read."""

    values: Float32
    counts: Int32


@dataclass(slots=True)
class Piece:
    """The entities of one call in a route's layout, as little-endian bytes whose lengths have been checked.

    Attributes:
        ids: [N] entity ids.
        numbers: float32 [N, number features], NaN where missing.
        categories: int32 [N, category features], indices into ``dictionary``, -1 where missing.
        dictionary: the category names that ``categories`` points to.
        ragged: the items of each of the layout's ragged inputs, in its order.
        contexts: [N], or empty where no row has a context.
        errors: what is wrong with single rows, by row.
    """

    ids: Sequence[str]
    numbers: bytes
    categories: bytes = b""
    dictionary: Sequence[str] = ()
    ragged: Sequence[RaggedBytes] = ()
    contexts: Sequence[Context] = ()
    errors: dict[int, ScoringError] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class Rows:
    """The rows of one or more pieces of one route, in order; the arrays are as in ``Piece``."""

    ids: Sequence[str]
    numbers: Float32
    categories: Int32
    dictionary: Sequence[str]
    ragged: Sequence[RaggedBlock]
    contexts: Sequence[Context]
    errors: dict[int, ScoringError]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """The bytes of the arrays of features and items."""
        items = sum(block.values.nbytes for block in self.ragged) if self.ragged else 0
        return self.numbers.nbytes + self.categories.nbytes + items


def check_count(count: int) -> None:
    """Raises ScoringError unless a call carries 1 to MAX_ENTITIES entities."""
    if count < 1:
        raise ScoringError(Reason.NO_ENTITIES, f"send 1 to {MAX_ENTITIES} entities", found=0)
    if count > MAX_ENTITIES:
        raise ScoringError(
            Reason.TOO_MANY_ENTITIES,
            f"a call carries at most {MAX_ENTITIES} entities, this one has {count}: send several calls",
            found=count,
            most=MAX_ENTITIES,
        )


def context_of(values: Mapping[str, pb.Value]) -> Context:
    """A context as plain values; unset ones are left out."""
    return {
        name: getattr(value, kind) for name, value in values.items() if (kind := value.WhichOneof("kind")) is not None
    }


def joined(pieces: Sequence[Piece], layout: Layout) -> Rows:
    """The rows of several calls as one block; dictionaries are appended, rows keep their order."""
    if len(pieces) == 1:
        (piece,) = pieces
        ids, dictionary, errors = piece.ids, piece.dictionary, dict(piece.errors)
    else:
        ids = [id_ for piece in pieces for id_ in piece.ids]
        dictionary = [name for piece in pieces for name in piece.dictionary]
        errors = _shifted_errors(pieces)
    numbers = np.frombuffer(b"".join([piece.numbers for piece in pieces]), "<f4")
    rows = Rows(
        ids=ids,
        numbers=numbers.reshape(len(ids), len(layout.numbers)),
        categories=_NO_CATEGORIES,
        dictionary=dictionary,
        ragged=(),
        contexts=_contexts(pieces),
        errors=errors,
    )
    if layout.categories:
        _join_categories(rows, pieces, len(layout.categories))
    if layout.ragged:
        rows.ragged = [_joined_items(pieces, place, each) for place, each in enumerate(layout.ragged)]
    return rows


def _joined_items(pieces: Sequence[Piece], place: int, ragged: RaggedInput) -> RaggedBlock:
    values = np.frombuffer(b"".join([piece.ragged[place].values for piece in pieces]), "<f4")
    counts = np.frombuffer(b"".join([piece.ragged[place].counts for piece in pieces]), "<i4")
    return RaggedBlock(values.reshape(-1, len(ragged.features)), counts)


_NO_CATEGORIES: Int32 = np.empty((0, 0), np.int32)


def _join_categories(rows: Rows, pieces: Sequence[Piece], columns: int) -> None:
    """Points every piece's indices into the common dictionary; what points outside its own is an error of its row."""
    codes = np.frombuffer(b"".join([piece.categories for piece in pieces]), "<i4").reshape(-1, columns)
    sizes = np.array([len(piece.dictionary) for piece in pieces], np.int32)
    counts = [len(piece) for piece in pieces]
    outside = (codes < -1) | (codes >= np.repeat(sizes, counts)[:, None])
    if outside.any():
        for row in np.flatnonzero(outside.any(axis=1)).tolist():
            rows.errors.setdefault(row, _outside())
        codes = np.where(outside, np.int32(-1), codes)
    starts = np.repeat(np.cumsum(sizes) - sizes, counts)[:, None]
    rows.categories = np.where(codes >= 0, codes + starts, codes).astype(np.int32, copy=False)


def _outside() -> ScoringError:
    return ScoringError(Reason.WRONG_INDEX, "a category points outside the dictionary", block="categories")


def _contexts(pieces: Sequence[Piece]) -> Sequence[Context]:
    if not any(piece.contexts for piece in pieces):
        return ()
    return [context for piece in pieces for context in (piece.contexts or [{}] * len(piece))]


def _shifted_errors(pieces: Sequence[Piece]) -> dict[int, ScoringError]:
    if not any(piece.errors for piece in pieces):
        return {}
    errors, offset = {}, 0
    for piece in pieces:
        errors.update({row + offset: error for row, error in piece.errors.items()})
        offset += len(piece)
    return errors


def bytes_of(array: npt.NDArray[np.float32] | npt.NDArray[np.int32]) -> bytes:
    """An array as a piece holds it."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
