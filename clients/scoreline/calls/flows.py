"""What each call of a client does, step by step, without doing any IO itself."""

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from google.protobuf.wrappers_pb2 import StringValue

from scoreline.calls.attempts import Attempts, Deadline
from scoreline.calls.call_options import Ask
from scoreline.calls.transport import Flow, Method, Send
from scoreline.decoding.results import Score
from scoreline.decoding.row_responses import Outcome, read_rows
from scoreline.encoding.entities import Entity
from scoreline.encoding.row import Row, join_rows, pack_row, plain_row
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


class Key(NamedTuple):
    """What entities must have in common to travel in one message."""

    route: str
    digest: str
    extras: tuple[str, ...]


class Question(NamedTuple):
    """One entity, packed and ready to be asked about by itself or together with others of the same key."""

    key: Key
    row: Row
    deadline: Deadline
    entity: Entity


class Flows:
    """The calls of one client, which share its schemas and its attempts. Safe for threads."""

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self._schemas: dict[str, RouteSchema] = {}

    def schema(self, route: str, *, refresh: bool, timeout_seconds: float | None) -> Flow[RouteSchema]:
        """Asks for a route's schema unless it is known."""
        ask = Ask(route=route, timeout_seconds=timeout_seconds)
        deadline = self.attempts.deadline(timeout_seconds)
        return (yield from (self.fetch_schema(ask.route, deadline) if refresh else self.layout(ask.route, deadline)))

    def status(self, *, timeout_seconds: float | None) -> Flow[ServerStatus]:
        """Asks what the server has loaded."""
        deadline = self.attempts.deadline(timeout_seconds)
        answer = yield from self.attempts.call(Method.STATUS, pb.GetStatusRequest(), deadline)
        return ServerStatus.from_message(answer)

    def health(self, service: str, *, timeout_seconds: float | None) -> Flow[Health]:
        """Asks once: whoever asks for health wants to know it now."""
        seconds = self.attempts.deadline(timeout_seconds).seconds
        answer = yield Send(Method.HEALTH, StringValue(value=service), seconds)
        return Health(answer.value)

    def score(self, ask: Ask, entity: Entity) -> Flow[Score]:
        """Scores one entity by itself; its error is raised."""
        question = yield from self.question(ask, entity)
        try:
            return result((yield from self.alone(question, ask.request_id)))
        except StaleSchemaError:
            question = yield from self.repacked(question)
        return result((yield from self.alone(question, ask.request_id)))

    def ready(self, ask: Ask, entity: Entity) -> Question | None:
        """The question, where the route's schema is known and the entity plain; else ``question`` asks it.

        It is most callers' way, and a flow costs as much as all of it.
        """
        schema = self._schemas.get(ask.route)
        row = None if schema is None else plain_row(entity, schema)
        if schema is None or row is None:
            return None
        deadline = self.attempts.deadline(ask.timeout_seconds)
        return Question(Key(ask.route, schema.digest, tuple(ask.extras)), row, deadline, entity)

    def question(self, ask: Ask, entity: Entity) -> Flow[Question]:
        """Packs an entity by the route's schema. Raises InvalidRequestError for what no route could take."""
        deadline = self.attempts.deadline(ask.timeout_seconds)

        def pack(schema: RouteSchema) -> Question:
            key = Key(ask.route, schema.digest, tuple(ask.extras))
            return Question(key, pack_row(entity, schema), deadline, entity)

        return (yield from self.packed_with_newest(ask.route, deadline, pack))

    def repacked(self, question: Question) -> Flow[Question]:
        """The same question in the layout that the route has now."""
        schema = yield from self.newer_layout(question.key.route, question.key.digest, question.deadline)
        return question._replace(key=question.key._replace(digest=schema.digest), row=pack_row(question.entity, schema))

    def alone(self, question: Question, request_id: str | None = None) -> Flow[Outcome]:
        """Scores one row in a call of its own; fails for nothing."""
        key, row, deadline, _ = question
        (outcome,) = yield from self.together(key, [row], deadline, request_id)
        return outcome

    def together(
        self, key: Key, rows: Sequence[Row], deadline: Deadline, request_id: str | None = None
    ) -> Flow[list[Outcome]]:
        """Scores rows in one call and gives each its outcome; fails for none of them.

        The call is made again as it was, with its request id, so that the journal's readers see one call however often
        it was tried. Where a call of several rows fails for what one of them may have caused, each half is asked by
        itself, until everyone has the answer or error that it would have had alone.
        """
        request = pb.ScoreRequest(
            route=key.route,
            packed=join_rows(rows, key.digest),
            extras=key.extras,
            request_id=secrets.token_hex(12) if request_id is None else request_id,
        )
        try:
            return read_rows((yield from self.attempts.call(Method.SCORE, request, deadline)), len(rows))
        except ScorelineError as error:
            if len(rows) == 1 or not _may_be_one_row_s(error):
                return _copies(error, len(rows))
        half = len(rows) // 2
        first = yield from self.together(key, rows[:half], deadline)
        return first + (yield from self.together(key, rows[half:], deadline))

    def layout(self, route: str, deadline: Deadline) -> Flow[RouteSchema]:
        """The route's schema as it is known, or asked for."""
        return self._schemas.get(route) or (yield from self.fetch_schema(route, deadline))

    def packed_with_newest(self, route: str, deadline: Deadline, pack: Callable[[RouteSchema], T]) -> Flow[T]:
        """What ``pack`` returns for the known schema, or for a newer one if it refuses the known one.

        The route may have gained since then what the caller sends now.
        """
        schema = yield from self.layout(route, deadline)
        try:
            return pack(schema)
        except InvalidRequestError:
            newer = yield from self.fetch_schema(route, deadline)
            if newer.digest == schema.digest:
                raise
        return pack(newer)

    def newer_layout(self, route: str, stale: str, deadline: Deadline) -> Flow[RouteSchema]:
        """The route's schema once the one with the digest ``stale`` was refused."""
        known = self._schemas[route]
        return known if known.digest != stale else (yield from self.fetch_schema(route, deadline))

    def fetch_schema(self, route: str, deadline: Deadline) -> Flow[RouteSchema]:
        """Asks for a route's schema and keeps it."""
        answer = yield from self.attempts.call(Method.SCHEMA, pb.GetSchemaRequest(route=route), deadline)
        schema = RouteSchema.from_message(answer)
        self._schemas[route] = schema
        return schema


def result(outcome: Outcome | BaseException) -> Score:
    """The score of one entity, or its error raised."""
    if isinstance(outcome, Score):
        return outcome
    if not isinstance(outcome, ScorelineError):
        raise outcome
    # A server fails a call with one entity as a whole; to callers it is that entity's error all the same.
    if outcome.reason in ENTITY_REASONS and not isinstance(outcome, EntityFailedError):
        raise EntityFailedError.of(outcome) from outcome
    raise outcome


def _copies(error: ScorelineError, count: int) -> list[Outcome]:
    """The error for each row."""
    return [error, *(own_copy(error) for _ in range(count - 1))]


_ALIKE_FOR_ALL = (AccessError, ClosedError, DeadlineError, NotFoundError, StaleSchemaError, UnavailableError)


def _may_be_one_row_s(error: ScorelineError) -> bool:
    """Whether a call of several rows may have failed for one of them, its size or its values."""
    if isinstance(error, OverloadedError):
        # gRPC's own refusal of a message for its size has neither.
        return not error.reason and error.retry_after_seconds is None
    return not isinstance(error, _ALIKE_FOR_ALL) and error.reason != "UNKNOWN_EXTRA"
