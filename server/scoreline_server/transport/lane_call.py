"""One call of the hot lane, from its arrival to its status."""

import time
from typing import Any, Protocol

import grpc

from scoreline_server.rpc.authority import Caller
from scoreline_server.rpc.pipeline import Answer, Metadata
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.transport import completion_queue

_NEVER = float("inf")
_EMPTY = Answer(code=grpc.StatusCode.UNIMPLEMENTED, details="the call ended without a message")


class Carrier(Protocol):
    """The lane, as a call knows it."""

    def heard(self, call: "LaneCall") -> None:
        """A call's message has come, or will not come."""

    def take(self, call: "LaneCall") -> None:
        """Takes a call with its message, to be admitted as soon as no more are coming."""

    def lost(self, call: "LaneCall") -> None:
        """Nobody waits for a call any more: what it was going to cost is free for others at once."""

    def ended(self) -> None:
        """A call is over: its status was sent or nobody wants it."""


class LaneCall:
    """One call from its arrival to its status, as the pipeline takes it; ``opened`` is in seconds of time.time()."""

    __slots__ = (
        "_call",
        "_is_answered",
        "_lane",
        "arrived",
        "deadline",
        "is_gone",
        "is_watched",
        "message",
        "metadata",
        "method",
        "opened",
        "question",
    )

    def __init__(self, lane: Carrier, method: str, event: completion_queue.Event) -> None:
        self._lane, self.method, self._call = lane, method, event.call
        deadline: float = event.call_details.deadline
        self.deadline = None if deadline == _NEVER else deadline
        self.metadata: Metadata = event.invocation_metadata
        self.message = b""
        self._is_answered = False
        self.opened = time.time()
        self.arrived = 0.0
        self.is_gone = self.is_watched = False
        self.question: DecodedRequest | None = None

    def caller(self) -> Caller:
        """Who calls."""
        names: Any = completion_queue.auth_context(self._call).get("x509_common_name", [])
        return Caller(completion_queue.peer(self._call), names[0].decode() if names else "")

    def is_late(self, now: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and now > self.deadline

    def received(self, event: completion_queue.Event) -> None:
        """The message came, or will not come."""
        self._lane.heard(self)
        message = completion_queue.message_of(event)
        if message is None:
            self.answer(_EMPTY)
        elif not self._is_answered:
            self.message, self.arrived = message, time.perf_counter()
            self._lane.take(self)

    def watch(self) -> None:
        """Asks to be told when the caller goes away; a caller that is not watched is scored all the same."""
        # A second request would be refused, and would never let go of the call.
        if not self.is_watched:
            self.is_watched = True
            completion_queue.watch(self._call, self._closed)

    def _closed(self, event: completion_queue.Event) -> None:
        """The caller half-closed for good, was cancelled, or ran out of time."""
        if completion_queue.was_cancelled(event):
            self.is_gone = True
            self._lane.lost(self)

    def answer(self, answer: Answer) -> None:
        """Sends the call's one status; from any thread. Sending to a caller that went away does no harm."""
        if self._is_answered:
            return
        self._is_answered = True
        try:
            if answer.code is grpc.StatusCode.OK:
                completion_queue.send_answer(self._call, answer.message, self._sent)
            else:
                completion_queue.send_status(
                    self._call, answer.code.value[0], answer.details, answer.trailers, self._sent
                )
        except Exception:
            self._lane.ended()
            raise

    def _sent(self, _event: completion_queue.Event) -> None:
        self._lane.ended()
