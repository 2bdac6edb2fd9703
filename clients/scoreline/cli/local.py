"""A transport that scores from a registry in this process."""

import threading

from google.protobuf.message import Message

from scoreline.calls.transport import Send
from scoreline.errors import Code, ServerError, error_from_status
from scoreline.v1 import decisions_pb2
from scoreline.v1 import scoring_pb2 as pb


def log_warnings() -> None:
    """Sends the warnings of the server's code to standard error, and nothing to standard output."""
    from scoreline_server import logging_config
    from scoreline_server.settings import read_settings

    logging_config.configure(read_settings(log_level="warning"))


class LocalTransport:
    """Answers calls with the server's scoring code; the first one loads the registry. Needs the extra ``server``."""

    def __init__(self, registry: str) -> None:
        from scoreline_server.local import LocalScorer

        self._scorer = LocalScorer(registry)
        self._lock = threading.Lock()

    def send(self, call: Send) -> Message:
        """Answers Score, GetSchema, WhatIf and Recourse. Raises the error that a client would raise for a server's."""
        from scoreline_server.errors import CallError
        from scoreline_server.status_codes import numeric_code

        with self._lock:
            try:
                return self._answer(call.request)
            except CallError as error:
                code = Code(numeric_code(error.reason))
                raise error_from_status(
                    code, error.message, reason=str(error.reason), metadata=error.metadata
                ) from error

    def pause(self, seconds: float) -> None:
        """Does not wait: the registry is read once."""

    def close(self) -> None:
        """Does nothing: no connection is open."""

    def _answer(self, request: Message) -> Message:
        if isinstance(request, pb.ScoreRequest):
            return self._scorer.score(request)
        if isinstance(request, pb.GetSchemaRequest):
            return self._scorer.schema(request)
        if isinstance(request, decisions_pb2.WhatIfRequest):
            return self._scorer.what_if(request)
        if isinstance(request, decisions_pb2.RecourseRequest):
            return self._scorer.recourse(request)
        raise ServerError("only a server has a status, and decides")
