"""A cache of values by key with a limit in bytes; the least recently used are removed first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def memory_of(stored_bytes: int) -> int:
    """The estimated memory of a value that is stored in so many bytes of JSON, as measured with real documents."""
    return 2048 + 8 * stored_bytes


class Cache(Generic[K, V]):
    """Values that take about ``limit_bytes`` of memory at most; a larger one is loaded each time it is asked for.

    Two threads that miss at once both load, and either result may stay.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """The estimated memory of all values."""
        return self._bytes

    def get(self, key: K, load: Callable[[], tuple[V, int]]) -> V:
        """The value of ``key``, from ``load``, which also gives its bytes of JSON, when it is not here.

        What ``load`` raises is not kept.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        value, stored = load()
        size = memory_of(stored)
        if size > self._limit:
            return value
        with self._lock:
            self._remove(key)
            self._values[key] = value, size
            self._bytes += size
            while self._bytes > self._limit:
                self._remove(next(iter(self._values)))
        return value

    def keep(self, keys: Collection[K]) -> None:
        """Removes every value but those of ``keys``."""
        with self._lock:
            for key in [key for key in self._values if key not in keys]:
                self._remove(key)

    def _remove(self, key: K) -> None:
        self._bytes -= self._values.pop(key, (None, 0))[1]
