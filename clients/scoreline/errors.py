"""What can go wrong when scores are asked for.

    ScorelineError              the base; err.code, err.reason, err.metadata, err.retry_after_seconds, err.attempts
    ├── InvalidRequestError     the request cannot be answered as it is; the client refuses most such requests itself
    ├── NotFoundError           nothing of that name
    │   └── RouteNotFoundError  no route of that name
    ├── StaleSchemaError        the route's layout changed again while the client was packing
    ├── AccessError             the server does not know the caller, or does not let it do this
    ├── UnavailableError        no server answered, or it went away; retried before it is raised
    ├── OverloadedError         the server refused for lack of room; retried where it said when
    ├── DeadlineError           no answer within the call's time
    ├── ServerError             the server failed, or answered something that is no answer
    ├── EntityFailedError       one entity could not be scored (err.row)
    └── ClosedError             the client was closed

A code or reason that this version does not know still arrives as the nearest class above with its text intact.
No transport is known here.
"""

import copy
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Self


class Code(IntEnum):
    """The canonical status codes, with gRPC's numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @classmethod
    def _missing_(cls, value: object) -> "Code | None":
        return cls.UNKNOWN if isinstance(value, int) else None


class ScorelineError(Exception):
    """The base of every error that this package raises on purpose.

    ``code`` is the canonical status code. ``reason`` is UPPER_SNAKE as in docs/reference/errors.md, empty where
    none was given. ``metadata`` holds facts such as the feature's name.
    ``retry_after_seconds`` is the server's hint, if it gave one. ``attempts`` counts the calls that were made.
    """

    default_code = Code.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        code: Code | None = None,
        reason: str = "",
        metadata: Mapping[str, str] = MappingProxyType({}),
        retry_after_seconds: float | None = None,
    ) -> None:
        self.message = message
        self.code = self.default_code if code is None else code
        self.reason = reason
        self.metadata = dict(metadata)
        self.retry_after_seconds = retry_after_seconds
        self.attempts = 0
        super().__init__(message)


def own_copy(error: ScorelineError) -> ScorelineError:
    """The same error for another caller, with its cause: one exception cannot be raised in several places at once."""
    own = copy.copy(error)
    own.__cause__ = error.__cause__
    return own


class InvalidRequestError(ScorelineError):
    """The request cannot be answered as it is."""

    default_code = Code.INVALID_ARGUMENT


class NotFoundError(ScorelineError):
    """Nothing of that name."""

    default_code = Code.NOT_FOUND


class RouteNotFoundError(NotFoundError):
    """No route of that name."""


class StaleSchemaError(ScorelineError):
    """The route's layout changed again while the client was packing."""

    default_code = Code.FAILED_PRECONDITION


class AccessError(ScorelineError):
    """The server does not know the caller, or does not let it do this."""

    default_code = Code.PERMISSION_DENIED


class UnavailableError(ScorelineError):
    """No server answered, or it went away."""

    default_code = Code.UNAVAILABLE


class OverloadedError(ScorelineError):
    """The server refused for lack of room."""

    default_code = Code.RESOURCE_EXHAUSTED


class DeadlineError(ScorelineError):
    """No answer within the call's time."""

    default_code = Code.DEADLINE_EXCEEDED


class ServerError(ScorelineError):
    """The server failed, or answered something that is no answer."""

    default_code = Code.INTERNAL


class EntityFailedError(ScorelineError):
    """One entity could not be scored; ``row`` is its index in what was asked, from 0."""

    def __init__(self, message: str, *, row: int = 0, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.row = row

    @classmethod
    def of(cls, error: ScorelineError, *, row: int = 0) -> Self:
        """The same failure, as that of the entity at ``row``."""
        failed = cls(error.message, row=row, code=error.code, reason=error.reason, metadata=error.metadata)
        failed.attempts = error.attempts
        return failed


class ClosedError(ScorelineError):
    """The client was closed."""

    default_code = Code.CANCELLED


ENTITY_REASONS = frozenset(
    {
        "EMPTY_SEQUENCE",
        "MISSING_FEATURE",
        "MISSING_UNIT",
        "MODEL_FAILED",
        "NOT_FINITE",
        "SEQUENCE_TOO_LONG",
        "TOO_MANY_NEIGHBORS",
        "UNKNOWN_CATEGORY",
    }
)
"""The reasons that speak of one entity, whether the server gives them for a row or for a call with a single one."""

_BY_REASON: Mapping[str, type[ScorelineError]] = {
    "ROUTE_NOT_FOUND": RouteNotFoundError,
    "STALE_SCHEMA": StaleSchemaError,
}

_BY_CODE: Mapping[Code, type[ScorelineError]] = {
    Code.CANCELLED: UnavailableError,
    Code.UNKNOWN: ServerError,
    Code.INVALID_ARGUMENT: InvalidRequestError,
    Code.DEADLINE_EXCEEDED: DeadlineError,
    Code.NOT_FOUND: NotFoundError,
    Code.PERMISSION_DENIED: AccessError,
    Code.RESOURCE_EXHAUSTED: OverloadedError,
    Code.OUT_OF_RANGE: InvalidRequestError,
    Code.UNIMPLEMENTED: ServerError,
    Code.INTERNAL: ServerError,
    Code.UNAVAILABLE: UnavailableError,
    Code.DATA_LOSS: ServerError,
    Code.UNAUTHENTICATED: AccessError,
}


def error_from_status(
    code: Code,
    message: str,
    *,
    reason: str = "",
    metadata: Mapping[str, str] = MappingProxyType({}),
    retry_after_seconds: float | None = None,
) -> ScorelineError:
    """The error for a status: the class that its reason names, else the one for its code, else the base."""
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, ScorelineError)
    return kind(message, code=code, reason=reason, metadata=metadata, retry_after_seconds=retry_after_seconds)
