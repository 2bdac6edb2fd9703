"""The seam of stores of limits: what counts actions for all workers and hosts at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from scoreline_registry.decisions.reservations import Counter, Grant, Mark, Reservation, Usage

REPEATABLE_US = 600_000_000
"""How long a grant is known by its request, in microseconds: ten minutes."""

GRACE_US = 3_600_000_000
"""How long a counter that has ended is kept at least, in microseconds: an hour, for clocks that are behind."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The size of a store.

    Attributes:
        counters: windows and totals that are kept; some may have ended.
        requests: grants that are known by their request; some may have ended.
    """

    counters: int = 0
    requests: int = 0


class LimitStore(Protocol):
    """Counts actions. Every method may be called by several threads and processes at once.

    Times are the caller's, in microseconds since 1970: hosts that share a store keep their clocks together, by NTP. A
    window that holds a time after the caller's counts it, so that a clock that is behind never exceeds a limit.

    A window keeps the times that the longest span and the highest limit which it has been checked with need. A check
    with a longer span than all before it sees what those have kept.

    All raise LimitStoreError where the store cannot be reached, is full or damaged. A call that failed has changed all
    or nothing, and which of both is unknown where the connection was lost: what was not answered may be counted.
    """

    def reserve(self, reservations: Sequence[Reservation], now_us: int) -> list[Grant]:
        """Grants each the first action all of whose checks hold, and counts it, in one durable step for all.

        They are granted in order: a later one sees what the earlier have added. The ``others`` of each are looked at
        before its own action is added.
        """

    def release(self, reservations: Sequence[Reservation], now_us: int) -> int:
        """Takes back what was granted to requests that are not answered; how many grants were taken back.

        A reservation is looked up by its ``request`` and must have the claims that it was granted with. One without a
        request, or whose grant is not known any more, changes nothing.
        """

    def note(self, marks: Sequence[Mark], now_us: int) -> None:
        """Notes marks in their windows. One that is there, or has ended, changes nothing."""

    def read(self, counters: Sequence[Counter]) -> list[Usage]:
        """What counters hold, in order; nothing was counted where one is not there. Changes nothing."""

    def forget(self, unit: str) -> bool:
        """Removes all that is counted of a unit for good; whether there was anything.

        Sums over all units stay, and so does a grant under the digest of its request until its ten minutes end.
        """

    def stats(self) -> Stats:
        """How much is stored. Looks at everything: not for each scrape of metrics."""

    def close(self) -> None:
        """Releases files and connections."""


def request_digest(request: str) -> bytes:
    """The 16 bytes that a store knows a request by, which name no unit."""
    return blake2b(request.encode(), digest_size=16).digest()
