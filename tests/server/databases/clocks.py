"""A clock for stores and the pauses of those that fail."""


class Clock:
    """A clock that a test moves, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now
