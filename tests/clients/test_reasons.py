"""The client's reasons are the server's."""

from scoreline.errors import ENTITY_REASONS
from scoreline_server.errors import ErrorReason

OF_CALLS = {
    "CONFLICT", "DAMAGED", "DEADLINE_EXCEEDED", "EXTRA_MISSING", "INTERNAL", "INVALID", "JOURNAL_OFF", "LIMITS_OFF",
    "LIMIT_STORE_FAILED", "MALFORMED_MESSAGE", "NOTHING_TO_CHANGE", "NOT_ALLOWED", "NOT_FOUND", "NO_ENTITIES",
    "NO_MEMORY_LEFT", "OVERLOADED", "POLICY_NOT_FOUND", "POLICY_NOT_READY", "PROFILES_OFF", "PROFILE_STORE_FAILED",
    "REASONS_MISSING", "REFUSED", "ROUTE_NOT_FOUND", "ROUTE_NOT_READY", "SELF_TEST_FAILED", "STALE_SCHEMA",
    "STOPPING", "STORAGE_FAILED", "TOO_MANY_ENTITIES", "TOO_MANY_EVENTS", "TOO_MANY_OUTCOMES", "TOO_MANY_STREAMS",
    "TWO_FORMS", "UNKNOWN_EXTRA", "WRONG_BLOCK_LENGTH", "WRONG_INDEX",
}  # fmt: skip
"""What a call as a whole is refused for."""

BEFORE_SENDING = {"UNEXPECTED_NEIGHBORS", "UNEXPECTED_SEQUENCE", "UNKNOWN_FEATURE", "WRONG_TYPE"}
"""What the client refuses by itself, and the server only in the named form."""


def test_every_reason_of_the_server_speaks_of_an_entity_or_of_a_call() -> None:
    assert {reason.value for reason in ErrorReason} == ENTITY_REASONS | OF_CALLS | BEFORE_SENDING
    assert not ENTITY_REASONS & (OF_CALLS | BEFORE_SENDING)
