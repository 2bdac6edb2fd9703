"""Scoring from a registry in this process, by the server's engine and without a server."""

import math

import structlog

from scoreline.v1 import decisions_pb2
from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.decisions.recourse_rules import RuleCache
from scoreline_server.errors import ScoringError
from scoreline_server.events.opening import open_profiles
from scoreline_server.loading.watcher import Watcher
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.timed_reading import TimedStates
from scoreline_server.rpc import discovery
from scoreline_server.rpc.admission import Admission
from scoreline_server.rpc.changed_row_calls import Searches
from scoreline_server.rpc.methods import Arrival
from scoreline_server.rpc.recourse_calls import RecourseCalls
from scoreline_server.rpc.thread_slots import ThreadSlots
from scoreline_server.rpc.what_if_calls import WhatIfCalls
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import decode_request
from scoreline_server.scoring.route_profiles import NO_STORE, StateReader
from scoreline_server.settings import Settings, read_settings

_log = structlog.get_logger()

# No other call waits, and the first read opens the store.
_READ_SECONDS = 10.0

_ALONE = Arrival(deadline=None, arrived=0.0)


class LocalScorer:
    """Scores as a server of the registry's newest revision would, also from the state of profiles.

    The store of profiles is that of the settings in the environment. Raises ScoringError (``reason``, ``message``,
    ``metadata``, ``code``) where a server would fail the call.
    """

    def __init__(self, registry: str) -> None:
        opened = Registry.open(registry)
        self._states = _states(read_settings(registry=registry), opened)
        self._watcher = Watcher(opened, poll_seconds=1, states=self._states)
        self._watcher.refresh()
        searches = Searches(admission=Admission(max_queue_seconds=math.inf), slots=ThreadSlots(1))
        rules = RuleCache(opened.read_file)
        self._what_if, self._recourse = WhatIfCalls(searches, rules), RecourseCalls(searches, rules)

    def schema(self, request: pb.GetSchemaRequest) -> pb.GetSchemaResponse:
        """The schema of a route, or of that of a policy."""
        return discovery.schema(request, self._watcher.catalog)

    def what_if(self, request: decisions_pb2.WhatIfRequest) -> decisions_pb2.WhatIfResponse:
        """Compares interventions. Raises CallError."""
        return self._what_if.what_if(request, self._watcher.catalog, _ALONE)

    def recourse(self, request: decisions_pb2.RecourseRequest) -> decisions_pb2.RecourseResponse:
        """Finds recourse. Raises CallError."""
        return self._recourse.recourse(request, self._watcher.catalog, _ALONE)

    def score(self, request: pb.ScoreRequest) -> pb.ScoreResponse:
        """Scores 1 to 1,024 entities."""
        route = self._watcher.catalog.route(request.route)
        if route.profiles is not None and self._states is NO_STORE:
            _log.warning(
                "no store of profiles here: entities are scored as without events; set SCORELINE_PROFILE_STORE"
            )
        (response,) = engine.score([decode_request(request, route)])
        if isinstance(response, ScoringError):
            raise response
        return pb.ScoreResponse.FromString(response)


def _states(settings: Settings, registry: Registry) -> StateReader:
    """The reader of the settings' store of profiles; NO_STORE where they name none, or its file is not there."""
    metrics = Metrics()
    profiles = open_profiles(settings, registry, counting=metrics)
    # A file that no server has begun is not begun by a reader.
    if profiles is None or (isinstance(profiles.store, SqliteStore) and not profiles.store.path.exists()):
        return NO_STORE
    return TimedStates(profiles.store, seconds=_READ_SECONDS, counting=metrics)
