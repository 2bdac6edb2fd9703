"""Who travels with whom when callers of one process share calls: the rule, without locks, clocks or IO.

Callers whose questions have one key form a line. A caller who finds nothing in the way goes at once, alone. While as
many calls of the line are open as may be, callers queue, and what has queued up when one returns goes out together.
Nobody waits for a call to fill.
"""

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from scoreline.calls.attempts import Deadline, late
from scoreline.calls.transport import Method
from scoreline.decoding.row_responses import Outcome
from scoreline.encoding.row import Row
from scoreline.errors import ScorelineError

OPEN_PER_CONNECTION = 2
"""One call is scored while the next one travels."""

MOST_ROWS = 64

PATIENCE_SECONDS = 0.05
"""Where callers queue and none has gone for so long, a group goes all the same: one server that hangs must not hold up
those who could be answered by others."""

_MOST_BYTES = 1024 * 1024

W = TypeVar("W")


class Traveller(Generic[W]):
    """One caller: its row, how long it waits, since when (seconds of the monotonic clock), and what wakes it.

    ``group`` is whom it travels with once it is under way, ``leads`` the same where it makes the call.
    """

    __slots__ = ("deadline", "group", "leads", "left", "outcome", "queued", "row", "wake")

    def __init__(self, row: Row, deadline: Deadline, *, queued: float, wake: W) -> None:
        self.row, self.deadline, self.queued, self.wake = row, deadline, queued, wake
        self.group: Group[W] | None = None
        self.outcome: Outcome | None = None
        self.leads: Group[W] | None = None
        self.left = False

    def out_of_time(self) -> ScorelineError:
        """What its wait ended with: why its call's last attempt failed, or that no answer came."""
        if self.group is not None and self.group.error is not None:
            return own_copy(self.group.error)
        return late(Method.SCORE, self.deadline, 0 if self.group is None else 1)


@dataclass(slots=True, eq=False)
class Group(Generic[W]):
    """Travellers of one call. ``error`` is what its last attempt failed with, while the next one is waited for."""

    members: Sequence[Traveller[W]]
    error: ScorelineError | None = None

    @property
    def rows(self) -> list[Row]:
        """What the members ask about."""
        return [member.row for member in self.members]

    @property
    def last(self) -> Traveller[W]:
        """The member that waits longest: when its time is over, so is everyone's."""
        return max(self.members, key=lambda member: member.deadline.ends)

    @property
    def is_deserted(self) -> bool:
        """Whether nobody waits any more."""
        return all(member.left for member in self.members)


@dataclass(slots=True, eq=False)
class Line(Generic[W]):
    """The callers of one key: who waits, how many calls are open, and when the last group went.

    ``crowded`` says that the last group had several members.
    """

    waiting: deque[Traveller[W]] = field(default_factory=deque)
    open: int = 0
    moved: float = 0.0
    crowded: bool = False

    def board(self, most: int, now: float) -> Group[W] | None:
        """Takes the longest waiting, at most ``most``, as a call that is open from now on; None where nobody waits."""
        members: list[Traveller[W]] = []
        size = 0
        while self.waiting and len(members) < most:
            member = self.waiting[0]
            if not member.left:
                size += member.row.size
                if members and size > _MOST_BYTES:
                    break
                members.append(member)
            self.waiting.popleft()
        if not members:
            return None
        group = Group(members)
        for member in members:
            member.group = group
        self.open += 1
        self.moved, self.crowded = now, len(members) > 1
        return group

    def queue_again(self, members: Sequence[Traveller[W]]) -> None:
        """Puts members of a call that was broken off in front, those who have left excepted."""
        present = [member for member in members if not member.left]
        for member in present:
            member.group = None
        self.waiting.extendleft(reversed(present))

    @property
    def impatient_at(self) -> float:
        """When a group goes although as many calls are open as may be; there must be someone waiting."""
        return max(self.moved, self.waiting[0].queued) + PATIENCE_SECONDS


def own_copy(error: ScorelineError) -> ScorelineError:
    """The same error for another caller: one exception cannot be raised in several places at once."""
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own
