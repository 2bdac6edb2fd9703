"""What can go wrong while serving.

    ServingError
    ├── CallError      a call that cannot be answered                           (err.reason, err.metadata)
    │   └── ScoringError   a call, or one entity of a call, that cannot be scored
    ├── LoadError      a version that must not serve                            (err.model, err.version, err.detail)
    ├── StopError      a server that did not end as it should                   (err.detail)
    └── StartError     a server that cannot start                               (err.detail)

No transport is known here: ``reasons`` says which gRPC code each reason has.
"""

from collections.abc import Mapping

from scoreline_server.reasons import Reason


class ServingError(Exception):
    """The base of every error that this package raises on purpose."""


class CallError(ServingError):
    """A call that cannot be answered."""

    def __init__(self, reason: Reason, message: str, **metadata: object) -> None:
        self.reason = reason
        self.message = message
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}
        self.retry_after_seconds: float | None = None
        super().__init__(message)


class ScoringError(CallError):
    """A call, or one entity of a call, that cannot be scored."""


class LoadError(ServingError):
    """A version that must not serve."""

    def __init__(self, model: str, version: int, detail: str) -> None:
        self.model, self.version, self.detail = model, version, detail
        super().__init__(f"{model}@{version} was not loaded: {detail}")


class StopError(ServingError):
    """A server that did not end as it should."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class StartError(ServingError):
    """A server that cannot start."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)
