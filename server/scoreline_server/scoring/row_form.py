"""Reads the named form: features by name, easy to write by hand."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import ScoringError
from scoreline_server.reasons import Reason
from scoreline_server.scoring.column_form import too_long, too_many
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.model import Float32
from scoreline_server.scoring.rows import Piece, bytes_of, check_count, context_of

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def read_named(entities: Sequence[pb.Entity], layout: Layout) -> Piece:
    """Reads one call's entities into blocks; an entity that cannot be read has an error beside its row.

    Raises ScoringError when the call as a whole is wrong.
    """
    count = len(entities)
    check_count(count)
    dictionary: dict[str, int] = {}
    numbers = np.full((count, len(layout.numbers)), np.nan, np.float32)
    categories = np.full((count, len(layout.categories)), -1, np.int32)
    histories: list[Float32] = []
    around: list[Float32] = []
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
            steps, neighbors = _history(entity, layout), _neighborhood(entity, layout)
        except ScoringError as error:
            errors[row] = error
            steps, neighbors = _nothing(layout.steps), _nothing(layout.neighbors)
        histories.append(steps)
        around.append(neighbors)
    contexts = [context_of(entity.context) for entity in entities]
    return Piece(
        ids=[entity.entity_id for entity in entities],
        numbers=bytes_of(numbers),
        categories=bytes_of(categories),
        dictionary=list(dictionary),
        steps=bytes_of(np.concatenate(histories)) if layout.has_sequence else b"",
        lengths=_counts(histories) if layout.has_sequence else b"",
        neighbors=bytes_of(np.concatenate(around)) if layout.has_neighbors else b"",
        neighbor_counts=_counts(around) if layout.has_neighbors else b"",
        contexts=contexts if any(contexts) else (),
        errors=errors,
    )


_NOTHING = np.empty(0, np.float32)


def _nothing(columns: Mapping[str, int]) -> Float32:
    return _NOTHING.reshape(0, len(columns))


def _counts(blocks: Sequence[Float32]) -> bytes:
    return bytes_of(np.array([len(block) for block in blocks], np.int32))


def _number(name: str, value: pb.Value) -> float:
    kind = value.WhichOneof("kind")
    if kind is None:
        return np.nan
    if kind == "flag":
        return float(value.flag)
    if kind == "text":
        raise ScoringError(Reason.WRONG_TYPE, f"feature {name!r} is a number, got a text", feature=name)
    return _float32(name, value.number)


def _float32(name: str, number: float) -> float:
    if abs(number) > _FLOAT32_MAX:
        raise ScoringError(
            Reason.NOT_FINITE, f"feature {name!r} is infinite or beyond the range of float32", feature=name
        )
    return number


def _category(name: str, value: pb.Value, dictionary: dict[str, int]) -> int:
    kind = value.WhichOneof("kind")
    if kind is None:
        return -1
    if kind != "text":
        raise ScoringError(Reason.WRONG_TYPE, f"feature {name!r} is a category, send its name as text", feature=name)
    return dictionary.setdefault(value.text, len(dictionary))


def _history(entity: pb.Entity, layout: Layout) -> Float32:
    steps = entity.sequence.steps
    if not layout.has_sequence:
        if steps:
            raise ScoringError(Reason.UNEXPECTED_SEQUENCE, "this route takes no sequence: leave it out")
        return _NOTHING
    if len(steps) > layout.max_length:
        raise too_long(len(steps), layout.max_length)
    return _block([step.features for step in steps], layout.steps, "step feature")


def _neighborhood(entity: pb.Entity, layout: Layout) -> Float32:
    neighbors = entity.neighbors
    if not layout.has_neighbors:
        if neighbors:
            raise ScoringError(Reason.UNEXPECTED_NEIGHBORS, "this route takes no neighbors: leave them out")
        return _NOTHING
    if len(neighbors) > layout.max_neighbors:
        raise too_many(len(neighbors), layout.max_neighbors)
    return _block([neighbor.features for neighbor in neighbors], layout.neighbors, "neighbor feature")


def _block(items: Sequence[Mapping[str, float]], columns: Mapping[str, int], what: str) -> Float32:
    """[items, columns], NaN where an item has no value."""
    block = np.full((len(items), len(columns)), np.nan, np.float32)
    for at, item in enumerate(items):
        for name, number in item.items():
            column = columns.get(name)
            if column is None:
                raise _unknown(what, name, columns)
            block[at, column] = _float32(name, number)
    return block


def _unknown(what: str, name: str, known: Mapping[str, object]) -> ScoringError:
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; GetSchema lists what it takes"
    return ScoringError(Reason.UNKNOWN_FEATURE, f"the route has no {what} {name!r}{hint}", feature=name)
