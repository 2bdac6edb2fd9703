"""The errors of the client.

    ScorelineError              the base; err.code, err.reason, err.metadata, err.retry_after_seconds, err.attempts
    ├── InvalidRequestError     a name, type or value is wrong; mostly raised before anything is sent
    ├── NotFoundError           nothing has that name
    │   └── RouteNotFoundError  no route has that name
    ├── StaleSchemaError        the route's layout changed again while the client was packing
    ├── AccessError             the server does not know the caller, or does not let it do this
    ├── UnavailableError        no server answered, or it went away; retried before it is raised
    ├── OverloadedError         the server's queue is full; retried where it says when
    ├── DeadlineError           no answer within the call's time
    ├── ServerError             the server failed, or sent an invalid response
    ├── EntityFailedError       one entity could not be scored (err.row)
    └── ClosedError             the client was closed

A code or reason that this version does not know becomes the nearest class above, with its text. This module knows no
transport.
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
    """The base of this package's errors.

    ``code`` is the canonical status code. ``reason`` is UPPER_SNAKE as in docs/reference/errors.md, empty where
    none was given. ``metadata`` holds facts such as the feature's name.
    ``retry_after_seconds`` is the server's hint, if it gave one. ``attempts`` is the number of calls made.
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
    """A name, type or value of the request is wrong."""

    default_code = Code.INVALID_ARGUMENT


class NotFoundError(ScorelineError):
    """Nothing has that name."""

    default_code = Code.NOT_FOUND


class RouteNotFoundError(NotFoundError):
    """No route has that name."""


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
    """The server's queue is full."""

    default_code = Code.RESOURCE_EXHAUSTED


class DeadlineError(ScorelineError):
    """No answer within the call's time."""

    default_code = Code.DEADLINE_EXCEEDED


class ServerError(ScorelineError):
    """The server failed, or sent an invalid response."""

    default_code = Code.INTERNAL


class EntityFailedError(ScorelineError):
    """One entity could not be scored; ``row`` is its index among the entities of the call, from 0."""

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
        "INVALID_EVENT",
        "MISSING_FEATURE",
        "MISSING_UNIT",
        "MODEL_FAILED",
        "NOT_FINITE",
        "SEQUENCE_TOO_LONG",
        "TOO_MANY_NEIGHBORS",
        "UNKNOWN_CATEGORY",
    }
)
"""The reasons of errors of one entity, in a response of many rows or for a call with a single one."""

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
