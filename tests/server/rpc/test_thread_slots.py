"""The threads that calls which may hang can take."""

import pytest

from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.rpc.thread_slots import ThreadSlots


def test_one_thread_stays_free_whoever_takes_the_others() -> None:
    slots = ThreadSlots(3)
    with slots.taken("the disk hangs"), slots.taken("the store hangs"):
        with pytest.raises(CallError, match="try again") as refused, slots.taken("other calls wait: try again"):
            raise AssertionError
        assert (refused.value.reason, refused.value.retry_after_seconds) == (ErrorReason.OVERLOADED, 0.05)
    with slots.taken("free again"):
        pass


def test_a_single_thread_may_wait() -> None:
    with ThreadSlots(1).taken("alone"):
        pass
