"""The reasons of every error that callers see, and the one table that gives each its gRPC code.

``docs/reference/errors.md`` explains each to callers; a test holds that page against this table.
"""

from enum import StrEnum

import grpc

from scoreline_registry.errors import (
    ConflictError,
    CorruptError,
    GateError,
    InvalidError,
    InvalidNameError,
    NotFoundError,
    RefusedError,
    RegistryError,
    SchemaVersionError,
    StorageError,
)


class Reason(StrEnum):
    """UPPER_SNAKE reasons as they stand in google.rpc.ErrorInfo and in EntityError."""

    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    ROUTE_NOT_READY = "ROUTE_NOT_READY"
    NO_ENTITIES = "NO_ENTITIES"
    TOO_MANY_ENTITIES = "TOO_MANY_ENTITIES"
    TWO_FORMS = "TWO_FORMS"
    WRONG_BLOCK_LENGTH = "WRONG_BLOCK_LENGTH"
    WRONG_INDEX = "WRONG_INDEX"
    STALE_SCHEMA = "STALE_SCHEMA"
    UNKNOWN_EXTRA = "UNKNOWN_EXTRA"
    UNKNOWN_FEATURE = "UNKNOWN_FEATURE"
    WRONG_TYPE = "WRONG_TYPE"
    MISSING_FEATURE = "MISSING_FEATURE"
    NOT_FINITE = "NOT_FINITE"
    UNKNOWN_CATEGORY = "UNKNOWN_CATEGORY"
    MISSING_UNIT = "MISSING_UNIT"
    UNEXPECTED_SEQUENCE = "UNEXPECTED_SEQUENCE"
    EMPTY_SEQUENCE = "EMPTY_SEQUENCE"
    SEQUENCE_TOO_LONG = "SEQUENCE_TOO_LONG"
    UNEXPECTED_NEIGHBORS = "UNEXPECTED_NEIGHBORS"
    TOO_MANY_NEIGHBORS = "TOO_MANY_NEIGHBORS"
    MODEL_FAILED = "MODEL_FAILED"
    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"
    REFUSED = "REFUSED"
    CONFLICT = "CONFLICT"
    DAMAGED = "DAMAGED"
    STORAGE_FAILED = "STORAGE_FAILED"
    SELF_TEST_FAILED = "SELF_TEST_FAILED"
    NO_MEMORY_LEFT = "NO_MEMORY_LEFT"
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    NOT_ALLOWED = "NOT_ALLOWED"
    OVERLOADED = "OVERLOADED"
    STOPPING = "STOPPING"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


_EXCEPTIONS = {
    Reason.ROUTE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.ROUTE_NOT_READY: grpc.StatusCode.UNAVAILABLE,
    Reason.STALE_SCHEMA: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_FAILED: grpc.StatusCode.INTERNAL,
    Reason.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CONFLICT: grpc.StatusCode.ABORTED,
    Reason.DAMAGED: grpc.StatusCode.DATA_LOSS,
    Reason.STORAGE_FAILED: grpc.StatusCode.UNAVAILABLE,
    Reason.SELF_TEST_FAILED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.NO_MEMORY_LEFT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.TOO_MANY_STREAMS: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.STOPPING: grpc.StatusCode.UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}

# The most telling class first: an error gets the reason of the first class that it is an instance of.
_REGISTRY_REASONS: tuple[tuple[type[RegistryError], Reason], ...] = (
    (NotFoundError, Reason.NOT_FOUND),
    (ConflictError, Reason.CONFLICT),
    (RefusedError, Reason.REFUSED),
    (GateError, Reason.REFUSED),
    (InvalidError, Reason.INVALID),
    (InvalidNameError, Reason.INVALID),
    (CorruptError, Reason.DAMAGED),
    (SchemaVersionError, Reason.DAMAGED),
    (StorageError, Reason.STORAGE_FAILED),
)

CODES = {reason: _EXCEPTIONS.get(reason, grpc.StatusCode.INVALID_ARGUMENT) for reason in Reason}


def numeric_code(reason: Reason) -> int:
    """The reason's canonical code as the wire numbers it."""
    number: int = CODES[reason].value[0]
    return number


def reason_of(error: RegistryError) -> Reason:
    """The reason that a registry's error becomes."""
    return next((reason for kind, reason in _REGISTRY_REASONS if isinstance(error, kind)), Reason.INTERNAL)
