"""Takes a request in: finds its route and reads its entities, so that what waits to be scored is known to be sound."""

from collections.abc import Sequence
from dataclasses import dataclass

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import ScoringError
from scoreline_server.reasons import Reason
from scoreline_server.rpc.discovery import route_of
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.column_form import read_packed
from scoreline_server.scoring.compiled_route import ServedRoute
from scoreline_server.scoring.row_form import read_named
from scoreline_server.scoring.rows import Piece

# What a call costs beside its model: decoding, assignment, encoding, sending.
_CALL_SECONDS = 50e-6


@dataclass(slots=True)
class Question:
    """A request that can be scored, and the route as it was served when the request came.

    ``seconds`` is about how long scoring it takes. ``arrived`` is when it came, in seconds of ``time.perf_counter()``.
    """

    route: ServedRoute
    piece: Piece
    packed: bool
    extras: Sequence[str]
    request_id: str
    seconds: float
    arrived: float


def seconds_of(request: pb.ScoreRequest, catalog: Catalog) -> float:
    """About how long scoring a request takes, before its entities are read. Raises ScoringError without a route."""
    route = catalog.routes.get(request.route) or route_of(request.route, catalog)
    rows = len(request.packed.entity_ids) or len(request.entities)
    return _CALL_SECONDS + rows * route.row_seconds


def question_of(request: pb.ScoreRequest, catalog: Catalog, *, seconds: float = 0.0, arrived: float = 0.0) -> Question:
    """Reads a request. Raises ScoringError when the call as a whole cannot be scored."""
    route = catalog.routes.get(request.route) or route_of(request.route, catalog)
    extras: Sequence[str] = request.extras or ()
    if extras:
        _check_extras(extras, route)
    packed = request.HasField("packed")
    piece = _packed_piece(request, route) if packed else read_named(request.entities, route.layout)
    return Question(route, piece, packed, extras, request.request_id, seconds, arrived)


def _packed_piece(request: pb.ScoreRequest, route: ServedRoute) -> Piece:
    if request.entities:
        raise ScoringError(Reason.TWO_FORMS, "send entities or packed, not both")
    return _read_packed(request.packed, route)


def _read_packed(packed: pb.PackedEntities, route: ServedRoute) -> Piece:
    digest = packed.schema_digest
    if digest == route.layout.digest:
        return read_packed(packed, route.layout)
    regather = route.older.get(digest)
    if regather is None:
        raise ScoringError(
            Reason.STALE_SCHEMA,
            f"route {route.name} does not take layout {digest[:12] or 'without digest'!r}: get the schema and repack",
            current=route.layout.digest,
            given=digest[:64],
        )
    return regather(read_packed(packed, regather.old))


def _check_extras(extras: Sequence[str], route: ServedRoute) -> None:
    for name in extras:
        if name not in route.extras:
            known = ", ".join(route.extras) or "none"
            raise ScoringError(
                Reason.UNKNOWN_EXTRA, f"route {route.name} has no extra output {name[:80]!r}; it has: {known}"
            )
