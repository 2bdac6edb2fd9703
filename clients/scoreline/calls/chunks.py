"""Many entities: chunk by chunk, so that neither the rows nor what is made of them is held at once."""

import secrets
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.calls.call_options import Ask
from scoreline.calls.flows import Flows
from scoreline.calls.transport import Flow, Method
from scoreline.decoding.responses import read_answer
from scoreline.decoding.results import Scores
from scoreline.encoding.batches import MAX_ENTITIES, Batch
from scoreline.encoding.block import Block, cut
from scoreline.errors import (
    ENTITY_REASONS,
    EntityFailedError,
    InvalidRequestError,
    ScorelineError,
    StaleSchemaError,
)
from scoreline.schema import RouteSchema
from scoreline.v1 import scoring_pb2 as pb

MAX_PART_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""gRPC's default limit, which any proxy between may have, less room for what is not rows."""


class Part(NamedTuple):
    """Scores, and the places that they have among all rows."""

    rows: npt.NDArray[np.int64]
    scores: Scores


Chunk: TypeAlias = Flow[Sequence[Part]]
"""Packs and scores one batch. Raises InvalidRequestError only where more than a row is wrong."""


def chunks(flows: Flows, ask: Ask, batches: Iterator[Batch]) -> Iterator[Chunk]:
    """A flow for each batch. A row that cannot be packed or scored fails in its place, a call for all of its rows.

    Call ids are ``ask.request_id`` where there is one call only, else with a dash and the call's first row.
    """
    given = secrets.token_hex(12) if ask.request_id is None else ask.request_id
    batch = next(batches, None)
    alone = True
    while batch is not None:
        following = next(batches, None)
        alone = alone and following is None
        yield _chunk(flows, ask, batch, given, alone=alone)
        batch = following


def _chunk(flows: Flows, ask: Ask, batch: Batch, request_id: str, *, alone: bool) -> Chunk:
    deadline = flows.attempts.deadline(ask.timeout_seconds)
    schema, packed = yield from flows.packed_with_newest(
        ask.route, deadline, lambda schema: (schema, _pack(batch, schema))
    )
    parts = packed.refused
    most = min(schema.max_entities or MAX_ENTITIES, MAX_ENTITIES)
    spans = list(cut(packed.block.row_bytes(), max_rows=most, max_bytes=MAX_PART_BYTES))
    for start, stop in spans:
        own_id = request_id if alone and len(spans) == 1 else f"{request_id}-{packed.rows[start]}"
        parts.append(Part(packed.rows[start:stop], (yield from _call(flows, ask, packed, start, stop, own_id))))
    return parts


def _call(flows: Flows, ask: Ask, packed: "_Packed", start: int, stop: int, request_id: str) -> Flow[Scores]:
    deadline, count = flows.attempts.deadline(ask.timeout_seconds), stop - start
    request = pb.ScoreRequest(route=ask.route, extras=ask.extras, request_id=request_id)
    request.packed.CopyFrom(packed.block.message(start, stop))
    try:
        try:
            answer = yield from flows.attempts.call(Method.SCORE, request, deadline)
        except StaleSchemaError:
            schema = yield from flows.newer_layout(ask.route, packed.block.digest, deadline)
            request.packed.CopyFrom(packed.batch.rows(start, stop).pack(schema).message(0, count))
            answer = yield from flows.attempts.call(Method.SCORE, request, deadline)
        return read_answer(answer, count)
    except ScorelineError as error:
        alone = count == 1 and error.reason in ENTITY_REASONS
        return Scores.failed(count, EntityFailedError.of(error) if alone else error)


class _Packed(NamedTuple):
    """A batch laid out. ``rows`` are its places among all rows, ``refused`` the rows that could not be laid out."""

    batch: Batch
    block: Block
    rows: npt.NDArray[np.int64]
    refused: list[Part]


def _pack(batch: Batch, schema: RouteSchema) -> _Packed:
    """Lays out a batch. Raises InvalidRequestError where no single row is at fault."""
    places = np.arange(batch.first_row, batch.first_row + len(batch))
    try:
        return _Packed(batch, batch.pack(schema), places, [])
    except InvalidRequestError as error:
        if "row" not in error.metadata:
            raise
    refusals = dict(_refusals(batch, schema))
    good = [row for row in range(len(batch)) if row not in refusals]
    kept = batch.only(good)
    refused = [Part(places[[row]], Scores.failed(1, refusal)) for row, refusal in refusals.items()]
    return _Packed(kept, kept.pack(schema), places[good], refused)


def _refusals(batch: Batch, schema: RouteSchema) -> Iterator[tuple[int, InvalidRequestError]]:
    """The rows that cannot be laid out, each with its error: found by packing ever smaller parts around them."""
    parts = [(0, len(batch))]
    while parts:
        start, stop = parts.pop()
        try:
            batch.rows(start, stop).pack(schema)
        except InvalidRequestError as error:
            if stop - start == 1:
                yield start, error
                continue
            named = int(error.metadata.get("row", batch.first_row)) - batch.first_row
            # Where the first row of a part is wrong, so may be many.
            cuts = (start, named, named + 1, stop) if named > start else (start, (start + stop) // 2, stop)
            parts.extend((first, last) for first, last in pairwise(cuts) if first < last)
