"""Tables of versions in memory: those that were not used for longest go first once all are too large together."""

import threading
import weakref
from collections import OrderedDict
from typing import Protocol

MOST_BYTES = 512 * 1024 * 1024
"""The memory of the tables of all versions of a process."""


class Droppable(Protocol):
    """Something in memory that can be made again."""

    def drop(self) -> None:
        """Frees the memory."""


class Recent:
    """What is in memory, in the order of use. Keeps nothing alive. Safe for threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._lock = most_bytes, threading.Lock()
        self._sizes: OrderedDict[weakref.ref[Droppable], int] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """The memory of everything that is in use."""
        with self._lock:
            return sum(size for each, size in self._sizes.items() if each() is not None)

    def used(self, what: Droppable, nbytes: int) -> None:
        """Notes a use, and drops the oldest others as long as all are too large together."""
        with self._lock:
            for gone in [each for each in self._sizes if each() is None]:
                del self._sizes[gone]
            self._sizes[weakref.ref(what)] = nbytes
            self._sizes.move_to_end(weakref.ref(what))
            oldest = []
            while sum(self._sizes.values()) > self._most and len(self._sizes) > 1:
                oldest.append(self._sizes.popitem(last=False)[0]())
        for each in oldest:
            if each is not None:
                each.drop()
