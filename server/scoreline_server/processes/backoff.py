"""How long to wait before a worker that ended is started again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from one failure to the next.

    A worker that lived for ``stable_seconds`` had started well: counting restarts at its end.
    """

    first_seconds: float = 0.1
    most_seconds: float = 30.0
    stable_seconds: float = 30.0

    def failures(self, before: int, lived_seconds: float) -> int:
        """The failures in a row, with the one that ended a life of that length."""
        return 1 if lived_seconds >= self.stable_seconds else before + 1

    def wait_seconds(self, failures: int, jitter: float) -> float:
        """The wait after that many failures in a row, from 1; ``jitter`` is random in [0, 1)."""
        doubled = self.first_seconds * 2.0 ** min(failures - 1, 32)
        return min(doubled, self.most_seconds) * (0.5 + jitter / 2)
