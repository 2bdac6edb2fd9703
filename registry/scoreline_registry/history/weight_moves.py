"""Changes of a route's weights that follow evidence: moves of its ramp, and reallocations. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from scoreline_registry.errors import ConflictError, InvalidError
from scoreline_registry.history.changes import RouteChange, Signature
from scoreline_registry.history.state import State
from scoreline_registry.routing.allocation import ArmEvidence
from scoreline_registry.routing.ramp import MAX_EVIDENCE, GuardEvidence, RampMoveName
from scoreline_registry.routing.ramping import moved
from scoreline_registry.routing.reallocation import reallocated


@dataclass(frozen=True, slots=True)
class MoveRamp(RouteChange):
    """Moves the ramp of a route, with the guards' figures that led to it.

    ``step`` is the index of the step that its author saw, None for any. A move that was made already changes nothing.
    Raises ConflictError where the ramp is at another step, NotFoundError, and RefusedError for a move that the ramp's
    status does not allow. Give ``commit`` the route's digest as ``if_match`` where others may move it too.
    """

    move: RampMoveName
    evidence: tuple[GuardEvidence, ...] = ()
    step: int | None = None
    at: datetime | None = None
    revision: int = 0

    def __post_init__(self) -> None:
        RouteChange.__post_init__(self)
        if len(self.evidence) > MAX_EVIDENCE:
            raise InvalidError("ramp", [f"{len(self.evidence)} figures of guards; at most {MAX_EVIDENCE} are kept"])

    def signed(self, signature: Signature) -> "MoveRamp":
        """The move at the time and with the number of its commit."""
        return replace(self, at=signature.at, revision=signature.seen + 1)

    def apply(self, state: State) -> State:
        """The state with the ramp moved."""
        document = state.routes.require(self.route)
        at_step = document.ramp_state.step if document.ramp_state else None
        if self.step is not None and self.step != at_step:
            raise ConflictError("route", self.route)
        return state.with_route(
            moved(document, self.move, now=_time(self.at), revision=self.revision, evidence=self.evidence)
        )


@dataclass(frozen=True, slots=True)
class Reallocate(RouteChange):
    """Gives the arms of a route's allocation new weights, in millionths that total 1,000,000.

    Units keep their arm unless its share shrank. Raises NotFoundError, and RefusedError for weights below the floor.
    """

    weights: Mapping[str, int]
    evidence: tuple[ArmEvidence, ...] = field(default=())
    at: datetime | None = None

    def signed(self, signature: Signature) -> "Reallocate":
        """The change at the time of its commit."""
        return replace(self, at=signature.at)

    def apply(self, state: State) -> State:
        """The state with the new weights."""
        document = state.routes.require(self.route)
        return state.with_route(reallocated(document, self.weights, now=_time(self.at), evidence=self.evidence))


def _time(at: datetime | None) -> datetime:
    if at is None:
        raise ValueError("a change without a time: commit it, or sign it first")
    return at
