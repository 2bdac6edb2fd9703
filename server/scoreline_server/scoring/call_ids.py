"""Call ids: the second of the call, then random bytes, so that the journal finds a call without an index."""

import os
import struct
import time

from scoreline_server.scoring.wire import CALL_ID_BYTES

_SECOND_BYTES = 4
_RANDOM_BYTES = CALL_ID_BYTES - _SECOND_BYTES
_RANDOM_PART = f"{_RANDOM_BYTES}s"
_packed = struct.Struct(f">I{_RANDOM_PART}").pack


def new_call_ids(count: int) -> bytes:
    """The ids of some calls, CALL_ID_BYTES each: the second since 1970 as uint32, big-endian, then 8 random bytes."""
    second, random = int(time.time()) & 0xFFFFFFFF, os.urandom(_RANDOM_BYTES * count)
    if count == 1:
        return _packed(second, random)
    head = second.to_bytes(_SECOND_BYTES, "big")
    return head + head.join(struct.unpack(_RANDOM_PART * count, random))
