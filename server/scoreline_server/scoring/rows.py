"""The engine's input: entities as arrays in a route's layout.

Both forms of a request, named and packed, become one ``EncodedRows`` per call, little more than the bytes received. The
rows of a batch are concatenated into one ``RowBlock`` per route. An invalid entity has an error under its row, and the
others are scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.v1 import decisions_pb2
from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.ragged import RaggedInput
from scoreline_registry.profiles.events import Event
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.arrays import Float32, Int32
from scoreline_server.scoring.layout import Layout

RowsRequest: TypeAlias = pb.ScoreRequest | decisions_pb2.DecideRequest
"""A request with entities in the named or the packed form."""

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
    """``RaggedBytes`` of all rows of a block, as arrays."""

    values: Float32
    counts: Int32


@dataclass(slots=True)
class EncodedRows:
    """The entities of one call in a route's layout, as little-endian bytes whose lengths have been checked.

    Attributes:
        ids: [N] entity ids.
        numbers: float32 [N, number features], NaN where missing.
        categories: int32 [N, category features], indices into ``dictionary``, -1 where missing.
        dictionary: the category names that ``categories`` points to.
        ragged: the items of each of the layout's ragged inputs, in its order.
        contexts: [N], or empty where no row has a context.
        errors: what is wrong with single rows, by row.
        events: [N], the events at hand, or empty where no row has one.
    """

    ids: Sequence[str]
    numbers: bytes
    categories: bytes = b""
    dictionary: Sequence[str] = ()
    ragged: Sequence[RaggedBytes] = ()
    contexts: Sequence[Context] = ()
    errors: dict[int, ScoringError] = field(default_factory=dict)
    events: Sequence[Event | None] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(slots=True)
class RowBlock:
    """The rows of one or more calls to one route, in order; the arrays are as in ``EncodedRows``."""

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
        raise ScoringError(ErrorReason.NO_ENTITIES, f"send 1 to {MAX_ENTITIES} entities", found=0)
    if count > MAX_ENTITIES:
        raise ScoringError(
            ErrorReason.TOO_MANY_ENTITIES,
            f"a call carries at most {MAX_ENTITIES} entities, this one has {count}: send several calls",
            found=count,
            most=MAX_ENTITIES,
        )


def context_of(values: Mapping[str, pb.Value]) -> Context:
    """A context as plain values; unset ones are left out."""
    return {
        name: getattr(value, kind) for name, value in values.items() if (kind := value.WhichOneof("kind")) is not None
    }


def concatenate(calls: Sequence[EncodedRows], layout: Layout) -> RowBlock:
    """The rows of several calls as one block, in order; their dictionaries are appended."""
    if len(calls) == 1:
        (call,) = calls
        ids, dictionary, errors = call.ids, call.dictionary, dict(call.errors)
    else:
        ids = [id_ for call in calls for id_ in call.ids]
        dictionary = [name for call in calls for name in call.dictionary]
        errors = _shifted_errors(calls)
    numbers = np.frombuffer(b"".join([call.numbers for call in calls]), "<f4")
    rows = RowBlock(
        ids=ids,
        numbers=numbers.reshape(len(ids), len(layout.numbers)),
        categories=_NO_CATEGORIES,
        dictionary=dictionary,
        ragged=(),
        contexts=_contexts(calls),
        errors=errors,
    )
    if layout.categories:
        _join_categories(rows, calls, len(layout.categories))
    if layout.ragged:
        rows.ragged = [_ragged_block(calls, place, each) for place, each in enumerate(layout.ragged)]
    return rows


def _ragged_block(calls: Sequence[EncodedRows], place: int, ragged: RaggedInput) -> RaggedBlock:
    values = np.frombuffer(b"".join([call.ragged[place].values for call in calls]), "<f4")
    counts = np.frombuffer(b"".join([call.ragged[place].counts for call in calls]), "<i4")
    return RaggedBlock(values.reshape(-1, len(ragged.features)), counts)


_NO_CATEGORIES: Int32 = np.empty((0, 0), np.int32)


def _join_categories(rows: RowBlock, calls: Sequence[EncodedRows], columns: int) -> None:
    """Rebases each call's indices onto the common dictionary; an index out of range is an error of its row."""
    codes = np.frombuffer(b"".join([call.categories for call in calls]), "<i4").reshape(-1, columns)
    sizes = np.array([len(call.dictionary) for call in calls], np.int32)
    counts = [len(call) for call in calls]
    outside = (codes < -1) | (codes >= np.repeat(sizes, counts)[:, None])
    if outside.any():
        for row in np.flatnonzero(outside.any(axis=1)).tolist():
            rows.errors.setdefault(row, wrong_index())
        codes = np.where(outside, np.int32(-1), codes)
    starts = np.repeat(np.cumsum(sizes) - sizes, counts)[:, None]
    rows.categories = np.where(codes >= 0, codes + starts, codes).astype(np.int32, copy=False)


def wrong_index() -> ScoringError:
    """The error of a category that is not in its call's dictionary."""
    return ScoringError(ErrorReason.WRONG_INDEX, "a category points outside the dictionary", block="categories")


def _contexts(calls: Sequence[EncodedRows]) -> Sequence[Context]:
    if not any(call.contexts for call in calls):
        return ()
    return [context for call in calls for context in (call.contexts or [{}] * len(call))]


def _shifted_errors(calls: Sequence[EncodedRows]) -> dict[int, ScoringError]:
    if not any(call.errors for call in calls):
        return {}
    errors, offset = {}, 0
    for call in calls:
        errors.update({row + offset: error for row, error in call.errors.items()})
        offset += len(call)
    return errors


def bytes_of(array: npt.NDArray[np.float32] | npt.NDArray[np.int32]) -> bytes:
    """The little-endian bytes of an array."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
