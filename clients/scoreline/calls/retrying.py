"""Makes a call and retries it until it is answered, its deadline is over, or the policy allows no retry."""

import itertools
import math
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import Message

from scoreline.calls.retry import RetryBudget, RetryPolicy
from scoreline.calls.transport import Flow, Method, Pause, Send
from scoreline.errors import DeadlineError, InvalidRequestError, ScorelineError

MAX_TIMEOUT_SECONDS = 366 * 24 * 3600.0
"""Longer ones are cut to this: no call takes a year, and gRPC counts nanoseconds in 64 bits."""


class Deadline(NamedTuple):
    """How many seconds a caller waits, and the clock's time at which they are over."""

    seconds: float
    ends: float


class RetryingCalls:
    """Makes the calls of one client, which share a retry budget. Safe for threads."""

    def __init__(
        self,
        *,
        timeout_seconds: float,
        retry: RetryPolicy,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not _is_time(timeout_seconds):
            raise ValueError("timeout_seconds must be positive and finite")
        self._timeout_seconds = timeout_seconds
        self._retry = retry
        self._budget = RetryBudget(retry)
        self.clock, self._jitter = clock, jitter

    def deadline(self, timeout_seconds: float | None) -> Deadline:
        """The deadline of a call that begins now; None means the client's. Raises InvalidRequestError."""
        if timeout_seconds is None:
            timeout_seconds = self._timeout_seconds
        elif not _is_time(timeout_seconds):
            raise InvalidRequestError(
                f"timeout_seconds must be a positive, finite number of seconds, not {timeout_seconds!r}",
                reason="WRONG_TYPE",
            )
        seconds = min(float(timeout_seconds), MAX_TIMEOUT_SECONDS)
        return Deadline(seconds, self.clock() + seconds)

    def call(self, method: Method, request: Message, deadline: Deadline) -> Flow[Any]:
        """Makes a call, retries it as the policy says, and returns the response. Raises ScorelineError."""
        failure: ScorelineError | None = None
        for attempt in itertools.count(1):
            left = deadline.ends - self.clock()
            if left <= 0:
                raise failure or deadline_error(method, deadline, attempt - 1)
            try:
                answer = yield Send(method, request, left)
            except DeadlineError as error:
                raise deadline_error(method, deadline, attempt, error) from error
            except ScorelineError as error:
                failure, error.attempts = error, attempt
                wait = self._retry.wait_seconds(error, attempt, self._jitter())
                if wait is None or deadline.ends - self.clock() <= wait or not self._budget.take():
                    raise
            else:
                self._budget.answered()
                return answer
            yield Pause(wait)
        raise AssertionError("unreachable")


def deadline_error(
    method: Method, deadline: Deadline, attempts: int, cause: DeadlineError | None = None
) -> DeadlineError:
    """The error after a caller's deadline, with the reason and metadata of the server's own error, if it sent one."""
    facts: dict[str, Any] = {"reason": cause.reason, "metadata": cause.metadata} if cause else {}
    error = DeadlineError(f"no answer to {method} within {deadline.seconds:g} s", **facts)
    error.attempts = attempts
    return error


def _is_time(seconds: object) -> bool:
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < math.inf
