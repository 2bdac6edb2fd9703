"""The error of a graph that cannot be published; who raises it does not know the model's name."""

from collections.abc import Sequence


class UnfitError(Exception):
    """A graph that cannot be published; ``problems`` are all that were found together."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def refuse(problems: Sequence[str]) -> None:
    """Raises UnfitError where there are problems."""
    if problems:
        raise UnfitError(problems)
