"""The one way of every call, whatever carried it: deadline, permission, decoding, the domain, the error table, the log.

Policy lives here and not in gRPC interceptors, because calls may come by a path that interceptors do not see.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.errors import RegistryError
from scoreline_server import engine
from scoreline_server.admission import Admission
from scoreline_server.authority import NOBODY, Action, Caller, Policy, read_policy
from scoreline_server.catalog import Catalog
from scoreline_server.errors import CallError
from scoreline_server.intake import Question, question_of
from scoreline_server.methods import SCORE, Method, describing
from scoreline_server.metrics import Metrics
from scoreline_server.reasons import CODES, Reason, numeric_code, reason_of

_log = structlog.get_logger()

DOMAIN = "scoreline"

_M = TypeVar("_M", bound=Message)

Trailers = tuple[tuple[str, str | bytes], ...]


@dataclass(slots=True)  # not frozen, because one is made per call and frozen ones cost three times as much
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


@dataclass(slots=True)
class Answer:
    """What a call gets: a serialized message, or a code with details and trailers."""

    message: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""
    trailers: Trailers = ()
    error: CallError | None = None

    @property
    def reason(self) -> str:
        """Why the call failed; empty for one that did not."""
        return self.error.reason if self.error else ""

    @classmethod
    def failed(cls, error: CallError) -> "Answer":
        """The answer that carries an error and its one ErrorInfo."""
        status = status_pb2.Status(code=numeric_code(error.reason), message=error.message)
        status.details.add().Pack(
            error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
        )
        if error.retry_after_seconds is not None:
            hint = error_details_pb2.RetryInfo()
            hint.retry_delay.FromTimedelta(timedelta(seconds=error.retry_after_seconds))
            status.details.add().Pack(hint)
        trailers = (("grpc-status-details-bin", status.SerializeToString()),)
        return cls(code=CODES[error.reason], details=error.message, trailers=trailers, error=error)


@dataclass(slots=True)
class Ticket:
    """A call to Score that was taken in and waits to be scored. ``seconds`` is about how long that takes."""

    call: Call
    question: Question
    seconds: float


class Pipeline:
    """Answers calls from the current catalog.

    Whoever carries calls hands each to ``admit``. A call to Score that is sound comes back as a ticket; tickets are
    handed, as many at once as there are, to ``score``, or to ``drop`` when nobody waits for them any more. Every other
    call comes back answered. ``handle`` does both for one call.
    """

    def __init__(
        self,
        catalog: Callable[[], Catalog],
        *,
        metrics: Metrics,
        admission: Admission,
        policy: Policy | None = None,
        methods: Sequence[Method] = (),
        observers: Sequence[engine.Observe] = (),
    ) -> None:
        """``methods`` are answered beside Score and the describing ones; ``observers`` see all that is scored."""
        self._catalog = catalog
        self._metrics = metrics
        self._admission = admission
        self._observers = observers
        self._policy = policy or read_policy(None)
        self._all_may_score = self._policy.is_open(Action.SCORE)
        self._methods = {method.path: method for method in (*describing(), *methods)}

    @property
    def unary_methods(self) -> tuple[str, ...]:
        """The paths of all unary methods."""
        return (SCORE, *self._methods)

    def handle(self, call: Call) -> Answer:
        """Answers one call. Never raises: an unexpected failure becomes INTERNAL with a generic text."""
        taken = self.admit(call)
        return self.score([taken])[0] if isinstance(taken, Ticket) else taken

    def admit(self, call: Call) -> Ticket | Answer:
        """Takes a call in, or answers it. Never raises."""
        try:
            if call.deadline is not None and time.time() > call.deadline:
                raise CallError(Reason.DEADLINE_EXCEEDED, "the deadline passed before the call was looked at")
            if call.method == SCORE:
                return self._ticket(call)
            answer = self._described(self._methods[call.method], call)
        except Exception as error:  # noqa: BLE001
            answer = failed(error)
        self._count([call], [answer], "")
        return answer

    def score(self, tickets: Sequence[Ticket]) -> list[Answer]:
        """Answers tickets, in order. Never raises."""
        with self._metrics.answering(len(tickets)):
            try:
                results = engine.answer([ticket.question for ticket in tickets], self._observe)
                answers = [_answer(result) for result in results]
            except Exception as error:  # noqa: BLE001
                answers = [failed(error)] * len(tickets)
        self._admission.done(*[ticket.seconds for ticket in tickets])
        self._count_tickets(tickets, answers)
        return answers

    def drop(self, ticket: Ticket) -> None:
        """Forgets a ticket whose caller went away."""
        self._admission.done(ticket.seconds)

    def _observe(self, scored: engine.Scored) -> None:
        self._metrics.scored(scored.route, scored.outcome)
        for observe in self._observers:
            observe(scored)

    def _ticket(self, call: Call) -> Ticket:
        if not self._all_may_score:
            self._policy.authorize(call.caller(), Action.SCORE)
        question = question_of(decoded(pb.ScoreRequest, call.message), self._catalog())
        question.arrived = call.arrived
        seconds = question.seconds
        self._admission.take(seconds, call.deadline)
        return Ticket(call, question, seconds)

    def _described(self, method: Method, call: Call) -> Answer:
        self.authorize(method.action, call.caller)
        request = decoded(method.request, call.message)
        return Answer(method.answer(request, self._catalog(), call.caller()).SerializeToString())

    def _count_tickets(self, tickets: Sequence[Ticket], answers: Sequence[Answer]) -> None:
        by_route: dict[str, tuple[list[Call], list[Answer]]] = {}
        for ticket, answer in zip(tickets, answers, strict=True):
            calls, own = by_route.setdefault(ticket.question.route.name, ([], []))
            calls.append(ticket.call)
            own.append(answer)
        for route, (calls, own) in by_route.items():
            self._count(calls, own, route)

    def _count(self, calls: Sequence[Call], answers: Sequence[Answer], route: str) -> None:
        """Counts calls that have all labels in common together, because counting one by one costs more."""
        now = time.perf_counter()
        alike: dict[tuple[str, grpc.StatusCode, str], list[float]] = {}
        for call, answer in zip(calls, answers, strict=True):
            alike.setdefault((call.method, answer.code, answer.reason), []).append(now - call.arrived)
        for (method, code, reason), seconds in alike.items():
            self._metrics.calls(method, seconds, code=code, reason=reason, route=route)

    def authorize(self, action: Action, caller: Callable[[], Caller]) -> None:
        """Raises CallError with NOT_ALLOWED unless the caller may do it."""
        if not self._policy.is_open(action):
            self._policy.authorize(caller(), action)


def decoded(kind: type[_M], message: bytes) -> _M:
    """The message that some bytes are. Raises CallError when they are not."""
    request = kind()
    try:
        request.ParseFromString(message)
    except DecodeError as error:
        name = request.DESCRIPTOR.full_name
        raise CallError(Reason.MALFORMED_MESSAGE, f"the message is not a {name}", expected=name) from error
    return request


def _answer(result: engine.Result) -> Answer:
    return Answer.failed(result) if isinstance(result, CallError) else Answer(result)


def failed(error: Exception) -> Answer:
    """The answer that an exception becomes; one that nobody expected is logged and told in general words."""
    if isinstance(error, CallError):
        return Answer.failed(error)
    if isinstance(error, RegistryError):
        return Answer.failed(CallError(reason_of(error), str(error)))
    _log.error("unexpected failure", exc_info=error)
    return Answer.failed(CallError(Reason.INTERNAL, "the server failed; its log says how"))
