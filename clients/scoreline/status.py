"""The status and health of a server."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from scoreline.v1 import scoring_pb2 as pb


class Health(IntEnum):
    """The answers of the standard health service (grpc.health.v1)."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3

    @classmethod
    def _missing_(cls, value: object) -> "Health | None":
        return cls.UNKNOWN if isinstance(value, int) else None


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """One route: the revision its definition was adopted from (0 while none could be), and why no newer one was."""

    route: str
    adopted_revision: int
    problem: str


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """One policy: the revision it was adopted from (0 while none could be), and why no newer one was."""

    policy: str
    adopted_revision: int
    problem: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One version of a model: whether it can score, and why not. ``row_microseconds`` is the time for one row alone."""

    model: str
    version: int
    ready: bool
    problem: str
    model_digest: str
    row_microseconds: float


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What a server has adopted and loaded, and what it failed to. ``revision`` is the newest that it has read.

    ``problem`` says why it could not read a newer one; empty while it could.
    """

    revision: int
    routes: tuple[RouteStatus, ...]
    models: tuple[ModelStatus, ...]
    server_version: str
    problem: str = ""
    policies: tuple[PolicyStatus, ...] = ()

    @classmethod
    def from_message(cls, message: pb.GetStatusResponse) -> Self:
        """Decodes the server's response."""
        return cls(
            revision=message.revision,
            routes=tuple(RouteStatus(r.route, r.adopted_revision, r.problem) for r in message.routes),
            models=tuple(
                ModelStatus(
                    m.model,
                    m.version,
                    m.state == pb.MODEL_STATE_READY,
                    m.problem,
                    m.model_digest,
                    m.row_microseconds,
                )
                for m in message.models
            ),
            server_version=message.server_version,
            problem=message.problem,
            policies=tuple(PolicyStatus(p.policy, p.adopted_revision, p.problem) for p in message.policies),
        )
