"""Waiting for a state in tests, instead of sleeping for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_PAUSE_SECONDS = 0.01
PATIENCE_SECONDS = 120.0
"""Longer than any state takes on a busy machine; a test that waits this long has failed."""


def wait_until(holds: Callable[[], _T], seconds: float = PATIENCE_SECONDS, *, why: Callable[[], object] = str) -> _T:
    """The first true value of ``holds``, asked again and again.

    Raises AssertionError with the text of ``why`` when there is none within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"did not happen within {seconds} seconds: {why()}"
        time.sleep(_PAUSE_SECONDS)
    return found
