"""Scores many entities chunk by chunk, so that neither all rows nor all messages are held in memory at once."""

import secrets
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.calls.call_options import CallOptions
from scoreline.calls.flows import Flows
from scoreline.calls.transport import Flow, Method
from scoreline.decoding.responses import read_answer
from scoreline.decoding.results import Scores
from scoreline.encoding.block import Block, cut
from scoreline.encoding.row_chunks import MAX_ENTITIES, RowChunk
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
"""gRPC's default message limit, which proxies have too, less room for the fields beside the rows."""

EXPLAINED_ENTITIES = 64
"""The most entities that one call scores with reasons: each may take a thousand times as long as without."""


class ScoredRows(NamedTuple):
    """Scores of some rows; ``rows`` are their indices among all rows."""

    rows: npt.NDArray[np.int64]
    scores: Scores


ChunkFlow: TypeAlias = Flow[Sequence[ScoredRows]]
"""Packs and scores one chunk. Raises InvalidRequestError only where more than a row is wrong."""


def chunk_flows(flows: Flows, options: CallOptions, chunks: Iterator[RowChunk]) -> Iterator[ChunkFlow]:
    """A flow for each chunk. A row that cannot be packed or scored fails in its place, a call for all of its rows.

    Call ids are ``options.request_id`` where there is one call only, else with a dash and the call's first row.
    """
    request_id = secrets.token_hex(12) if options.request_id is None else options.request_id
    chunk = next(chunks, None)
    alone = True
    while chunk is not None:
        following = next(chunks, None)
        alone = alone and following is None
        yield _chunk_flow(flows, options, chunk, request_id, alone=alone)
        chunk = following


def _chunk_flow(flows: Flows, options: CallOptions, chunk: RowChunk, request_id: str, *, alone: bool) -> ChunkFlow:
    deadline = flows.retrying.deadline(options.timeout_seconds)
    schema, packed = yield from flows.packed_with_newest(
        options.route, deadline, lambda schema: (schema, pack_chunk(chunk, schema))
    )
    parts = [ScoredRows(rows, Scores.failed(1, error)) for rows, error in packed.invalid]
    most = min(schema.max_entities or MAX_ENTITIES, EXPLAINED_ENTITIES if options.reasons else MAX_ENTITIES)
    spans = list(cut(packed.block.row_bytes(), max_rows=most, max_bytes=MAX_PART_BYTES))
    for start, stop in spans:
        own_id = request_id if alone and len(spans) == 1 else f"{request_id}-{packed.rows[start]}"
        parts.append(
            ScoredRows(packed.rows[start:stop], (yield from _call(flows, options, packed, start, stop, own_id)))
        )
    return parts


def _call(
    flows: Flows, options: CallOptions, packed: "PackedChunk", start: int, stop: int, request_id: str
) -> Flow[Scores]:
    deadline, count = flows.retrying.deadline(options.timeout_seconds), stop - start
    request = pb.ScoreRequest(
        route=options.route,
        extras=options.extras,
        request_id=request_id,
        reasons=options.reasons,
        language=options.language,
    )
    request.packed.CopyFrom(packed.block.message(start, stop))
    try:
        try:
            answer = yield from flows.retrying.call(Method.SCORE, request, deadline)
        except StaleSchemaError:
            schema = yield from flows.newer_schema(options.route, packed.block.digest, deadline)
            request.packed.CopyFrom(packed.chunk.rows(start, stop).pack(schema).message(0, count))
            answer = yield from flows.retrying.call(Method.SCORE, request, deadline)
        return read_answer(answer, count)
    except ScorelineError as error:
        alone = count == 1 and error.reason in ENTITY_REASONS
        return Scores.failed(count, EntityFailedError.of(error) if alone else error)


class PackedChunk(NamedTuple):
    """A chunk's valid rows, laid out: ``rows`` are their indices among all.

    ``invalid`` has the index and the error of each other row.
    """

    chunk: RowChunk
    block: Block
    rows: npt.NDArray[np.int64]
    invalid: list[tuple[npt.NDArray[np.int64], InvalidRequestError]]


def pack_chunk(chunk: RowChunk, schema: RouteSchema) -> PackedChunk:
    """Lays out a chunk. Raises InvalidRequestError where a whole column is wrong."""
    places = np.arange(chunk.first_row, chunk.first_row + len(chunk))
    try:
        return PackedChunk(chunk, chunk.pack(schema), places, [])
    except InvalidRequestError as error:
        if "row" not in error.metadata:
            raise
    errors = dict(_invalid_rows(chunk, schema))
    good = [row for row in range(len(chunk)) if row not in errors]
    kept = chunk.only(good)
    invalid = [(places[[row]], error) for row, error in errors.items()]
    return PackedChunk(kept, kept.pack(schema), places[good], invalid)


def _invalid_rows(chunk: RowChunk, schema: RouteSchema) -> Iterator[tuple[int, InvalidRequestError]]:
    """The rows that cannot be laid out, each with its error: found by packing ever smaller parts around them."""
    parts = [(0, len(chunk))]
    while parts:
        start, stop = parts.pop()
        try:
            chunk.rows(start, stop).pack(schema)
        except InvalidRequestError as error:
            if stop - start == 1:
                yield start, error
                continue
            named = int(error.metadata.get("row", chunk.first_row)) - chunk.first_row
            # Where the first row of a part is wrong, so may be many.
            cuts = (start, named, named + 1, stop) if named > start else (start, (start + stop) // 2, stop)
            parts.extend((first, last) for first, last in pairwise(cuts) if first < last)
