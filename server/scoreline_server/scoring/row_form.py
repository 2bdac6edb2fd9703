"""Decodes the named form of a request: entities with features by name."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.ragged import SEQUENCE
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.arrays import Float32
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.ragged_messages import MESSAGES
from scoreline_server.scoring.rows import EncodedRows, RaggedBytes, bytes_of, check_count, context_of

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def read_named(entities: Sequence[pb.Entity], layout: Layout) -> EncodedRows:
    """Decodes the entities of one call; an invalid entity has an error under its row.

    Raises ScoringError when the call as a whole is wrong.
    """
    count = len(entities)
    check_count(count)
    dictionary: dict[str, int] = {}
    numbers = np.full((count, len(layout.numbers)), np.nan, np.float32)
    categories = np.full((count, len(layout.categories)), -1, np.int32)
    items: list[Sequence[Float32]] = []
    errors: dict[int, ScoringError] = {}
    for row, entity in enumerate(entities):
        try:
            for name, value in entity.features.items():
                if (number := layout.numbers.get(name)) is not None:
                    numbers[row, number] = _number(name, value)
                elif (category := layout.categories.get(name)) is not None:
                    categories[row, category] = _category(name, value, dictionary)
                else:
                    raise _unknown("feature", name, layout.features)
            items.append(_items(entity, layout))
        except ScoringError as error:
            errors[row] = error
            items.append([np.empty((0, len(columns)), np.float32) for columns in layout.items])
    contexts = [context_of(entity.context) for entity in entities]
    return EncodedRows(
        ids=[entity.entity_id for entity in entities],
        numbers=bytes_of(numbers),
        categories=bytes_of(categories),
        dictionary=list(dictionary),
        ragged=[_ragged(blocks) for blocks in zip(*items, strict=True)],
        contexts=contexts if any(contexts) else (),
        errors=errors,
    )


def _ragged(blocks: Sequence[Float32]) -> RaggedBytes:
    counts = np.array([len(block) for block in blocks], np.int32)
    return RaggedBytes(bytes_of(np.concatenate(blocks)), bytes_of(counts))


def _number(name: str, value: pb.Value) -> float:
    kind = value.WhichOneof("kind")
    if kind is None:
        return np.nan
    if kind == "flag":
        return float(value.flag)
    if kind == "text":
        raise ScoringError(ErrorReason.WRONG_TYPE, f"feature {name!r} is a number, got a text", feature=name)
    return _float32(name, value.number)


def _float32(name: str, number: float) -> float:
    if abs(number) > _FLOAT32_MAX:
        raise ScoringError(
            ErrorReason.NOT_FINITE, f"feature {name!r} is infinite or beyond the range of float32", feature=name
        )
    return number


def _category(name: str, value: pb.Value, dictionary: dict[str, int]) -> int:
    kind = value.WhichOneof("kind")
    if kind is None:
        return -1
    if kind != "text":
        raise ScoringError(
            ErrorReason.WRONG_TYPE, f"feature {name!r} is a category, send its name as text", feature=name
        )
    return dictionary.setdefault(value.text, len(dictionary))


def _items(entity: pb.Entity, layout: Layout) -> list[Float32]:
    """An entity's items of each ragged input of the layout: [items, columns]."""
    blocks = []
    for name, message in MESSAGES.items():
        items, place = message.items(entity), layout.places.get(name)
        if place is None:
            if items:
                raise message.unexpected()
            continue
        taken = layout.ragged[place]
        if len(items) > taken.max_items:
            raise message.too_many(len(items), taken.max_items)
        codes, what = layout.item_codes[place], f"{taken.kind.item} feature"
        block = _block([item.features for item in items], layout.items[place], codes, what)
        # Steps that have all their numbers, where there are only numbers, cost no look at each step's categories.
        if name == SEQUENCE.name and (codes or np.isnan(block).any()):
            _add_categories(entity.sequence.steps, block, layout.items[place], codes)
        blocks.append(block)
    return blocks


def _block(
    items: Sequence[Mapping[str, float]], columns: Mapping[str, int], codes: Mapping[int, object], what: str
) -> Float32:
    """[items, columns], NaN where an item has no value."""
    block = np.full((len(items), len(columns)), np.nan, np.float32)
    for at, item in enumerate(items):
        for name, number in item.items():
            column = columns.get(name)
            if column is None:
                raise _unknown(what, name, columns)
            if column in codes:
                text = f"step feature {name!r} is a category, send its name in the step's categories"
                raise ScoringError(ErrorReason.WRONG_TYPE, text, feature=name)
            block[at, column] = _float32(name, number)
    return block


def _add_categories(
    steps: Sequence[pb.Step], block: Float32, columns: Mapping[str, int], codes: Mapping[int, Mapping[str, int]]
) -> None:
    """Writes the codes of the categories of each step; the number of names stands for any other name."""
    for at, step in enumerate(steps):
        for name, text in step.categories.items():
            column = columns.get(name)
            if column is None:
                raise _unknown("step feature", name, columns)
            if column not in codes:
                wrong = f"step feature {name!r} is a number, got a text"
                raise ScoringError(ErrorReason.WRONG_TYPE, wrong, feature=name)
            known = codes[column]
            block[at, column] = known.get(text, len(known))


def _unknown(what: str, name: str, known: Mapping[str, object]) -> ScoringError:
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; GetSchema lists what it takes"
    return ScoringError(ErrorReason.UNKNOWN_FEATURE, f"the route has no {what} {name!r}{hint}", feature=name)
