"""The reasons of every error that callers see, and the one table that gives each its gRPC code.

``docs/errors.md`` explains each to callers; a test holds that page against this table.
"""

from enum import StrEnum

import grpc


class Reason(StrEnum):
    """UPPER_SNAKE reasons as they stand in google.rpc.ErrorInfo and in EntityError."""

    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    ROUTE_NOT_READY = "ROUTE_NOT_READY"
    NO_ENTITIES = "NO_ENTITIES"
    TOO_MANY_ENTITIES = "TOO_MANY_ENTITIES"
    TWO_FORMS = "TWO_FORMS"
    WRONG_BLOCK_LENGTH = "WRONG_BLOCK_LENGTH"
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
    MODEL_FAILED = "MODEL_FAILED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


_EXCEPTIONS = {
    Reason.ROUTE_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.ROUTE_NOT_READY: grpc.StatusCode.UNAVAILABLE,
    Reason.STALE_SCHEMA: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.MODEL_FAILED: grpc.StatusCode.INTERNAL,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
}

CODES = {reason: _EXCEPTIONS.get(reason, grpc.StatusCode.INVALID_ARGUMENT) for reason in Reason}


def numeric_code(reason: Reason) -> int:
    """The reason's canonical code as the wire numbers it."""
    number: int = CODES[reason].value[0]
    return number
