"""One call of the hot lane, from its arrival to its status."""

import time
from typing import Protocol

import grpc

from scoreline_server.rpc.authority import Caller
from scoreline_server.rpc.pipeline import Answer, Metadata
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.transport import completion_queue

_NEVER = float("inf")
_EMPTY = Answer(code=grpc.StatusCode.UNIMPLEMENTED, details="the call ended without a message")


class CallOwner(Protocol):
    """The callbacks of a call."""

    def message_received(self, call: "LaneCall") -> None:
        """The message of a call was received, or the call ended before it was."""

    def take(self, call: "LaneCall") -> None:
        """Queues a received call for admission."""

    def lost(self, call: "LaneCall") -> None:
        """The caller of a waiting call is gone."""

    def ended(self) -> None:
        """A call has ended: its status was sent or could not be."""


class LaneCall:
    """An ``Incoming`` call of the lane, from its arrival to its status; ``opened`` is in seconds of time.time()."""

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
        "request",
    )

    def __init__(self, lane: CallOwner, method: str, event: completion_queue.Event) -> None:
        self._lane, self.method, self._call = lane, method, event.call
        deadline: float = event.call_details.deadline
        self.deadline = None if deadline == _NEVER else deadline
        self.metadata: Metadata = event.invocation_metadata
        self.message = b""
        self._is_answered = False
        self.opened = time.time()
        self.arrived = 0.0
        self.is_gone = self.is_watched = False
        self.request: DecodedRequest | None = None

    def caller(self) -> Caller:
        """The caller's address and the name in its certificate."""
        return Caller.of(completion_queue.peer(self._call), completion_queue.auth_context(self._call))

    def is_late(self, now: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and now > self.deadline

    def received(self, event: completion_queue.Event) -> None:
        """Called once when the request message was received, or the call ended before it was."""
        self._lane.message_received(self)
        message = completion_queue.message_of(event)
        if message is None:
            self.answer(_EMPTY)
        elif not self._is_answered:
            self.message, self.arrived = message, time.perf_counter()
            self._lane.take(self)

    def watch(self) -> None:
        """Notices from now on when the caller is gone; without it the call is scored anyway."""
        # A second request would be refused and keep the call alive for good.
        if not self.is_watched:
            self.is_watched = True
            completion_queue.watch(self._call, self._closed)

    def _closed(self, event: completion_queue.Event) -> None:
        """Called when the call was cancelled, timed out or completed."""
        if completion_queue.was_cancelled(event):
            self.is_gone = True
            self._lane.lost(self)

    def answer(self, answer: Answer) -> None:
        """Sends the call's one status; from any thread, also to a caller that is gone."""
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
