"""The one way of every call, whatever carried it: deadline, decoding, the domain, the error table, the log.

Policy lives here and not in gRPC interceptors, because calls may come by a path that interceptors do not see.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server import describe, engine
from scoreline_server.catalog import Catalog
from scoreline_server.errors import ScoringError
from scoreline_server.reasons import CODES, Reason, numeric_code

_log = structlog.get_logger()

DOMAIN = "scoreline"
SCORE = "/scoreline.v1.ScoringService/Score"
GET_SCHEMA = "/scoreline.v1.ScoringService/GetSchema"
GET_STATUS = "/scoreline.v1.StatusService/GetStatus"

_REQUESTS: Mapping[str, type[Message]] = {
    SCORE: pb.ScoreRequest,
    GET_SCHEMA: pb.GetSchemaRequest,
    GET_STATUS: pb.GetStatusRequest,
}
METHODS = tuple(_REQUESTS)


@dataclass(frozen=True, slots=True)
class Call:
    """One unary call as it arrived. ``deadline`` is in seconds of ``time.time()``; None means none."""

    method: str
    message: bytes
    deadline: float | None = None
    peer: str = ""
    metadata: Sequence[tuple[str, str | bytes]] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gets: a serialized message, or a code with details and trailers."""

    message: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    trailers: tuple[tuple[str, str | bytes], ...] = ()

    @classmethod
    def failed(cls, error: ScoringError) -> "Answer":
        """The answer that carries an error and its one ErrorInfo."""
        status = status_pb2.Status(code=numeric_code(error.reason), message=error.message)
        status.details.add().Pack(
            error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
        )
        trailers = (("grpc-status-details-bin", status.SerializeToString()),)
        return cls(code=CODES[error.reason], details=error.message, trailers=trailers)


class Pipeline:
    """Answers batches of calls from the current catalog."""

    def __init__(self, catalog: Callable[[], Catalog]) -> None:
        self._catalog = catalog

    def handle(self, calls: Sequence[Call]) -> list[Answer]:
        """Answers each call, in order. Never raises: an unexpected failure becomes INTERNAL with a generic text."""
        catalog = self._catalog()
        answers: list[Answer | None] = [None] * len(calls)
        scores: list[tuple[int, pb.ScoreRequest]] = []
        for at, call in enumerate(calls):
            try:
                request = _decoded(call)
                if isinstance(request, pb.ScoreRequest):
                    scores.append((at, request))
                else:
                    answers[at] = Answer(_describe(request, catalog).SerializeToString())
            except Exception as error:  # noqa: BLE001
                answers[at] = _failed(error)
        for (at, _), answer in zip(scores, _scored([request for _, request in scores], catalog), strict=True):
            answers[at] = answer
        return [answer for answer in answers if answer is not None]


def _decoded(call: Call) -> Message:
    if call.deadline is not None and time.time() > call.deadline:
        raise ScoringError(Reason.DEADLINE_EXCEEDED, "the deadline passed before the call was looked at")
    request = _REQUESTS[call.method]()
    try:
        request.ParseFromString(call.message)
    except DecodeError as error:
        name = request.DESCRIPTOR.full_name
        raise ScoringError(Reason.MALFORMED_MESSAGE, f"the message is not a {name}", expected=name) from error
    return request


def _describe(request: Message, catalog: Catalog) -> Message:
    if isinstance(request, pb.GetSchemaRequest):
        return describe.schema(request, catalog)
    return describe.status(catalog)


def _scored(requests: Sequence[pb.ScoreRequest], catalog: Catalog) -> list[Answer]:
    if not requests:
        return []
    try:
        return [_answer(result) for result in engine.score(requests, catalog)]
    except Exception as error:  # noqa: BLE001
        return [_failed(error)] * len(requests)


def _answer(result: engine.Result) -> Answer:
    return Answer.failed(result) if isinstance(result, ScoringError) else Answer(result.SerializeToString())


def _failed(error: Exception) -> Answer:
    if isinstance(error, ScoringError):
        return Answer.failed(error)
    _log.error("unexpected failure", exc_info=error)
    return Answer.failed(ScoringError(Reason.INTERNAL, "the server failed; its log says how"))
