"""Decodes ScoreRequests for a route, so that every request that waits to be scored is valid."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.column_form import read_packed
from scoreline_server.scoring.compiled_route import CompiledRoute
from scoreline_server.scoring.events_at_hand import add_events
from scoreline_server.scoring.reasons.asking import check_reasons
from scoreline_server.scoring.row_form import read_named
from scoreline_server.scoring.rows import EncodedRows, RowsRequest


@dataclass(slots=True)
class DecodedRequest:
    """A valid ScoreRequest with its route as it was served on arrival.

    ``seconds`` is the estimated time to score it. ``arrived`` is its arrival in seconds of ``time.perf_counter()``.
    ``waits`` says whether threads beside the hot lane score it: it may wait for a store, or wants ``reasons``.
    """

    route: CompiledRoute
    rows: EncodedRows
    packed: bool
    extras: Sequence[str]
    request_id: str
    seconds: float
    arrived: float
    waits: bool = False
    reasons: int = 0
    language: str = ""


def estimated_seconds(request: RowsRequest, route: CompiledRoute) -> float:
    """The estimated time to score a request, known before its entities are read."""
    row_seconds = route.row_seconds + route.reason_seconds if request.reasons else route.row_seconds
    return route.call_seconds + (len(request.packed.entity_ids) or len(request.entities)) * row_seconds


def waits_for(request: RowsRequest, route: CompiledRoute) -> bool:
    """Whether threads beside the hot lane score a request."""
    return route.waits or bool(request.reasons)


def decode_request(
    request: pb.ScoreRequest, route: CompiledRoute, *, seconds: float = 0.0, arrived: float = 0.0
) -> DecodedRequest:
    """Decodes a request for ``route``. Raises ScoringError when the call as a whole cannot be scored."""
    extras: Sequence[str] = request.extras or ()
    if extras:
        _check_extras(extras, route)
    return decode_rows(request, route, extras, seconds=seconds, arrived=arrived)


def decode_rows(
    request: RowsRequest,
    route: CompiledRoute,
    extras: Sequence[str] = (),
    *,
    seconds: float = 0.0,
    arrived: float = 0.0,
) -> DecodedRequest:
    """Decodes the entities of a request, whose rows get these extra outputs. Raises ScoringError as above."""
    reasons = request.reasons
    if reasons:
        check_reasons(reasons, route)
    packed = request.HasField("packed")
    rows = _packed_rows(request, route) if packed else read_named(request.entities, route.layout)
    if route.profiles is not None:
        add_events(rows, request, route.profiles, now=time.time_ns() // 1000)
    decoded = DecodedRequest(route, rows, packed, extras, request.request_id, seconds, arrived, route.waits)
    if reasons:
        decoded.waits, decoded.reasons, decoded.language = True, reasons, request.language
    return decoded


def _packed_rows(request: RowsRequest, route: CompiledRoute) -> EncodedRows:
    if request.entities:
        raise ScoringError(ErrorReason.TWO_FORMS, "send entities or packed, not both")
    packed = request.packed
    digest = packed.schema_digest
    if digest == route.layout.digest:
        return read_packed(packed, route.layout)
    remap = route.older.get(digest)
    if remap is None:
        raise ScoringError(
            ErrorReason.STALE_SCHEMA,
            f"route {route.name} does not take layout {digest[:12] or 'without digest'!r}: get the schema and repack",
            current=route.layout.digest,
            given=digest[:64],
        )
    return remap(read_packed(packed, remap.old))


def _check_extras(extras: Sequence[str], route: CompiledRoute) -> None:
    for name in extras:
        if name not in route.extras:
            known = ", ".join(route.extras) or "none"
            raise ScoringError(
                ErrorReason.UNKNOWN_EXTRA, f"route {route.name} has no extra output {name[:80]!r}; it has: {known}"
            )
