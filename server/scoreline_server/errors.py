"""What can go wrong while serving.

    ServingError
    ├── CallError      a call that cannot be answered                           (err.reason, err.metadata)
    │   └── ScoringError   a call, or one entity of a call, that cannot be scored
    ├── LoadError      a version that cannot be served                          (err.model, err.version, err.detail)
    ├── StopError      a server that did not stop as it should                  (err.detail)
    ├── StartError     a server that cannot start                               (err.detail)
    ├── ReplayError    journaled rows that cannot be scored again               (err.detail)
    └── StoreError     a store that cannot be read or written                   (err.detail)
        ├── ProfileStoreError     a store of profiles
        │   └── DamagedEntitiesError  entities that the store cannot read       (err.entities)
        └── LimitStoreError       a store of limits

No transport is known here: ``status_codes`` gives each reason its gRPC code.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum


class ErrorReason(StrEnum):
    """The UPPER_SNAKE reason in google.rpc.ErrorInfo and in EntityError; ``docs/reference/errors.md`` explains each."""

    MALFORMED_MESSAGE = "MALFORMED_MESSAGE"
    ROUTE_NOT_FOUND = "ROUTE_NOT_FOUND"
    ROUTE_NOT_READY = "ROUTE_NOT_READY"
    POLICY_NOT_FOUND = "POLICY_NOT_FOUND"
    POLICY_NOT_READY = "POLICY_NOT_READY"
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
    TOO_MANY_OUTCOMES = "TOO_MANY_OUTCOMES"
    TOO_MANY_EVENTS = "TOO_MANY_EVENTS"
    INVALID_EVENT = "INVALID_EVENT"
    PROFILES_OFF = "PROFILES_OFF"
    REASONS_MISSING = "REASONS_MISSING"
    PROFILE_STORE_FAILED = "PROFILE_STORE_FAILED"
    LIMITS_OFF = "LIMITS_OFF"
    LIMIT_STORE_FAILED = "LIMIT_STORE_FAILED"
    JOURNAL_OFF = "JOURNAL_OFF"
    NOTHING_TO_CHANGE = "NOTHING_TO_CHANGE"
    EXTRA_MISSING = "EXTRA_MISSING"
    NOT_ALLOWED = "NOT_ALLOWED"
    OVERLOADED = "OVERLOADED"
    STOPPING = "STOPPING"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


class ServingError(Exception):
    """The base of every error that this package raises on purpose."""


class CallError(ServingError):
    """A call that cannot be answered."""

    def __init__(self, reason: ErrorReason, message: str, **metadata: object) -> None:
        self.reason = reason
        self.message = message
        self.metadata: Mapping[str, str] = {key: str(value) for key, value in metadata.items()}
        self.retry_after_seconds: float | None = None
        super().__init__(message)


class ScoringError(CallError):
    """A call, or one entity of a call, that cannot be scored."""


class LoadError(ServingError):
    """A version that cannot be served. ``reason`` is the reason of a call that asked for it."""

    def __init__(
        self, model: str, version: int, detail: str, *, reason: ErrorReason = ErrorReason.SELF_TEST_FAILED
    ) -> None:
        self.model, self.version, self.detail, self.reason = model, version, detail, reason
        super().__init__(f"{model}@{version} was not loaded: {detail}")


class StopError(ServingError):
    """A server that did not stop as it should."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class StartError(ServingError):
    """A server that cannot start."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class ReplayError(ServingError):
    """Journaled rows that cannot be scored again as they were decided."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class StoreError(ServingError):
    """A store could not be opened, reached or written; the text says which and what to do."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class LimitStoreError(StoreError):
    """The failure of a store of limits."""


class ProfileStoreError(StoreError):
    """The failure of a store of profiles."""


class DamagedEntitiesError(ProfileStoreError):
    """What a store of profiles has of some entities cannot be read; the store and other entities are sound."""

    def __init__(self, entities: Collection[str]) -> None:
        self.entities = frozenset(entities)
        whose = f"entity {next(iter(entities))!r}" if len(entities) == 1 else f"{len(entities):,} entities"
        super().__init__(f"the pending events of {whose} are damaged: forget it, or restore the store from a backup")
