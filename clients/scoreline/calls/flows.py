"""The calls of a client as flows: the steps of each call, without any IO (see transport.py)."""

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from google.protobuf.wrappers_pb2 import StringValue

from scoreline.calls.call_options import CallOptions
from scoreline.calls.retrying import Deadline, RetryingCalls
from scoreline.calls.transport import Flow, Method, Send
from scoreline.decoding.results import Score
from scoreline.decoding.row_responses import RowResult, read_rows
from scoreline.encoding.entities import Entity
from scoreline.encoding.row import EncodedRow, join_rows, pack_row, plain_row
from scoreline.errors import (
    ENTITY_REASONS,
    AccessError,
    ClosedError,
    DeadlineError,
    EntityFailedError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    ScorelineError,
    StaleSchemaError,
    UnavailableError,
    own_copy,
)
from scoreline.schema import RouteSchema
from scoreline.status import Health, ServerStatus
from scoreline.v1 import scoring_pb2 as pb

T = TypeVar("T")


class BatchKey(NamedTuple):
    """What rows must have in common to be sent in one request."""

    route: str
    digest: str
    extras: tuple[str, ...]
    reasons: int = 0
    language: str = ""

    @classmethod
    def of(cls, options: CallOptions, digest: str) -> "BatchKey":
        """That of a call, by the digest of its route's schema."""
        return cls(options.route, digest, tuple(options.extras), options.reasons, options.language)


class PackedRow(NamedTuple):
    """One entity, encoded and ready to be sent by itself or with other rows of the same key."""

    key: BatchKey
    row: EncodedRow
    deadline: Deadline
    entity: Entity


def schema_of_route(name: str) -> pb.GetSchemaRequest:
    """The request of a route's schema."""
    return pb.GetSchemaRequest(route=name)


def schema_of_policy(name: str) -> pb.GetSchemaRequest:
    """The request of the schema of a policy's route."""
    return pb.GetSchemaRequest(policy=name)


class Flows:
    """The flows of one client, which share its schemas, retries and deadlines. Safe for threads."""

    def __init__(self, retrying: RetryingCalls, *, ask: Callable[[str], pb.GetSchemaRequest] = schema_of_route) -> None:
        """``ask`` makes the request of a schema by its name, that of a route or of a policy."""
        self.retrying, self._ask = retrying, ask
        self._schemas: dict[str, RouteSchema] = {}

    def schema(self, route: str, *, refresh: bool, timeout_seconds: float | None) -> Flow[RouteSchema]:
        """The route's schema, fetched unless it is known."""
        options = CallOptions(route=route, timeout_seconds=timeout_seconds)
        deadline = self.retrying.deadline(timeout_seconds)
        flow = self.fetch_schema if refresh else self.known_schema
        return (yield from flow(options.route, deadline))

    def status(self, *, timeout_seconds: float | None) -> Flow[ServerStatus]:
        """The status of the server."""
        deadline = self.retrying.deadline(timeout_seconds)
        answer = yield from self.retrying.call(Method.STATUS, pb.GetStatusRequest(), deadline)
        return ServerStatus.from_message(answer)

    def health(self, service: str, *, timeout_seconds: float | None) -> Flow[Health]:
        """The health of the server or a service, without retries."""
        seconds = self.retrying.deadline(timeout_seconds).seconds
        answer = yield Send(Method.HEALTH, StringValue(value=service), seconds)
        return Health(answer.value)

    def score(self, options: CallOptions, entity: Entity) -> Flow[Score]:
        """Scores one entity in a call of its own. Raises its error."""
        packed = yield from self.packed_row(options, entity)
        try:
            return score_of((yield from self.score_row(packed, options.request_id)))
        except StaleSchemaError:
            packed = yield from self.repacked(packed)
        return score_of((yield from self.score_row(packed, options.request_id)))

    def packed_if_plain(self, options: CallOptions, entity: Entity) -> PackedRow | None:
        """The encoded entity, where the route's schema is known and all values are of plain types; else None.

        Most calls need no more, and starting a flow would double their cost.
        """
        schema = self._schemas.get(options.route)
        row = None if schema is None else plain_row(entity, schema)
        if schema is None or row is None:
            return None
        deadline = self.retrying.deadline(options.timeout_seconds)
        return PackedRow(BatchKey.of(options, schema.digest), row, deadline, entity)

    def packed_row(self, options: CallOptions, entity: Entity) -> Flow[PackedRow]:
        """Encodes an entity by the route's schema. Raises InvalidRequestError for unknown names and wrong types."""
        deadline = self.retrying.deadline(options.timeout_seconds)

        def pack(schema: RouteSchema) -> PackedRow:
            return PackedRow(BatchKey.of(options, schema.digest), pack_row(entity, schema), deadline, entity)

        return (yield from self.packed_with_newest(options.route, deadline, pack))

    def repacked(self, packed: PackedRow) -> Flow[PackedRow]:
        """The same entity, encoded by the route's newer schema."""
        schema = yield from self.newer_schema(packed.key.route, packed.key.digest, packed.deadline)
        return packed._replace(key=packed.key._replace(digest=schema.digest), row=pack_row(packed.entity, schema))

    def score_row(self, packed: PackedRow, request_id: str | None = None) -> Flow[RowResult]:
        """Scores one row in a call of its own. Returns its error, never raises it."""
        key, row, deadline, _ = packed
        (result,) = yield from self.score_rows(key, [row], deadline, request_id)
        return result

    def score_rows(
        self, key: BatchKey, rows: Sequence[EncodedRow], deadline: Deadline, request_id: str | None = None
    ) -> Flow[list[RowResult]]:
        """Scores rows in one call. Returns a result per row: its score or its error.

        Retries send the same rows and request id, so that the journal can be read without the repeated calls. If the
        call fails for what a single row may have caused, its halves are sent separately, until each row has the result
        that it would have had alone.
        """
        request = pb.ScoreRequest(
            route=key.route,
            packed=join_rows(rows, key.digest),
            extras=key.extras,
            reasons=key.reasons,
            language=key.language,
            request_id=secrets.token_hex(12) if request_id is None else request_id,
        )
        try:
            return read_rows((yield from self.retrying.call(Method.SCORE, request, deadline)), len(rows))
        except ScorelineError as error:
            if len(rows) == 1 or not _may_concern_one_row(error):
                return _copies(error, len(rows))
        half = len(rows) // 2
        first = yield from self.score_rows(key, rows[:half], deadline)
        return first + (yield from self.score_rows(key, rows[half:], deadline))

    def known_schema(self, route: str, deadline: Deadline) -> Flow[RouteSchema]:
        """The route's schema: the known one, or the server's answer."""
        return self._schemas.get(route) or (yield from self.fetch_schema(route, deadline))

    def packed_with_newest(self, route: str, deadline: Deadline, pack: Callable[[RouteSchema], T]) -> Flow[T]:
        """The result of ``pack`` for the known schema, or for a newer one where it raises InvalidRequestError.

        The route may have a feature by now that the known schema lacks.
        """
        schema = yield from self.known_schema(route, deadline)
        try:
            return pack(schema)
        except InvalidRequestError:
            newer = yield from self.fetch_schema(route, deadline)
            if newer.digest == schema.digest:
                raise
        return pack(newer)

    def newer_schema(self, route: str, stale: str, deadline: Deadline) -> Flow[RouteSchema]:
        """A schema with another digest than ``stale``, which the server refused."""
        known = self._schemas[route]
        return known if known.digest != stale else (yield from self.fetch_schema(route, deadline))

    def fetch_schema(self, route: str, deadline: Deadline) -> Flow[RouteSchema]:
        """Fetches a route's schema and remembers it."""
        answer = yield from self.retrying.call(Method.SCHEMA, self._ask(route), deadline)
        schema = RouteSchema.from_message(answer)
        self._schemas[route] = schema
        return schema


def score_of(result: RowResult | BaseException) -> Score:
    """The score of a result. Raises the error that it is instead."""
    if isinstance(result, Score):
        return result
    if not isinstance(result, ScorelineError):
        raise result
    # A server fails a call with one entity as a whole (docs/adr/0001); callers see that entity's error.
    if result.reason in ENTITY_REASONS and not isinstance(result, EntityFailedError):
        raise EntityFailedError.of(result) from result
    raise result


def _copies(error: ScorelineError, count: int) -> list[RowResult]:
    """The error for each row."""
    return [error, *(own_copy(error) for _ in range(count - 1))]


_CONCERN_ALL_ROWS = (AccessError, ClosedError, DeadlineError, NotFoundError, StaleSchemaError, UnavailableError)

_CONCERN_ALL_REASONS = ("UNKNOWN_EXTRA", "REASONS_MISSING")


def _may_concern_one_row(error: ScorelineError) -> bool:
    """Whether a call of several rows may have failed for one of them, its size or its values."""
    if isinstance(error, OverloadedError):
        # gRPC itself refuses a message for its size with neither.
        return not error.reason and error.retry_after_seconds is None
    return not isinstance(error, _CONCERN_ALL_ROWS) and error.reason not in _CONCERN_ALL_REASONS
