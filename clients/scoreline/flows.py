"""What each call of a client does, step by step, without doing any IO itself."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.wrappers_pb2 import StringValue

from scoreline.answers import read_answer, read_score
from scoreline.attempts import Attempts, Deadline
from scoreline.batches import Batch
from scoreline.block import Block, cut
from scoreline.errors import (
    ENTITY_REASONS,
    EntityFailedError,
    InvalidRequestError,
    ScorelineError,
    StaleSchemaError,
)
from scoreline.results import Score, Scores
from scoreline.schema import RouteSchema
from scoreline.status import Health, ServerStatus
from scoreline.transport import Flow, Method, Send
from scoreline.v1 import scoring_pb2 as pb

MAX_ENTITIES = 1024
MAX_PART_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""gRPC's default limit, which any proxy between may have, less room for what is not rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to ask about a batch. ``request_id`` None means a new one, ``timeout_seconds`` None the client's."""

    route: str
    batch: Batch
    extras: Sequence[str] = ()
    request_id: str | None = None
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A batch packed once, and the ``parts`` (start, stop) of it that go out as one call each."""

    ask: Ask
    request_id: str
    block: Block
    parts: Sequence[tuple[int, int]]


class Flows:
    """The calls of one client, which share its schemas and its retry budget. Safe for threads."""

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._schemas: dict[str, RouteSchema] = {}

    def schema(self, route: str, *, refresh: bool, timeout_seconds: float | None) -> Flow[RouteSchema]:
        """Asks for a route's schema unless it is known."""
        known = None if refresh else self._schemas.get(route)
        return known or (yield from self._fetch_schema(route, self._attempts.deadline(timeout_seconds)))

    def status(self, *, timeout_seconds: float | None) -> Flow[ServerStatus]:
        """Asks what the server has loaded."""
        deadline = self._attempts.deadline(timeout_seconds)
        answer = yield from self._attempts.call(Method.STATUS, pb.GetStatusRequest(), deadline)
        return ServerStatus.from_message(answer)

    def health(self, service: str, *, timeout_seconds: float | None) -> Flow[Health]:
        """Asks once: whoever asks for health wants to know it now."""
        seconds = self._attempts.deadline(timeout_seconds).seconds
        answer = yield Send(Method.HEALTH, StringValue(value=service), seconds)
        return Health(answer.value)

    def score(self, ask: Ask) -> Flow[Score]:
        """Scores the one entity of a batch; its error is raised."""
        deadline = self._attempts.deadline(ask.timeout_seconds)
        job = yield from self._job(ask, deadline)
        try:
            score = read_score((yield from self._ask(job, 0, 1, deadline)))
        except ScorelineError as error:
            if not _of_entity(error):
                raise
            raise EntityFailedError.of(error) from error
        if score.error is not None:
            raise score.error
        return score

    def job(self, ask: Ask) -> Flow[Job]:
        """Packs a batch and cuts it. Raises what makes all of it impossible."""
        return self._job(ask, self._attempts.deadline(ask.timeout_seconds))

    def parts(self, job: Job) -> Iterator[Flow[Scores]]:
        """A flow for each part of a job. None of them raises a ScorelineError: the part's rows carry it."""
        return (self._part(job, start, stop) for start, stop in job.parts)

    def _part(self, job: Job, start: int, stop: int) -> Flow[Scores]:
        deadline = self._attempts.deadline(job.ask.timeout_seconds)
        try:
            return read_answer((yield from self._ask(job, start, stop, deadline)), stop - start)
        except ScorelineError as error:
            alone = stop - start == 1 and _of_entity(error)
            return Scores.failed(stop - start, EntityFailedError.of(error) if alone else error)

    def _job(self, ask: Ask, deadline: Deadline) -> Flow[Job]:
        block = yield from self._pack(ask, deadline)
        request_id = secrets.token_hex(12) if ask.request_id is None else ask.request_id
        if len(block) == 1:
            return Job(ask, request_id, block, [(0, 1)])
        most = min(self._schemas[ask.route].max_entities or MAX_ENTITIES, MAX_ENTITIES)
        return Job(ask, request_id, block, list(cut(block.row_bytes(), max_rows=most, max_bytes=MAX_PART_BYTES)))

    def _pack(self, ask: Ask, deadline: Deadline) -> Flow[Block]:
        known = self._schemas.get(ask.route)
        if known is None:
            return ask.batch.pack((yield from self._fetch_schema(ask.route, deadline)))
        try:
            return ask.batch.pack(known)
        except InvalidRequestError:
            # The route may have gained since what the caller sends now.
            schema = yield from self._fetch_schema(ask.route, deadline)
            if schema.digest == known.digest:
                raise
        return ask.batch.pack(schema)

    def _ask(self, job: Job, start: int, stop: int, deadline: Deadline) -> Flow[pb.ScoreResponse]:
        request = self._request(job, start, stop)
        try:
            answer: pb.ScoreResponse = yield from self._attempts.call(Method.SCORE, request, deadline)
        except StaleSchemaError:
            if self._schemas[job.ask.route].digest == request.packed.schema_digest:
                yield from self._fetch_schema(job.ask.route, deadline)
            answer = yield from self._attempts.call(Method.SCORE, self._request(job, start, stop), deadline)
        return answer

    def _request(self, job: Job, start: int, stop: int) -> pb.ScoreRequest:
        ask, schema = job.ask, self._schemas[job.ask.route]
        if schema.digest == job.block.digest:
            packed = job.block.message(start, stop)
        else:
            packed = ask.batch.rows(start, stop).pack(schema).message(0, stop - start)
        # Readers of the journal take equal ids for retries, so each part has its own.
        request_id = job.request_id if len(job.parts) == 1 else f"{job.request_id}-{start}"
        return pb.ScoreRequest(route=ask.route, packed=packed, extras=ask.extras, request_id=request_id)

    def _fetch_schema(self, route: str, deadline: Deadline) -> Flow[RouteSchema]:
        answer = yield from self._attempts.call(Method.SCHEMA, pb.GetSchemaRequest(route=route), deadline)
        schema = RouteSchema.from_message(answer)
        self._schemas[route] = schema
        return schema


def collect(parts: Sequence[Scores]) -> Scores:
    """Joins the parts of a job. Raises the first error when no call got through, for then nothing would be lost."""
    scores = Scores.concatenate(parts)
    if scores.errors and len(scores.errors) == len(scores) and all(map(_of_call, scores.errors.values())):
        raise scores.errors[0]
    return scores


def _of_call(error: ScorelineError) -> bool:
    return not isinstance(error, EntityFailedError)


def _of_entity(error: ScorelineError) -> bool:
    # A server fails a call with one entity as a whole; to callers it is that entity's error all the same.
    return error.reason in ENTITY_REASONS
