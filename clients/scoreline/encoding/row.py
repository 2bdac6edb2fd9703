"""Encodes single entities, which may then be joined with others of the same schema in one request."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from scoreline.encoding.entities import Entity
from scoreline.encoding.packing import pack_entities
from scoreline.encoding.ragged import Kind
from scoreline.encoding.validation import without_row
from scoreline.encoding.values import PLAIN_NUMBERS
from scoreline.errors import InvalidRequestError
from scoreline.schema import RouteSchema
from scoreline.v1 import scoring_pb2 as pb

_NAN = float("nan")
_PLAIN_WORDS = frozenset({str, type(None)})


class RowItems(NamedTuple):
    """The items of one entity in a ragged input: float32 [total, W], little-endian."""

    kind: Kind
    values: bytes
    total: int


class EncodedRow(NamedTuple):
    """One entity as blocks of bytes, little-endian.

    ``numbers`` is float32 [F], ``words`` holds a category's name or None [C], ``ragged`` the items of each ragged input
    of the layout; ``context`` is None where it is empty, ``event`` where there is none.
    """

    entity_id: str
    numbers: bytes
    words: Sequence[str | None] = ()
    ragged: Sequence[RowItems] = ()
    context: pb.Context | None = None
    event: pb.Event | None = None

    @property
    def size(self) -> int:
        """About how many bytes it adds to a message, and at least those of its blocks."""
        size = len(self.entity_id) + len(self.numbers) + 16
        if self.ragged:
            size += sum([len(items.values) for items in self.ragged])
        if self.words:
            size += sum([len(word) for word in self.words if word]) + 4 * len(self.words)
        if self.event is not None:
            size += self.event.ByteSize()
        return size if self.context is None else size + self.context.ByteSize()


def pack_row(entity: Entity, schema: RouteSchema) -> EncodedRow:
    """Encodes one entity. Raises InvalidRequestError that names the feature."""
    return plain_row(entity, schema) or _any_row(entity, schema)


def join_rows(rows: Sequence[EncodedRow], digest: str) -> pb.PackedEntities:
    """The message of rows of one schema; the same as ``pack_entities`` makes of their entities."""
    packed = pb.PackedEntities(
        schema_digest=digest,
        entity_ids=[row.entity_id for row in rows],
        numbers=b"".join([row.numbers for row in rows]),
    )
    if rows[0].words:
        _add_words(packed, rows)
    for place, (kind, _, _) in enumerate(rows[0].ragged):
        items = [row.ragged[place] for row in rows]
        setattr(packed, kind.block, b"".join([its.values for its in items]))
        setattr(packed, kind.counts, struct.pack(f"<{len(items)}i", *[its.total for its in items]))
    contexts = [row.context or pb.Context() for row in rows] if any(row.context for row in rows) else []
    packed.contexts.extend(contexts[:1] if all(context == contexts[0] for context in contexts) else contexts)
    if any(row.event for row in rows):
        packed.events.extend(row.event or pb.Event() for row in rows)
    return packed


def plain_row(entity: Entity, schema: RouteSchema) -> EncodedRow | None:
    """The row of an entity whose values all are of plain types; else None."""
    features, entity_id = entity.features, entity.entity_id
    if type(features) is not dict or not schema.is_flat:
        return None
    if entity.context or entity.sequence is not None or entity.neighbors is not None or entity.event is not None:
        return None
    if type(entity_id) is int:
        entity_id = str(entity_id)
    if type(entity_id) is not str or not entity_id.isascii() or not schema.names.issuperset(features):
        return None
    words = [*map(features.get, schema.categories)]
    numbers = _plain_numbers(schema.pick_numbers(features))
    if numbers is None or not _PLAIN_WORDS.issuperset(map(type, words)) or not all(map(_is_plain_word, words)):
        return None
    return EncodedRow(entity_id, numbers, words)


def _plain_numbers(numbers: Sequence[Any]) -> bytes | None:
    if not PLAIN_NUMBERS.issuperset(map(type, numbers)):
        return None
    pack = _floats(len(numbers)).pack
    try:
        try:
            return pack(*numbers)
        except struct.error:
            return pack(*[_NAN if number is None else number for number in numbers])
    except (OverflowError, struct.error):
        return None  # beyond float32; the general way raises an error that names the feature


def _is_plain_word(word: str | None) -> bool:
    return word is None or word.isascii()


@lru_cache(maxsize=64)
def _floats(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}f")


def _any_row(entity: Entity, schema: RouteSchema) -> EncodedRow:
    try:
        block = pack_entities((entity,), schema)
    except InvalidRequestError as error:
        raise without_row(error) from None
    names: list[Any] = [*block.dictionary, None]  # index -1, a missing category, is the None
    return EncodedRow(
        block.entity_ids[0],
        block.numbers.astype("<f4", copy=False).tobytes(),
        [names[code] for code in block.categories[0].tolist()],
        [RowItems(each.kind, each.rows(0, 1)[0], len(each.values)) for each in block.ragged],
        block.contexts[0] if block.contexts else None,
        block.events[0] if block.events else None,
    )


def _add_words(packed: pb.PackedEntities, rows: Sequence[EncodedRow]) -> None:
    found: dict[str, int] = {}
    words = list(chain.from_iterable([row.words for row in rows]))
    codes = [-1 if word is None else found.setdefault(word, len(found)) for word in words]
    packed.categories = struct.pack(f"<{len(codes)}i", *codes)
    packed.dictionary.extend(found)
