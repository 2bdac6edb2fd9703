"""Answers in the memory of this process: the least recently used go first."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

_ENTRY_BYTES = 240
"""About what Python takes for an entry beside the bytes of its key and its answer."""


class MemoryAnswers:
    """An ``AnswerStore`` of so many bytes."""

    def __init__(self, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._clock = max_bytes, clock
        self._entries: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """About how much memory the answers take."""
        return self._bytes

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The answer of each key, None where there is none or it has expired."""
        now = self._clock()
        with self._lock:
            return [self._found(key, now) for key in keys]

    def put(self, answers: Mapping[bytes, bytes], *, keep_seconds: int) -> None:
        """Keeps answers; where there is no room, the least recently used go."""
        expires = self._clock() + keep_seconds
        with self._lock:
            for key, answer in answers.items():
                self._drop(key)
                self._entries[key] = (expires, answer)
                self._bytes += _size(key, answer)
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._entries)))

    def _found(self, key: bytes, now: float) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def _drop(self, key: bytes) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._bytes -= _size(key, entry[1])


def _size(key: bytes, answer: bytes) -> int:
    return len(key) + len(answer) + _ENTRY_BYTES
