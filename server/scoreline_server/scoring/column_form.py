"""Decodes the packed form of a request: little-endian blocks in the layout of the caller's schema digest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.ragged import RaggedInput
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.arrays import Float32
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.ragged import recoded, recodes_of
from scoreline_server.scoring.ragged_messages import MESSAGES
from scoreline_server.scoring.rows import Context, EncodedRows, RaggedBytes, check_count, context_of


@dataclass(frozen=True, slots=True)
class ColumnRemap:
    """Converts rows of an earlier layout to a route's present one.

    Each array holds, per present column, the old column, or -1 where the old layout has none. Of each present ragged
    input there is its place in the old layout, or None, and the present code of each old one where they differ.
    """

    old: Layout
    numbers: npt.NDArray[np.intp]
    categories: npt.NDArray[np.intp]
    ragged: Sequence[tuple[int | None, npt.NDArray[np.intp], Mapping[int, Float32]]]

    @classmethod
    def between(cls, old: Layout, new: Layout) -> "ColumnRemap":
        """Matches columns by name and kind."""
        return cls(
            old,
            _sources(new.numbers, old.numbers),
            _sources(new.categories, old.categories),
            [_ragged_sources(each, columns, old) for each, columns in zip(new.ragged, new.items, strict=True)],
        )

    def __call__(self, rows: EncodedRows) -> EncodedRows:
        """The same rows in the present layout; columns that the old one lacks are missing."""
        nan, none = np.float32(np.nan), np.int32(-1)
        rows.numbers = _gather(rows.numbers, "<f4", len(self.old.numbers), self.numbers, nan)
        rows.categories = _gather(rows.categories, "<i4", len(self.old.categories), self.categories, none)
        rows.ragged = [self._items(rows, *each) for each in self.ragged]
        return rows

    def _items(
        self, rows: EncodedRows, place: int | None, sources: npt.NDArray[np.intp], recodes: Mapping[int, Float32]
    ) -> RaggedBytes:
        """One ragged input; no row has items where the old layout has none."""
        if place is None:
            return RaggedBytes(b"", bytes(4 * len(rows)))
        values, counts = rows.ragged[place]
        columns = len(self.old.ragged[place].features)
        gathered = _gather(values, "<f4", columns, sources, np.float32(np.nan))
        if recodes:
            block = np.frombuffer(gathered, "<f4").reshape(-1, len(sources)).copy()
            for column, table in recodes.items():
                block[:, column] = recoded(block[:, column], table)
            gathered = block.tobytes()
        return RaggedBytes(gathered, counts)


def _ragged_sources(
    new: RaggedInput, columns: Mapping[str, int], old: Layout
) -> tuple[int | None, npt.NDArray[np.intp], Mapping[int, Float32]]:
    place = old.places.get(new.name)
    if place is None:
        return None, _sources(columns, {}), {}
    return place, _sources(columns, old.items[place]), recodes_of(old.ragged[place], new)


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


def read_packed(packed: pb.PackedEntities, layout: Layout) -> EncodedRows:
    """Decodes the packed entities of one call, whose blocks are in ``layout``.

    Raises ScoringError when the blocks cannot be what they say.
    """
    ids = packed.entity_ids
    count = len(ids)
    check_count(count)
    rows = EncodedRows(ids, packed.numbers)
    if len(rows.numbers) != count * layout.number_bytes:
        _check_length("numbers", rows.numbers, count, len(layout.numbers))
    if layout.categories or packed.categories:
        rows.categories, rows.dictionary = packed.categories, packed.dictionary
        _check_length("categories", rows.categories, count, len(layout.categories), kind="int32")
    if layout.ragged or packed.lengths or packed.steps or packed.neighbors:
        rows.ragged = _read_ragged(rows, packed, layout)
    if packed.contexts:
        rows.contexts = _contexts(packed, count)
    return rows


def _read_ragged(rows: EncodedRows, packed: pb.PackedEntities, layout: Layout) -> list[RaggedBytes]:
    """The items of each ragged input of the layout; of those that it lacks there must be none."""
    found = []
    for name, message in MESSAGES.items():
        place = layout.places.get(name)
        values, counts = getattr(packed, message.values), getattr(packed, message.counts)
        sizes = _counts(message.counts, counts, 0 if place is None else len(rows))
        columns = 0 if place is None else len(layout.items[place])
        _check_length(message.values, values, int(sizes.sum(dtype=np.int64)), columns)
        if place is not None:
            most = layout.ragged[place].max_items
            for row in np.flatnonzero(sizes > most).tolist():
                rows.errors.setdefault(row, message.too_many(int(sizes[row]), most))
            found.append(RaggedBytes(values, counts))
    return found


def _counts(name: str, data: bytes, rows: int) -> npt.NDArray[np.int32]:
    """How many items each row has. Raises ScoringError where these are not ``rows`` counts."""
    _check_length(name, data, rows, 1, kind="int32")
    counts = np.frombuffer(data, "<i4")
    if len(counts) and counts.min() < 0:
        raise ScoringError(ErrorReason.WRONG_BLOCK_LENGTH, f"block {name} holds a negative number", block=name)
    return counts


def _contexts(packed: pb.PackedEntities, rows: int) -> list[Context]:
    contexts = [context_of(context.values) for context in packed.contexts]
    if len(contexts) == 1:
        return contexts * rows
    if len(contexts) != rows:
        raise ScoringError(
            ErrorReason.WRONG_BLOCK_LENGTH, f"send no context, one, or {rows}; got {len(contexts)}", block="contexts"
        )
    return contexts


def _check_length(name: str, data: bytes, rows: int, columns: int, *, kind: str = "float32") -> None:
    found, expected = len(data), 4 * rows * columns
    if found != expected:
        raise ScoringError(
            ErrorReason.WRONG_BLOCK_LENGTH,
            f"block {name} has {found} bytes where {kind} [{rows}, {columns}] needs {expected}",
            block=name,
            found=found,
            expected=expected,
        )
