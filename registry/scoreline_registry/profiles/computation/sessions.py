"""Sessions: the current run of an entity's events, which a gap ends."""

from typing import Any


class SessionClock:
    """The state ``[start, last]`` of the current session: the times of its first and of its newest event.

    A session is a run of the entity's events, of any type of the profile, in which no event is more than ``gap``
    microseconds after the one before. So all features with one gap look at the same session, whichever of its events
    they aggregate.
    """

    __slots__ = ("gap",)

    def __init__(self, gap: int) -> None:
        self.gap = gap

    def tick(self, state: list[Any], time: int) -> None:
        """Goes on with the session, or begins one with an event at ``time``."""
        if state and time - state[1] <= self.gap:
            state[1] = time
        else:
            state[:] = (time, time)
