"""The protocol between flows, which decide, and transports, which send.

A ``Flow`` is a generator that yields steps, is sent their results and returns the result of the call. It does no IO, so
that the same flows serve threads, asyncio and tests. A transport makes one attempt of one call; retries, deadlines and
encoding are in the flows.
"""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, TypeVar

from google.protobuf.message import Message

from scoreline.errors import ScorelineError

_T = TypeVar("_T")


class Method(StrEnum):
    """The calls that a client makes."""

    SCORE = "Score"
    """ScoreRequest to ScoreResponse."""
    DECIDE = "Decide"
    """DecideRequest to DecideResponse."""
    WHAT_IF = "WhatIf"
    """WhatIfRequest to WhatIfResponse."""
    RECOURSE = "Recourse"
    """RecourseRequest to RecourseResponse."""
    SCHEMA = "GetSchema"
    """GetSchemaRequest to GetSchemaResponse."""
    OUTCOMES = "ReportOutcomes"
    """ReportOutcomesRequest to ReportOutcomesResponse."""
    COMPARISON = "GetComparison"
    """GetComparisonRequest to GetComparisonResponse."""
    RECORD = "RecordEvents"
    """RecordEventsRequest to RecordEventsResponse."""
    PROFILE = "GetEntityProfile"
    """GetEntityProfileRequest to GetEntityProfileResponse."""
    FORGET = "ForgetEntity"
    """ForgetEntityRequest to ForgetEntityResponse."""
    STATUS = "GetStatus"
    """GetStatusRequest to GetStatusResponse."""
    HEALTH = "Check"
    """The health service's request and response, as StringValue and Int32Value, which have the same bytes."""


@dataclass(frozen=True, slots=True)
class Send:
    """One attempt of a call; its result is the response or a ScorelineError."""

    method: Method
    request: Message
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait."""

    seconds: float


Flow: TypeAlias = Generator[Send | Pause, Any, _T]


class Transport(Protocol):
    """Makes calls from any thread."""

    def send(self, call: Send) -> Message:
        """Returns the answer. Raises ScorelineError, ClosedError once closed."""
        ...

    def pause(self, seconds: float) -> None:
        """Waits, at most until it is closed."""
        ...

    def close(self) -> None:
        """Ends open calls and refuses new ones."""
        ...


class AsyncTransport(Protocol):
    """Makes calls on one event loop."""

    async def send(self, call: Send) -> Message:
        """Returns the answer. Raises ScorelineError, ClosedError once closed, CancelledError if cancelled."""
        ...

    async def close(self) -> None:
        """Ends open calls and refuses new ones."""
        ...


def run(flow: Flow[_T], transport: Transport) -> _T:
    """Runs a flow on this thread."""
    try:
        step = next(flow)
        while True:
            if isinstance(step, Pause):
                transport.pause(step.seconds)
                step = flow.send(None)
                continue
            try:
                answer = transport.send(step)
            except ScorelineError as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        result: _T = done.value
        return result


async def run_async(flow: Flow[_T], transport: AsyncTransport) -> _T:
    """Runs a flow on the running event loop."""
    try:
        step = next(flow)
        while True:
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                step = flow.send(None)
                continue
            try:
                answer = await transport.send(step)
            except ScorelineError as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as done:
        result: _T = done.value
        return result
