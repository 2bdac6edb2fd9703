"""Scores from a registry in this process, without a server."""

import threading

from google.protobuf.message import Message

from scoreline.calls.transport import Send
from scoreline.errors import Code, ServerError, error_from_status
from scoreline.v1 import scoring_pb2 as pb


def log_warnings() -> None:
    """Sets up the engine's log for a command: warnings on standard error, nothing on standard output."""
    from scoreline_server import logging_config
    from scoreline_server.settings import read_settings

    logging_config.configure(read_settings(log_level="warning"))


class LocalTransport:
    """Answers calls by the server's own engine; loads the registry at the first one. Needs the extra ``server``."""

    def __init__(self, registry: str) -> None:
        from scoreline_server.local import LocalScorer

        self._scorer = LocalScorer(registry)
        self._lock = threading.Lock()

    def send(self, call: Send) -> Message:
        """Answers Score and GetSchema; raises the error that a server's answer would become."""
        from scoreline_server.errors import ScoringError
        from scoreline_server.status_codes import numeric_code

        with self._lock:
            try:
                return self._answer(call.request)
            except ScoringError as error:
                code = Code(numeric_code(error.reason))
                raise error_from_status(
                    code, error.message, reason=str(error.reason), metadata=error.metadata
                ) from error

    def pause(self, seconds: float) -> None:
        """Nothing gets better by waiting: the registry was read once."""

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, request: Message) -> Message:
        if isinstance(request, pb.ScoreRequest):
            return self._scorer.score(request)
        if isinstance(request, pb.GetSchemaRequest):
            return self._scorer.schema(request.route)
        raise ServerError("only a server has a status")
