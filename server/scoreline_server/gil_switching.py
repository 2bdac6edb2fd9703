"""How long a thread may keep the interpreter while another waits for it.

A thread that computes in Python beside the serving thread holds every answer up by Python's switch interval, 5 ms, each
time ONNX Runtime or gRPC let the interpreter go. A short interval cures that, but costs every call a fifth of its speed
even when nothing competes. So the interval is short only while there is work in the background.
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
