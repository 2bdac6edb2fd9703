"""Scoring from a registry in this process, by the server's engine and without a server."""

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.errors import ScoringError
from scoreline_server.loading.watcher import Watcher
from scoreline_server.rpc import discovery
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import decode_request


class LocalScorer:
    """Scores as a server of the registry's newest revision would.

    Raises ScoringError (``reason``, ``message``, ``metadata``, ``code``) where a server would fail the call.
    """

    def __init__(self, registry: str) -> None:
        self._watcher = Watcher(Registry.open(registry), poll_seconds=1)
        self._watcher.refresh()

    def schema(self, route: str) -> pb.GetSchemaResponse:
        """The schema of a route."""
        return discovery.schema(pb.GetSchemaRequest(route=route), self._watcher.catalog)

    def score(self, request: pb.ScoreRequest) -> pb.ScoreResponse:
        """Scores 1 to 1,024 entities."""
        route = self._watcher.catalog.route(request.route)
        (response,) = engine.score([decode_request(request, route)])
        if isinstance(response, ScoringError):
            raise response
        return pb.ScoreResponse.FromString(response)
