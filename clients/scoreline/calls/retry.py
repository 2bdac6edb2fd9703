"""Which failed calls are retried, when, and how often."""

import math
import threading
from dataclasses import dataclass

from scoreline.errors import ClosedError, Code, ScorelineError

_RETRYABLE = frozenset({Code.UNAVAILABLE, Code.CANCELLED})
_NOT_READY_ATTEMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Retries UNAVAILABLE, CANCELLED by the server, and RESOURCE_EXHAUSTED where the server says when to come back.

    A server that stops cancels some of its open calls, hence CANCELLED; calls that the caller cancels are not retried.
    Before attempt n + 1 a call waits ``initial_backoff_seconds * multiplier ** (n - 1)``, at most
    ``max_backoff_seconds``, times a random factor from 0.5 to 1; a server's hint is the least it waits. Retries go on
    until the caller's deadline, so that a server may restart meanwhile; ``max_attempts`` ends them earlier, 1 means
    none. A route that is not ready (ROUTE_NOT_READY) is tried four times only: no revision of it could be loaded,
    which another replica may have done, but which waiting seldom changes.

    ``budget`` keeps many clients from making an outage worse: each retry takes one from it, each answer gives
    ``budget_per_answer`` back, and where it is empty errors are raised at once (gRPC proposal A6, retry throttling).
    """

    max_attempts: int | None = None
    initial_backoff_seconds: float = 0.05
    max_backoff_seconds: float = 1.0
    multiplier: float = 2.0
    budget: float = 500.0
    budget_per_answer: float = 0.1

    def __post_init__(self) -> None:
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1; 1 means no retries")
        if not 0 < self.initial_backoff_seconds <= self.max_backoff_seconds:
            raise ValueError("initial_backoff_seconds must be positive and not above max_backoff_seconds")
        # Negated, so that NaN, for which every comparison is false, is refused as well.
        if not (self.multiplier >= 1 and self.budget >= 0 and self.budget_per_answer >= 0):
            raise ValueError("multiplier must be at least 1, budget and budget_per_answer not negative")

    def wait_seconds(self, error: ScorelineError, attempt: int, jitter: float) -> float | None:
        """How long to wait after the failure of an attempt, counted from 1; None where it is not retried.

        ``jitter`` is random in [0, 1).
        """
        if not _is_retryable(error) or attempt >= self._most_attempts(error):
            return None
        backoff = self.initial_backoff_seconds * self.multiplier ** min(attempt - 1, 64)
        wait = min(backoff, self.max_backoff_seconds) * (0.5 + jitter / 2)
        hint = error.retry_after_seconds
        # Clients with the same hint are spread over the tenth after it.
        return wait if hint is None else max(wait, hint * (1 + jitter / 10))

    def _most_attempts(self, error: ScorelineError) -> float:
        most = math.inf if self.max_attempts is None else self.max_attempts
        return min(most, _NOT_READY_ATTEMPTS) if error.reason == "ROUTE_NOT_READY" else most


def _is_retryable(error: ScorelineError) -> bool:
    hinted = error.code is Code.RESOURCE_EXHAUSTED and error.retry_after_seconds is not None
    return (error.code in _RETRYABLE or hinted) and not isinstance(error, ClosedError)


class RetryBudget:
    """The retries that one client may still make. Safe for threads."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._most, self._gain = policy.budget, policy.budget_per_answer
        self._left = policy.budget
        self._lock = threading.Lock()

    def answered(self) -> None:
        """Counts an answered call."""
        if self._left < self._most:
            with self._lock:
                self._left = min(self._left + self._gain, self._most)

    def take(self) -> bool:
        """Takes one retry, or returns False where none is left."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
