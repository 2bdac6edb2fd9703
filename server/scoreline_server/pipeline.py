"""The one way of every call, whatever carried it: deadline, permission, decoding, the domain, the error table, the log.

Policy lives here and not in gRPC interceptors, because calls may come by a path that interceptors do not see.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.errors import RegistryError
from scoreline_server import engine
from scoreline_server.authority import NOBODY, Action, Caller, Policy, read_policy
from scoreline_server.catalog import Catalog
from scoreline_server.errors import CallError
from scoreline_server.methods import SCORE, Method, describing
from scoreline_server.metrics import Metrics
from scoreline_server.reasons import CODES, Reason, numeric_code, reason_of

_log = structlog.get_logger()

DOMAIN = "scoreline"

_M = TypeVar("_M", bound=Message)

Trailers = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One unary call as it arrived.

    ``deadline`` is in seconds of ``time.time()``; None means none. ``caller`` is asked only where the policy needs it.
    ``arrived`` is in seconds of ``time.perf_counter()``.
    """

    method: str
    message: bytes
    deadline: float | None = None
    caller: Callable[[], Caller] = lambda: NOBODY
    metadata: Sequence[tuple[str, str | bytes]] = ()
    arrived: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gets: a serialized message, or a code with details and trailers."""

    message: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    trailers: Trailers = ()
    reason: str = ""

    @classmethod
    def failed(cls, error: CallError) -> "Answer":
        """The answer that carries an error and its one ErrorInfo."""
        status = status_pb2.Status(code=numeric_code(error.reason), message=error.message)
        status.details.add().Pack(
            error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
        )
        trailers = (("grpc-status-details-bin", status.SerializeToString()),)
        return cls(code=CODES[error.reason], details=error.message, trailers=trailers, reason=error.reason)


class Pipeline:
    """Answers batches of calls from the current catalog."""

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        *,
        metrics: Metrics,
        policy: Policy | None = None,
        methods: Sequence[Method] = (),
    ) -> None:
        """``methods`` are answered beside Score and the describing ones."""
        self._catalog = catalog
        self._metrics = metrics
        self._policy = policy or read_policy(None)
        self._methods = {method.path: method for method in (*describing(), *methods)}

    @property
    def unary_methods(self) -> tuple[str, ...]:
        """The paths of all methods that ``handle`` answers."""
        return (SCORE, *self._methods)

    def handle(self, calls: Sequence[Call]) -> list[Answer]:
        """Answers each call, in order. Never raises: an unexpected failure becomes INTERNAL with a generic text."""
        catalog = self._catalog()
        with self._metrics.answering(len(calls)):
            answers, routes = self._answers(calls, catalog)
        self._count(calls, answers, routes)
        return answers

    def _answers(self, calls: Sequence[Call], catalog: Catalog) -> tuple[list[Answer], Mapping[int, str]]:
        """The answer to each call, and the served routes that calls asked for, by position."""
        answers: list[Answer | None] = [None] * len(calls)
        scores: list[tuple[int, pb.ScoreRequest]] = []
        for at, call in enumerate(calls):
            try:
                _check_deadline(call)
                if call.method == SCORE:
                    self.authorize(Action.SCORE, call.caller)
                    scores.append((at, decoded(pb.ScoreRequest, call.message)))
                else:
                    answers[at] = self._answer(self._methods[call.method], call, catalog)
            except Exception as error:  # noqa: BLE001
                answers[at] = failed(error)
        for (at, _), answer in zip(scores, self._scored([request for _, request in scores], catalog), strict=True):
            answers[at] = answer
        routes = {at: request.route for at, request in scores if request.route in catalog.routes}
        return [answer for answer in answers if answer is not None], routes

    def _scored(self, requests: Sequence[pb.ScoreRequest], catalog: Catalog) -> list[Answer]:
        if not requests:
            return []
        try:
            return [_answer(result) for result in engine.score(requests, catalog, self._metrics.scored)]
        except Exception as error:  # noqa: BLE001
            return [failed(error)] * len(requests)

    def _count(self, calls: Sequence[Call], answers: Sequence[Answer], routes: Mapping[int, str]) -> None:
        """Counts calls that have all labels in common together, because counting one by one costs more."""
        now = time.perf_counter()
        alike: dict[tuple[str, grpc.StatusCode, str, str], list[float]] = {}
        for at, (call, answer) in enumerate(zip(calls, answers, strict=True)):
            labels = call.method, answer.code, answer.reason, routes.get(at, "")
            alike.setdefault(labels, []).append(now - call.arrived)
        for (method, code, reason, route), seconds in alike.items():
            self._metrics.calls(method, seconds, code=code, reason=reason, route=route)

    def authorize(self, action: Action, caller: Callable[[], Caller]) -> None:
        """Raises CallError with NOT_ALLOWED unless the caller may do it."""
        if not self._policy.is_open(action):
            self._policy.authorize(caller(), action)

    def score(self, request: pb.ScoreRequest) -> engine.Result:
        """Scores one decoded request from the current catalog."""
        (result,) = engine.score([request], self._catalog(), self._metrics.scored)
        return result

    def _answer(self, method: Method, call: Call, catalog: Catalog) -> Answer:
        self.authorize(method.action, call.caller)
        request = decoded(method.request, call.message)
        return Answer(method.answer(request, catalog, call.caller()).SerializeToString())


def decoded(kind: type[_M], message: bytes) -> _M:
    """The message that some bytes are. Raises CallError when they are not."""
    request = kind()
    try:
        request.ParseFromString(message)
    except DecodeError as error:
        name = request.DESCRIPTOR.full_name
        raise CallError(Reason.MALFORMED_MESSAGE, f"the message is not a {name}", expected=name) from error
    return request


def _check_deadline(call: Call) -> None:
    if call.deadline is not None and time.time() > call.deadline:
        raise CallError(Reason.DEADLINE_EXCEEDED, "the deadline passed before the call was looked at")


def _answer(result: engine.Result) -> Answer:
    return Answer.failed(result) if isinstance(result, CallError) else Answer(result.SerializeToString())


def failed(error: Exception) -> Answer:
    """The answer that an exception becomes; one that nobody expected is logged and told in general words."""
    if isinstance(error, CallError):
        return Answer.failed(error)
    if isinstance(error, RegistryError):
        return Answer.failed(CallError(reason_of(error), str(error)))
    _log.error("unexpected failure", exc_info=error)
    return Answer.failed(CallError(Reason.INTERNAL, "the server failed; its log says how"))
