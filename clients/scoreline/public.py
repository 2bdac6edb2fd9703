"""The public names, which ``scoreline`` offers as its own."""

from scoreline.aio_client import AsyncClient
from scoreline.calls.retry import RetryPolicy
from scoreline.channel.tls import TlsOptions
from scoreline.client import Client
from scoreline.decoding.changes import (
    FeatureChange,
    InterventionPath,
    PathStep,
    Recourse,
    RecourseState,
    RecourseWay,
    Scenario,
    WhatIf,
)
from scoreline.decoding.decisions import Decision, DecisionTrace, Suppression
from scoreline.decoding.explanations import Explanation, ReasonCode
from scoreline.decoding.profiles import EntityProfile, EventsReport, Forgotten, RefusedEvent
from scoreline.decoding.results import DataQuality, ExtraColumn, ProfileState, Reason, Score, Scores
from scoreline.encoding.entities import Columns, Entity
from scoreline.encoding.events import Event
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
from scoreline.outcomes import Outcome, OutcomesReport, RefusedOutcome
from scoreline.schema import FeatureKind, FeatureSchema, NeighborSchema, RouteSchema, SequenceSchema
from scoreline.status import Health, ModelStatus, PolicyStatus, RouteStatus, ServerStatus

__all__ = [
    "AccessError",
    "AsyncClient",
    "Client",
    "ClosedError",
    "Code",
    "Columns",
    "DataQuality",
    "DeadlineError",
    "Decision",
    "DecisionTrace",
    "Entity",
    "EntityFailedError",
    "EntityProfile",
    "Event",
    "EventsReport",
    "Explanation",
    "ExtraColumn",
    "FeatureChange",
    "FeatureKind",
    "FeatureSchema",
    "Forgotten",
    "Health",
    "InterventionPath",
    "InvalidRequestError",
    "ModelStatus",
    "NeighborSchema",
    "NotFoundError",
    "Outcome",
    "OutcomesReport",
    "OverloadedError",
    "PathStep",
    "PolicyStatus",
    "ProfileState",
    "Reason",
    "ReasonCode",
    "Recourse",
    "RecourseState",
    "RecourseWay",
    "RefusedEvent",
    "RefusedOutcome",
    "RetryPolicy",
    "RouteNotFoundError",
    "RouteSchema",
    "RouteStatus",
    "Scenario",
    "Score",
    "ScorelineError",
    "Scores",
    "SequenceSchema",
    "ServerError",
    "ServerStatus",
    "StaleSchemaError",
    "Suppression",
    "TlsOptions",
    "UnavailableError",
    "WhatIf",
]
