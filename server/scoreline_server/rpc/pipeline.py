"""The pipeline of every call, whatever its transport: deadline, permission, decoding, handler, errors, metrics, log.

Policy lives here and not in gRPC interceptors, because calls may come by a path that interceptors do not see.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import ParamSpec, Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.errors import RegistryError
from scoreline_server.errors import CallError, ErrorReason, LimitStoreError, ProfileStoreError
from scoreline_server.failure_log import log_failure
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.rpc.admission import Admission
from scoreline_server.rpc.authority import ANONYMOUS, Action, Caller, Policy, read_policy
from scoreline_server.rpc.methods import SCORE, Arrival, Method, ScoringMethod, discovery_methods
from scoreline_server.scoring import engine
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.decoding import DecodedRequest, decode_request, estimated_seconds, waits_for
from scoreline_server.scoring.results import Observe, ScoredBatch
from scoreline_server.status_codes import CODES, numeric_code, reason_of
from scoreline_server.stopping import InFlight

DOMAIN = "scoreline"
# The message of an error is sent twice in the trailers, and clients refuse trailers of more than 8 KiB.
_MESSAGE_CHARACTERS = 2500

_M = TypeVar("_M", bound=Message)
_P = ParamSpec("_P")

Trailers = tuple[tuple[str, str | bytes], ...]
Metadata = Sequence[tuple[str, str | bytes]]


class Incoming(Protocol):
    """One unary call as a transport received it.

    ``deadline`` is in seconds of ``time.time()``; None means none. ``arrived`` is in seconds of
    ``time.perf_counter()``. ``caller`` is called only where the policy needs it.
    """

    method: str
    message: bytes
    deadline: float | None
    metadata: Metadata
    arrived: float

    def caller(self) -> Caller:
        """The caller's address and identity."""


@dataclass(slots=True)
class Call:
    """An ``Incoming`` call of a transport that keeps nothing else about it."""

    method: str
    message: bytes
    deadline: float | None = None
    caller: Callable[[], Caller] = lambda: ANONYMOUS
    metadata: Metadata = ()
    arrived: float = field(default_factory=time.perf_counter)


@dataclass(slots=True)
class Answer:
    """The answer to a call: a serialized message, or a status code with details and trailers."""

    message: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    trailers: Trailers = ()
    error: CallError | None = None

    @property
    def reason(self) -> str:
        """The reason of a failed call; empty for one that succeeded."""
        return self.error.reason if self.error else ""

    @classmethod
    def failed(cls, error: CallError) -> "Answer":
        """The answer of a failed call, with one ErrorInfo."""
        metadata = tuple(sorted(error.metadata.items()))
        message = error.message
        if len(message) > _MESSAGE_CHARACTERS:
            message = f"{message[:_MESSAGE_CHARACTERS]} (and {len(message) - _MESSAGE_CHARACTERS:,} more characters)"
        details = _details(error.reason, message, metadata, error.retry_after_seconds)
        trailers = (("grpc-status-details-bin", details),)
        return cls(code=CODES[error.reason], details=message, trailers=trailers, error=error)


@lru_cache(maxsize=128)
def _details(reason: ErrorReason, message: str, metadata: tuple[tuple[str, str], ...], retry: float | None) -> bytes:
    """An error as serialized ``google.rpc.Status``; cached, because many calls fail equally under overload."""
    status = status_pb2.Status(code=numeric_code(reason), message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=dict(metadata)))
    if retry is not None:
        hint = error_details_pb2.RetryInfo()
        hint.retry_delay.FromTimedelta(timedelta(seconds=retry))
        status.details.add().Pack(hint)
    serialized: bytes = status.SerializeToString()
    return serialized


STOPPED = CallError(ErrorReason.STOPPING, "the server has stopped: send the call again")
_STOPPED = Answer.failed(STOPPED)

Reply = Callable[[Sequence[Answer]], object]
"""Sends the answers to requests, in their order. Does not raise."""


class Pipeline:
    """Answers calls from the current catalog.

    A transport passes each call to ``admit``, which returns an answer, or a decoded request where the call is a valid
    Score. Decoded requests go to ``score``, as many at once as there are, or to ``drop`` when their callers are gone.
    ``handle`` does both for one call.
    """

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        *,
        metrics: Metrics,
        admission: Admission,
        policy: Policy | None = None,
        methods: Sequence[Method | ScoringMethod] = (),
        observers: Sequence[Observe] = (),
        answering: InFlight | None = None,
        score: engine.Score = engine.score,
    ) -> None:
        """``methods`` are answered beside Score and discovery; ``observers`` get all that ``score`` has scored.

        ``answering`` are the answers under way, which methods that score share.
        """
        self._catalog = catalog
        self._metrics = metrics
        self._admission = admission
        self._observers = observers
        self._answering = answering or InFlight()
        self._engine = score
        self._policy = policy or read_policy(None)
        self._all_may_score = self._policy.is_open(Action.SCORE)
        self._methods: dict[str, Method | ScoringMethod] = {
            method.path: method for method in (*discovery_methods(), *methods)
        }

    @property
    def queued_seconds(self) -> float:
        """The estimated time to score all admitted requests."""
        return self._admission.queued_seconds

    @property
    def unary_methods(self) -> tuple[str, ...]:
        """The paths of all unary methods."""
        return (SCORE, *self._methods)

    def handle(self, call: Incoming) -> Answer:
        """Answers one call. Never raises: an unexpected failure becomes INTERNAL with a generic text."""
        taken = self.admit(call)
        if isinstance(taken, Answer):
            return taken
        answers: list[Answer] = []
        self.score([taken], answers.extend)
        return answers[0]

    def admit(self, call: Incoming) -> DecodedRequest | Answer:
        """Decodes a Score that is to be scored, or answers the call. Never raises."""
        try:
            if call.deadline is not None and time.time() > call.deadline:
                raise CallError(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed before the call was read")
            if call.method == SCORE:
                return self._score_request(call)
            answer = self._handled(self._methods[call.method], call)
        except Exception as error:  # noqa: BLE001
            answer = failed(error)
        seconds = [time.perf_counter() - call.arrived]
        self._note(self._metrics.calls, call.method, seconds, code=answer.code, reason=answer.reason)
        return answer

    def score(self, requests: Sequence[DecodedRequest], reply: Reply) -> None:
        """Scores requests and passes ``reply`` the answers, in order. Never raises.

        Metrics and observers follow after the reply, while the answers are being sent. Once the pipeline is closed
        rows could no longer be journaled, so no request is answered with a score.
        """
        self._note(self._metrics.begun, len(requests))
        scored: list[ScoredBatch] = []
        answers = self._answers(requests, scored)
        self._admission.done(*[request.seconds for request in requests], waits=requests[0].waits)
        with self._answering as is_open:
            if not is_open:
                answers, scored = [_STOPPED] * len(requests), []
            reply(answers)
            self._note(self._count, requests, answers)
            self._observe(scored)
        self._note(self._metrics.ended, len(requests))

    def close(self, timeout_seconds: float) -> bool:
        """Answers no more scores and waits until answered ones are observed; False when that takes longer."""
        return self._answering.close(timeout_seconds)

    def _answers(self, requests: Sequence[DecodedRequest], scored: list[ScoredBatch]) -> list[Answer]:
        """The answers to requests, in order; what was scored is added to ``scored``.

        Where scoring fails, each half is scored by itself, until only the requests that cause it fail.
        """
        seen: list[ScoredBatch] = []
        try:
            answers = [_answer(response) for response in self._engine(requests, seen.append)]
        except Exception as error:  # noqa: BLE001
            if len(requests) == 1:
                return [failed(error)]
            half = len(requests) // 2
            return self._answers(requests[:half], scored) + self._answers(requests[half:], scored)
        scored += seen
        return answers

    def queued(self, change: int) -> None:
        """Counts requests that begin, or with a negative change cease, to wait for more than a flush. Never raises."""
        self._note(self._metrics.queued, change)

    def drop(self, request: DecodedRequest, answer: Answer) -> None:
        """Gives up a request whose caller is gone, and counts ``answer`` as its answer. Never raises."""
        self._admission.dropped(request.seconds, waits=request.waits)
        self._note(self._count, [request], [answer])

    def _observe(self, scored: Sequence[ScoredBatch]) -> None:
        for each in scored:
            self._note(self._metrics.scored, each.route, each.results)
            for observe in self._observers:
                self._note(observe, each)

    @staticmethod
    def _note(note: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Counts or observes. No caller waits for it, so a failure is logged and the others go on."""
        try:
            note(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            log_failure("recording of answered calls failed", error)

    def _score_request(self, call: Incoming) -> DecodedRequest:
        if not self._all_may_score:
            self._policy.authorize(call.caller(), Action.SCORE)
        request = decoded(pb.ScoreRequest, call.message)
        route = self._catalog().route(request.route)
        # Before the entities are read, which costs more than all the rest of a refusal.
        seconds = estimated_seconds(request, route)
        waits = waits_for(request, route)
        self._admission.take(seconds, call.deadline, waits=waits)
        try:
            return decode_request(request, route, seconds=seconds, arrived=call.arrived)
        except BaseException:
            self._admission.dropped(seconds, waits=waits)
            raise

    def _handled(self, method: Method | ScoringMethod, call: Incoming) -> Answer:
        self.authorize(method.action, call.caller)
        request = decoded(method.request, call.message)
        if isinstance(method, ScoringMethod):
            answer = method.answer(request, self._catalog(), Arrival(call.deadline, call.arrived, call.caller))
        else:
            answer = method.answer(request, self._catalog(), call.caller())
        return Answer(answer.SerializeToString())

    def _count(self, requests: Sequence[DecodedRequest], answers: Sequence[Answer]) -> None:
        """Counts calls with equal labels together, because counting one by one costs more."""
        now = time.perf_counter()
        grouped: dict[tuple[str, grpc.StatusCode, str], list[float]] = {}
        for request, answer in zip(requests, answers, strict=True):
            key = request.route.name, answer.code, answer.error.reason if answer.error else ""
            grouped.setdefault(key, []).append(now - request.arrived)
        for (route, code, reason), seconds in grouped.items():
            self._metrics.calls(SCORE, seconds, code=code, reason=reason, route=route)

    def authorize(self, action: Action, caller: Callable[[], Caller]) -> None:
        """Raises CallError with NOT_ALLOWED unless the caller may do it."""
        if not self._policy.is_open(action):
            self._policy.authorize(caller(), action)


def decoded(kind: type[_M], message: bytes) -> _M:
    """Parses a message. Raises CallError where the bytes are not one."""
    request = kind()
    try:
        request.ParseFromString(message)
    except DecodeError as error:
        name = request.DESCRIPTOR.full_name
        raise CallError(ErrorReason.MALFORMED_MESSAGE, f"the message is not a {name}", expected=name) from error
    return request


def _answer(response: engine.Response) -> Answer:
    return Answer.failed(response) if isinstance(response, CallError) else Answer(response)


def failed(error: Exception) -> Answer:
    """The answer to a call that raised."""
    return Answer.failed(refusal(error))


def refusal(error: Exception) -> CallError:
    """What a caller is told of an error; an unexpected exception is logged and becomes INTERNAL with a generic text."""
    if isinstance(error, CallError):
        return error
    if isinstance(error, RegistryError):
        return CallError(reason_of(error), str(error))
    if isinstance(error, ProfileStoreError):
        return CallError(ErrorReason.PROFILE_STORE_FAILED, str(error))
    if isinstance(error, LimitStoreError):
        return CallError(ErrorReason.LIMIT_STORE_FAILED, str(error))
    log_failure("unexpected failure", error)
    return CallError(ErrorReason.INTERNAL, "the server failed; its log says how")
