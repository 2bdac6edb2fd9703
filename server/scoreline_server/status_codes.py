"""The gRPC status code of each error reason, as ``docs/reference/errors.md`` lists them for callers."""

import grpc

from scoreline_registry.errors import (
    ConflictError,
    CorruptError,
    GateError,
    InvalidError,
    InvalidNameError,
    MissingExtraError,
    NotFoundError,
    RefusedError,
    RegistryError,
    SchemaVersionError,
    StorageError,
)
from scoreline_server.errors import ErrorReason

_EXCEPTIONS = {
    ErrorReason.ROUTE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.ROUTE_NOT_READY: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.POLICY_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.POLICY_NOT_READY: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.LIMITS_OFF: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.STALE_SCHEMA: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.MODEL_FAILED: grpc.StatusCode.INTERNAL,
    ErrorReason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorReason.REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.CONFLICT: grpc.StatusCode.ABORTED,
    ErrorReason.DAMAGED: grpc.StatusCode.DATA_LOSS,
    ErrorReason.STORAGE_FAILED: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.SELF_TEST_FAILED: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.NO_MEMORY_LEFT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.TOO_MANY_STREAMS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.JOURNAL_OFF: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.REASONS_MISSING: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.PROFILES_OFF: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.PROFILE_STORE_FAILED: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.LIMIT_STORE_FAILED: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.NOTHING_TO_CHANGE: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.EXTRA_MISSING: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorReason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorReason.NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorReason.STOPPING: grpc.StatusCode.UNAVAILABLE,
    ErrorReason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorReason.INTERNAL: grpc.StatusCode.INTERNAL,
}

# The most specific class first: an error gets the reason of the first class that it is an instance of.
_REGISTRY_REASONS: tuple[tuple[type[RegistryError], ErrorReason], ...] = (
    (NotFoundError, ErrorReason.NOT_FOUND),
    (ConflictError, ErrorReason.CONFLICT),
    (RefusedError, ErrorReason.REFUSED),
    (GateError, ErrorReason.REFUSED),
    (InvalidError, ErrorReason.INVALID),
    (InvalidNameError, ErrorReason.INVALID),
    (CorruptError, ErrorReason.DAMAGED),
    (SchemaVersionError, ErrorReason.DAMAGED),
    (StorageError, ErrorReason.STORAGE_FAILED),
    (MissingExtraError, ErrorReason.EXTRA_MISSING),
)

CODES = {reason: _EXCEPTIONS.get(reason, grpc.StatusCode.INVALID_ARGUMENT) for reason in ErrorReason}


def numeric_code(reason: ErrorReason) -> int:
    """The number of a reason's gRPC status code."""
    number: int = CODES[reason].value[0]
    return number


def reason_of(error: RegistryError) -> ErrorReason:
    """The reason of a call that a registry's error fails."""
    return next((reason for kind, reason in _REGISTRY_REASONS if isinstance(error, kind)), ErrorReason.INTERNAL)
