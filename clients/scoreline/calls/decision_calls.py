"""The calls of the service of decisions, as flows."""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from scoreline.calls.call_options import CallOptions, check_reasons, check_text
from scoreline.calls.chunks import MAX_PART_BYTES, PackedChunk, pack_chunk
from scoreline.calls.flows import Flows
from scoreline.calls.retrying import Deadline
from scoreline.calls.transport import Flow, Method
from scoreline.decoding.decisions import Decision, read_decisions
from scoreline.encoding.block import cut
from scoreline.encoding.entities import Entity
from scoreline.encoding.row_chunks import EntityChunk, RowChunk
from scoreline.encoding.timestamps import timestamp
from scoreline.encoding.validation import without_row
from scoreline.errors import ENTITY_REASONS, EntityFailedError, InvalidRequestError, ScorelineError, StaleSchemaError
from scoreline.fields import Time, event_time
from scoreline.schema import RouteSchema
from scoreline.v1 import decisions_pb2 as pb

MAX_ROWS = 256
"""The most entities that one call decides for: each takes longer than a score."""

DecidedRows: TypeAlias = list[tuple[int, Decision]]
"""Decisions with the index of each row among all of the caller's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideOptions:
    """What ``decide`` takes beside the entity.

    ``call`` holds the policy as its route; ``time`` None is now. Raises InvalidRequestError for values that no policy
    takes.
    """

    call: CallOptions
    reasons: int = 0
    language: str = ""
    channel: str = ""
    trace: bool = False
    time: Time | None = None

    def __post_init__(self) -> None:
        check_reasons(self.reasons)
        check_text("language", self.language)
        check_text("channel", self.channel or "")
        if self.time is not None:
            event_time("time", self.time)

    def request(self, request_id: str) -> pb.DecideRequest:
        """The message, without entities."""
        return pb.DecideRequest(
            policy=self.call.route,
            reasons=self.reasons,
            language=self.language,
            channel=self.channel,
            trace=self.trace,
            request_id=request_id,
            time=None if self.time is None else timestamp(event_time("time", self.time)),
        )


def decide_flow(flows: Flows, options: DecideOptions, entity: Entity) -> Flow[Decision]:
    """Decides for one entity. Raises its error."""
    (flow,) = decide_flows(flows, options, iter([EntityChunk([entity])]))
    try:
        ((_, decision),) = yield from flow
    except InvalidRequestError as error:
        raise without_row(error) from error
    if decision.error is not None:
        raise without_row(decision.error) if isinstance(decision.error, InvalidRequestError) else decision.error
    return decision


def decide_flows(flows: Flows, options: DecideOptions, chunks: Iterator[RowChunk]) -> Iterator[Flow[DecidedRows]]:
    """A flow for each chunk. A row that cannot be decided for fails in its place, a call for all of its rows.

    Request ids are the caller's where there is one call only, else with a dash and the call's first row.
    """
    request_id = secrets.token_hex(12) if options.call.request_id is None else options.call.request_id
    chunk = next(chunks, None)
    alone = True
    while chunk is not None:
        following = next(chunks, None)
        alone = alone and following is None
        yield _chunk_flow(flows, options, chunk, request_id, alone=alone)
        chunk = following


def in_order(decided: Iterable[tuple[int, Decision]]) -> list[Decision]:
    """The decisions in the order of the caller's rows. Raises the first row's error if no call got through."""
    found = [decision for _, decision in sorted(decided, key=lambda row: row[0])]
    errors = [decision.error for decision in found if decision.error is not None]
    if errors and len(errors) == len(found) and not any(isinstance(error, EntityFailedError) for error in errors):
        raise errors[0]
    return found


def _chunk_flow(
    flows: Flows, options: DecideOptions, chunk: RowChunk, request_id: str, *, alone: bool
) -> Flow[DecidedRows]:
    deadline = flows.retrying.deadline(options.call.timeout_seconds)
    packed = yield from _packed(flows, options, chunk, deadline)
    decided: DecidedRows = [(int(rows[0]), Decision(error=error)) for rows, error in packed.invalid]
    spans = list(cut(packed.block.row_bytes(), max_rows=MAX_ROWS, max_bytes=MAX_PART_BYTES))
    for start, stop in spans:
        own_id = request_id if alone and len(spans) == 1 else f"{request_id}-{packed.rows[start]}"
        decided += yield from _call(flows, options, packed, start, stop, own_id)
    return decided


def _packed(flows: Flows, options: DecideOptions, chunk: RowChunk, deadline: Deadline) -> Flow[PackedChunk]:
    """The chunk laid out, by the newest schema where none of its rows fits the known one."""

    def pack(schema: RouteSchema) -> PackedChunk:
        packed = pack_chunk(chunk, schema)
        if packed.invalid and not len(packed.rows):
            raise packed.invalid[0][1]
        return packed

    try:
        return (yield from flows.packed_with_newest(options.call.route, deadline, pack))
    except InvalidRequestError as error:
        if "row" not in error.metadata:
            raise
    schema = yield from flows.known_schema(options.call.route, deadline)
    return pack_chunk(chunk, schema)


def _call(
    flows: Flows, options: DecideOptions, packed: PackedChunk, start: int, stop: int, request_id: str
) -> Flow[DecidedRows]:
    deadline = flows.retrying.deadline(options.call.timeout_seconds)
    rows: list[int] = packed.rows[start:stop].tolist()
    request = options.request(request_id)
    request.packed.CopyFrom(packed.block.message(start, stop))
    try:
        try:
            answer = yield from flows.retrying.call(Method.DECIDE, request, deadline)
        except StaleSchemaError:
            schema = yield from flows.newer_schema(options.call.route, packed.block.digest, deadline)
            request.packed.CopyFrom(packed.chunk.rows(start, stop).pack(schema).message(0, len(rows)))
            answer = yield from flows.retrying.call(Method.DECIDE, request, deadline)
        return list(zip(rows, read_decisions(answer, rows), strict=True))
    except ScorelineError as error:
        alone = len(rows) == 1 and error.reason in ENTITY_REASONS
        failed = Decision(error=EntityFailedError.of(error, row=rows[0]) if alone else error)
        return [(row, failed) for row in rows]
