"""Shortens the GIL's switch interval while there is background work.

A thread that computes in Python beside the serving thread delays every answer by Python's switch interval, 5 ms, each
time ONNX Runtime or gRPC release the GIL. A short interval avoids that, but costs every call a fifth of its speed even
where nothing competes.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SHORT_SECONDS = 5e-5

_lock = threading.Lock()
_workers = 0
_usual_seconds = sys.getswitchinterval()


@contextmanager
def background_work() -> Iterator[None]:
    """Makes threads take turns quickly for as long as at least one such block runs in this process."""
    _count(1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _workers  # noqa: PLW0603  the interval belongs to the process
    with _lock:
        _workers += change
        sys.setswitchinterval(_SHORT_SECONDS if _workers else _usual_seconds)
