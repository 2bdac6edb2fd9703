"""The client of Scoreline: scores for people and accounts, over gRPC.

    import scoreline

    with scoreline.Client("scoring.internal:50051") as client:
        score = client.score("credit", {"income": 4200.0, "status": "employed"}, entity_id="c-17")
        print(score.score, score.model, score.version, score.reason.name)

``AsyncClient`` is the same for asyncio. Names load what they need when they are first used, so that the ``scoreline``
command starts without gRPC and numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from scoreline.version import __version__

if TYPE_CHECKING:
    from scoreline.aio_client import AsyncClient
    from scoreline.calls.retry import RetryPolicy
    from scoreline.channel.tls import TlsOptions
    from scoreline.client import Client
    from scoreline.decoding.results import DataQuality, ExtraColumn, Reason, Score, Scores
    from scoreline.encoding.entities import Columns, Entity
    from scoreline.errors import (
        AccessError,
        ClosedError,
        Code,
        DeadlineError,
        EntityFailedError,
        InvalidRequestError,
        NotFoundError,
        OverloadedError,
        RouteNotFoundError,
        ScorelineError,
        ServerError,
        StaleSchemaError,
        UnavailableError,
    )
    from scoreline.schema import FeatureKind, FeatureSchema, NeighborSchema, RouteSchema, SequenceSchema
    from scoreline.status import Health, ModelStatus, RouteStatus, ServerStatus

_HOMES = {
    "AccessError": "errors",
    "AsyncClient": "aio_client",
    "Client": "client",
    "ClosedError": "errors",
    "Code": "errors",
    "Columns": "encoding.entities",
    "DataQuality": "decoding.results",
    "DeadlineError": "errors",
    "Entity": "encoding.entities",
    "EntityFailedError": "errors",
    "ExtraColumn": "decoding.results",
    "FeatureKind": "schema",
    "FeatureSchema": "schema",
    "Health": "status",
    "InvalidRequestError": "errors",
    "ModelStatus": "status",
    "NeighborSchema": "schema",
    "NotFoundError": "errors",
    "OverloadedError": "errors",
    "Reason": "decoding.results",
    "RetryPolicy": "calls.retry",
    "RouteNotFoundError": "errors",
    "RouteSchema": "schema",
    "RouteStatus": "status",
    "Score": "decoding.results",
    "ScorelineError": "errors",
    "Scores": "decoding.results",
    "SequenceSchema": "schema",
    "ServerError": "errors",
    "ServerStatus": "status",
    "StaleSchemaError": "errors",
    "TlsOptions": "channel.tls",
    "UnavailableError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "AccessError",
    "AsyncClient",
    "Client",
    "ClosedError",
    "Code",
    "Columns",
    "DataQuality",
    "DeadlineError",
    "Entity",
    "EntityFailedError",
    "ExtraColumn",
    "FeatureKind",
    "FeatureSchema",
    "Health",
    "InvalidRequestError",
    "ModelStatus",
    "NeighborSchema",
    "NotFoundError",
    "OverloadedError",
    "Reason",
    "RetryPolicy",
    "RouteNotFoundError",
    "RouteSchema",
    "RouteStatus",
    "Score",
    "ScorelineError",
    "Scores",
    "SequenceSchema",
    "ServerError",
    "ServerStatus",
    "StaleSchemaError",
    "TlsOptions",
    "UnavailableError",
    "__version__",
]
