"""The metrics that controllers record."""

from collections.abc import Mapping
from typing import Protocol


class Counting(Protocol):
    """Counts what controllers do; ``Uncounted`` is its twin where there is nobody to count for."""

    def ramp_looked(self, route: str, arm: str, share: float, figures: Mapping[str, tuple[float, float]]) -> None:
        """A running ramp was looked at: its arm's share, 0 to 1, and by guard the value and the limit."""

    def ramp_ended(self, route: str, arm: str) -> None:
        """A ramp that was looked at runs no longer."""

    def ramp_moved(self, route: str, arm: str, move: str) -> None:
        """A move of a ramp was committed."""

    def reallocated(self, route: str) -> None:
        """New weights were committed."""

    def policy_revised(self, policy: str) -> None:
        """What a policy learned was committed."""

    def controller_failed(self) -> None:
        """A look at a route failed."""


class Uncounted:
    """Counts nothing."""

    def ramp_looked(self, route: str, arm: str, share: float, figures: Mapping[str, tuple[float, float]]) -> None:
        """Counts nothing."""

    def ramp_ended(self, route: str, arm: str) -> None:
        """Counts nothing."""

    def ramp_moved(self, route: str, arm: str, move: str) -> None:
        """Counts nothing."""

    def reallocated(self, route: str) -> None:
        """Counts nothing."""

    def policy_revised(self, policy: str) -> None:
        """Counts nothing."""

    def controller_failed(self) -> None:
        """Counts nothing."""
