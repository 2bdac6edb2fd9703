"""The metrics that controllers record."""

from collections.abc import Sequence
from typing import Protocol

from scoreline_server.controllers.readings import Reading


class Counting(Protocol):
    """Counts what controllers do; ``Uncounted`` is its twin where there is nobody to count for."""

    def ramp_looked(self, route: str, arm: str, share: float, readings: Sequence[Reading]) -> None:
        """The guards of a running ramp were evaluated; ``share`` of the units, 0 to 1, are in the growing arm."""

    def ramp_moved(self, route: str, arm: str, move: str) -> None:
        """A move of a ramp was committed."""

    def reallocated(self, route: str) -> None:
        """New weights were committed."""

    def controller_failed(self) -> None:
        """A look at a route failed."""


class Uncounted:
    """Counts nothing."""

    def ramp_looked(self, route: str, arm: str, share: float, readings: Sequence[Reading]) -> None:
        """Counts nothing."""

    def ramp_moved(self, route: str, arm: str, move: str) -> None:
        """Counts nothing."""

    def reallocated(self, route: str) -> None:
        """Counts nothing."""

    def controller_failed(self) -> None:
        """Counts nothing."""
