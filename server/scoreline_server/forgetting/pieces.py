"""The blocks of a file one by one, without what is to be forgotten."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from scoreline_server.forgetting.rows import without_rows
from scoreline_server.forgetting.wanted import Key, Wanted, prediction_keys
from scoreline_server.journal.format.blocks import Block, Fault, Kind, framed, scan
from scoreline_server.journal.format.columns import Column, unpacked
from scoreline_server.journal.format.facts import RouteFacts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.reading.row_arrays import RowArrays
from scoreline_server.outcomes.block import CALL_ID, OutcomeBlock

_GONE = framed(Kind.GONE, b"")


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes that take the place of a block or of damaged ones, and how much of them is forgotten.

    Attributes:
        data: as they were where nothing is forgotten.
        rows, shadows, outcomes: how many of each went.
        damaged: 1 where the block cannot be understood, names an entity, and went as a whole.
        predictions: the keys of the rows, by entity.
    """

    data: bytes
    rows: int = 0
    shadows: int = 0
    outcomes: int = 0
    damaged: int = 0
    predictions: Mapping[str, list[Key]] = field(default_factory=dict)

    @property
    def is_changed(self) -> bool:
        """Whether something is forgotten."""
        return bool(self.rows or self.shadows or self.outcomes or self.damaged)


def pieces(file: BinaryIO, wanted: Wanted) -> Iterator[Piece]:
    """The pieces of a file, one for each of its blocks and faults, so that readers find their places again."""
    routes: dict[int, RouteFacts] = {}
    for found in scan(file):
        file.seek(found.start)
        data = file.read(found.end - found.start)
        yield _damaged(data, wanted) if isinstance(found, Fault) else _piece(found, data, wanted, routes)


def _piece(block: Block, data: bytes, wanted: Wanted, routes: dict[int, RouteFacts]) -> Piece:
    try:
        if block.kind == Kind.ROUTE:
            facts = RouteFacts.read(block.body)
            routes[facts.key] = facts
        elif block.kind == Kind.ROWS and wanted.may_be_in(data):
            return _rows(block, data, wanted, routes)
        elif block.kind == Kind.SHADOWS and wanted.predictions:
            return _shadows(block, data, wanted)
        elif block.kind == Kind.OUTCOMES and (wanted.predictions or wanted.may_be_in(data)):
            return _outcomes(block, data, wanted)
    except (KeyError, TypeError, ValueError, IndexError):
        return _damaged(data, wanted)
    return Piece(data)


def _damaged(data: bytes, wanted: Wanted) -> Piece:
    """Bytes that cannot be understood: they stay unless they name an entity."""
    return Piece(_GONE, damaged=1) if wanted.may_be_in(data) else Piece(data)


def _rows(block: Block, data: bytes, wanted: Wanted, routes: Mapping[int, RouteFacts]) -> Piece:
    columns = unpacked(block.body)
    arrays = RowArrays(routes[json.loads(bytes(columns[Column.FACTS]))["route"]], columns)
    found = wanted.rows(arrays)
    if not found:
        return Piece(data)
    gone = np.logical_or.reduce(list(found.values()))
    body = without_rows(arrays, gone)
    predictions = {entity: prediction_keys(arrays.call_ids[own], arrays.places[own]) for entity, own in found.items()}
    return Piece(_GONE if body is None else framed(Kind.ROWS, body), rows=int(gone.sum()), predictions=predictions)


def _shadows(block: Block, data: bytes, wanted: Wanted) -> Piece:
    scores = ShadowScores.read(block.body)
    call_ids = np.frombuffer(scores.call_ids, CALL_ID)
    kept = ~wanted.among(call_ids, scores.places)
    if kept.all():
        return Piece(data)
    places = np.cumsum(kept) - 1
    left = replace(
        scores,
        call_ids=call_ids[kept].tobytes(),
        places=scores.places[kept],
        scores=scores.scores[kept],
        errors={int(places[row]): reason for row, reason in scores.errors.items() if kept[row]},
    )
    return Piece(left.block() if len(left) else _GONE, shadows=len(scores) - len(left))


def _outcomes(block: Block, data: bytes, wanted: Wanted) -> Piece:
    outcomes = OutcomeBlock.read(block.body)
    kept = ~wanted.outcomes(outcomes)
    if kept.all():
        return Piece(data)
    left = outcomes.selected(kept)
    return Piece(left.block() if len(left) else _GONE, outcomes=len(outcomes) - len(left))
