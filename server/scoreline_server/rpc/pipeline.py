"""The one way of every call, whatever carried it: deadline, permission, decoding, the domain, the error table, the log.

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
from scoreline_server.errors import CallError
from scoreline_server.failure_log import log_failure
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.reasons import CODES, Reason, numeric_code, reason_of
from scoreline_server.rpc.admission import Admission
from scoreline_server.rpc.authority import NOBODY, Action, Caller, Policy, read_policy
from scoreline_server.rpc.methods import SCORE, Method, describing
from scoreline_server.scoring import engine
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.decoding import Question, question_of, seconds_of
from scoreline_server.stopping import InFlight

DOMAIN = "scoreline"
# An error goes into the trailers twice, and clients refuse trailers of more than 8 KiB.
_MESSAGE_CHARACTERS = 2500

_M = TypeVar("_M", bound=Message)
_P = ParamSpec("_P")

Trailers = tuple[tuple[str, str | bytes], ...]
Metadata = Sequence[tuple[str, str | bytes]]


class Incoming(Protocol):
    """One unary call as it arrived.

    ``deadline`` is in seconds of ``time.time()``; None means none. ``arrived`` is in seconds of
    ``time.perf_counter()``. ``caller`` is asked only where the policy needs it.
    """

    method: str
    message: bytes
    deadline: float | None
    metadata: Metadata
    arrived: float

    def caller(self) -> Caller:
        """Who calls."""


@dataclass(slots=True)
class Call:
    """A call of a carrier that keeps nothing else about it, see ``Incoming``."""

    method: str
    message: bytes
    deadline: float | None = None
    caller: Callable[[], Caller] = lambda: NOBODY
    metadata: Metadata = ()
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
        metadata = tuple(sorted(error.metadata.items()))
        message = error.message
        if len(message) > _MESSAGE_CHARACTERS:
            message = f"{message[:_MESSAGE_CHARACTERS]} (and {len(message) - _MESSAGE_CHARACTERS:,} more characters)"
        details = _details(error.reason, message, metadata, error.retry_after_seconds)
        trailers = (("grpc-status-details-bin", details),)
        return cls(code=CODES[error.reason], details=message, trailers=trailers, error=error)


@lru_cache(maxsize=128)
def _details(reason: Reason, message: str, metadata: tuple[tuple[str, str], ...], retry: float | None) -> bytes:
    """An error as ``google.rpc.Status``; kept, because under overload many calls fail alike."""
    status = status_pb2.Status(code=numeric_code(reason), message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=dict(metadata)))
    if retry is not None:
        hint = error_details_pb2.RetryInfo()
        hint.retry_delay.FromTimedelta(timedelta(seconds=retry))
        status.details.add().Pack(hint)
    serialized: bytes = status.SerializeToString()
    return serialized


_STOPPED = Answer.failed(CallError(Reason.STOPPING, "the server has stopped: send the call again"))

Reply = Callable[[Sequence[Answer]], object]
"""Sends answers to questions, in their order. Does not raise."""


class Pipeline:
    """Answers calls from the current catalog.

    Whoever carries calls hands each to ``admit``. A call to Score that is sound comes back as a question; questions are
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
        self._answering = InFlight()
        self._policy = policy or read_policy(None)
        self._all_may_score = self._policy.is_open(Action.SCORE)
        self._methods = {method.path: method for method in (*describing(), *methods)}

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

    def admit(self, call: Incoming) -> Question | Answer:
        """Takes a call in, or answers it. Never raises."""
        try:
            if call.deadline is not None and time.time() > call.deadline:
                raise CallError(Reason.DEADLINE_EXCEEDED, "the deadline passed before the call was looked at")
            if call.method == SCORE:
                return self._question(call)
            answer = self._described(self._methods[call.method], call)
        except Exception as error:  # noqa: BLE001
            answer = failed(error)
        seconds = [time.perf_counter() - call.arrived]
        self._note(self._metrics.calls, call.method, seconds, code=answer.code, reason=answer.reason)
        return answer

    def score(self, questions: Sequence[Question], reply: Reply) -> None:
        """Answers questions: ``reply`` gets the answers, in order. Never raises.

        Calls are counted and rows observed after that, while the answers are on their way. Once the pipeline is closed
        the rows could not be journaled any more, so nothing is answered with a score.
        """
        self._note(self._metrics.begun, len(questions))
        scored: list[engine.Scored] = []
        answers = self._answers(questions, scored)
        self._admission.done(*[question.seconds for question in questions])
        with self._answering as is_open:
            if not is_open:
                answers, scored = [_STOPPED] * len(questions), []
            reply(answers)
            self._note(self._count, questions, answers)
            self._observe(scored)
        self._note(self._metrics.ended, len(questions))

    def close(self, timeout_seconds: float) -> bool:
        """Answers no more scores, and waits until those answered were observed; False when that takes longer."""
        return self._answering.close(timeout_seconds)

    def _answers(self, questions: Sequence[Question], scored: list[engine.Scored]) -> list[Answer]:
        """The answers to questions, in order. ``scored`` gets what was scored for those that have a score.

        Where scoring fails, each half is scored by itself, until only those fail that cause it.
        """
        seen: list[engine.Scored] = []
        try:
            answers = [_answer(result) for result in engine.answer(questions, seen.append)]
        except Exception as error:  # noqa: BLE001
            if len(questions) == 1:
                return [failed(error)]
            half = len(questions) // 2
            return self._answers(questions[:half], scored) + self._answers(questions[half:], scored)
        scored += seen
        return answers

    def queued(self, change: int) -> None:
        """Counts questions that began, or ended, to wait for more than a moment. Never raises."""
        self._note(self._metrics.queued, change)

    def drop(self, question: Question, answer: Answer) -> None:
        """Forgets a question that nobody waits for any more, and counts what it is told instead. Never raises."""
        self._admission.dropped(question.seconds)
        self._note(self._count, [question], [answer])

    def _observe(self, scored: Sequence[engine.Scored]) -> None:
        for each in scored:
            self._note(self._metrics.scored, each.route, each.outcome)
            for observe in self._observers:
                self._note(observe, each)

    @staticmethod
    def _note(note: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Counts or observes. No caller waits for it, so one that fails is no reason to go without the others."""
        try:
            note(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            log_failure("calls could not be counted or observed", error)

    def _question(self, call: Incoming) -> Question:
        if not self._all_may_score:
            self._policy.authorize(call.caller(), Action.SCORE)
        request, catalog = decoded(pb.ScoreRequest, call.message), self._catalog()
        # Before the entities are read, which costs more than all the rest of a refusal.
        seconds = seconds_of(request, catalog)
        self._admission.take(seconds, call.deadline)
        try:
            return question_of(request, catalog, seconds=seconds, arrived=call.arrived)
        except BaseException:
            self._admission.dropped(seconds)
            raise

    def _described(self, method: Method, call: Incoming) -> Answer:
        self.authorize(method.action, call.caller)
        request = decoded(method.request, call.message)
        return Answer(method.answer(request, self._catalog(), call.caller()).SerializeToString())

    def _count(self, questions: Sequence[Question], answers: Sequence[Answer]) -> None:
        """Counts calls that have all labels in common together, because counting one by one costs more."""
        now = time.perf_counter()
        alike: dict[tuple[str, grpc.StatusCode, str], list[float]] = {}
        for question, answer in zip(questions, answers, strict=True):
            key = question.route.name, answer.code, answer.error.reason if answer.error else ""
            alike.setdefault(key, []).append(now - question.arrived)
        for (route, code, reason), seconds in alike.items():
            self._metrics.calls(SCORE, seconds, code=code, reason=reason, route=route)

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
    log_failure("unexpected failure", error)
    return Answer.failed(CallError(Reason.INTERNAL, "the server failed; its log says how"))
