"""The table of unary methods that the pipeline answers: path, request message, permission and handler of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.rpc import discovery
from scoreline_server.rpc.authority import ANONYMOUS, Action, Caller
from scoreline_server.scoring.catalog import Catalog

SCORE = "/scoreline.v1.ScoringService/Score"
DECIDE = "/scoreline.v1.DecisionService/Decide"
SCORE_STREAM = "/scoreline.v1.ScoringService/ScoreStream"
GET_STATUS = "/scoreline.v1.StatusService/GetStatus"
WATCH_REVISIONS = "/scoreline.v1.RegistryService/WatchRevisions"
RECORD_EVENT_STREAM = "/scoreline.v1.ProfileService/RecordEventStream"


@dataclass(frozen=True, slots=True)
class Method:
    """One method. ``answer`` gets the request, the current catalog and the caller, and may raise CallError."""

    path: str
    request: type[Message]
    action: Action
    answer: Callable[[Any, Catalog, Caller], Message]


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a call came in, until when it may take, and from whom.

    Attributes:
        deadline: in seconds of ``time.time()``; None for none.
        arrived: in seconds of ``time.perf_counter()``.
        caller: whose it is; called only where a permission depends on it.
    """

    deadline: float | None
    arrived: float
    caller: Callable[[], Caller] = lambda: ANONYMOUS


@dataclass(frozen=True, slots=True)
class ScoringMethod:
    """A method that scores rows: ``answer`` gets the request, the current catalog and the call's arrival."""

    path: str
    request: type[Message]
    action: Action
    answer: Callable[[Any, Catalog, Arrival], Message]


def discovery_methods() -> list[Method]:
    """GetSchema, GetAssignment and GetStatus."""
    scoring = "/scoreline.v1.ScoringService/"
    return [
        Method(scoring + "GetSchema", pb.GetSchemaRequest, Action.DESCRIBE, discovery.schema),
        Method(scoring + "GetAssignment", pb.GetAssignmentRequest, Action.DESCRIBE, discovery.assignment),
        Method(GET_STATUS, pb.GetStatusRequest, Action.DESCRIBE, discovery.status),
    ]


def status_method(problem: Callable[[], str]) -> Method:
    """GetStatus that also reports local problems, such as the journal's; replaces the one of ``discovery_methods``."""

    def status(request: pb.GetStatusRequest, catalog: Catalog, caller: Caller) -> pb.GetStatusResponse:
        answer = discovery.status(request, catalog, caller)
        answer.problem = "; ".join(filter(None, (answer.problem, problem())))
        return answer

    return Method(GET_STATUS, pb.GetStatusRequest, Action.DESCRIBE, status)
