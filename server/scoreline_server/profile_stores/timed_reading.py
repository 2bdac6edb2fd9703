"""Reads the states of entities for scoring, in bounded time.

A store may hang in a call that cannot be interrupted: a lost network, a disk that stalls. Reads therefore run on daemon
threads, and those who wait for one give up in time. A store that failed several times in a row is left alone for a
while, so that rows which are scored without it do not wait for it.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Protocol

from scoreline_server.databases.failure_pauses import FailurePauses
from scoreline_server.profile_stores.store import Stored
from scoreline_server.scoring.route_profiles import ProfileStates

_THREADS = 4


class Counting(Protocol):
    """The metrics of reads."""

    def profile_read(self, profile: str, seconds: float) -> None:
        """A read that was answered in time."""

    def profiles_used(self, profile: str, states: ProfileStates) -> None:
        """How the profiles of some rows were read, values of pb.ProfileState."""


class Readable(Protocol):
    """The part of a ``ProfileStore`` that is used here."""

    def read(self, profile: str, entities: Sequence[str]) -> Mapping[str, Stored]:
        """What is stored of entities; one that is not there is left out."""


class _Read:
    """One read: what is asked for, and its answer once ``done`` is set."""

    __slots__ = ("done", "entities", "error", "is_late", "profile", "states")

    def __init__(self, profile: str, entities: Sequence[str]) -> None:
        self.profile, self.entities = profile, entities
        self.states: Mapping[str, Stored] = {}
        self.error: Exception | None = None
        self.done = threading.Event()
        self.is_late = False


class TimedStates:
    """A ``StateReader`` over a store."""

    def __init__(
        self,
        store: Readable,
        *,
        seconds: float,
        counting: Counting,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``seconds`` is how long a read may take; ``clock`` measures the pauses."""
        self._store, self._seconds, self._counting = store, seconds, counting
        self._pauses = FailurePauses("store of profiles", "rows are scored without it", clock=clock)
        self._reads: SimpleQueue[_Read | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._late = 0

    def read(self, profile: str, entities: Sequence[str]) -> Mapping[str, Stored] | None:
        """The states of entities; None where the store failed, did not answer in time, or is left alone."""
        if self._is_left_alone():
            return None
        read, start = _Read(profile, entities), time.perf_counter()
        self._reads.put(read)
        if not read.done.wait(self._seconds) and self._gave_up(read):
            self._pauses.failed(f"no answer within {self._seconds:g} s")
            return None
        if read.error is not None:
            self._pauses.failed(str(read.error))
            return None
        self._pauses.succeeded()
        self._counting.profile_read(profile, time.perf_counter() - start)
        return read.states

    def used(self, profile: str, states: ProfileStates) -> None:
        """Counts how the profiles of some rows were read."""
        self._counting.profiles_used(profile, states)

    def close(self) -> None:
        """Ends the threads that wait for a read; one whose read hangs ends with the process."""
        with self._lock:
            threads, self._threads = self._threads, _THREADS
        for _ in range(threads):
            self._reads.put(None)

    def _is_left_alone(self) -> bool:
        """Whether the store is not to be read now; starts the threads before the first read."""
        with self._lock:
            if not self._threads:
                self._threads = _THREADS
                for _ in range(_THREADS):
                    threading.Thread(target=self._run, name="profile-read", daemon=True).start()
            return self._late >= _THREADS or self._pauses.is_paused

    def _run(self) -> None:
        while (read := self._reads.get()) is not None:
            try:
                read.states = self._store.read(read.profile, read.entities)
            except Exception as error:  # noqa: BLE001  whatever a store raises, its rows are scored without it
                read.error = error
            with self._lock:
                self._late -= read.is_late
                read.done.set()

    def _gave_up(self, read: _Read) -> bool:
        """Counts a read as late, unless it was answered just now."""
        with self._lock:
            read.is_late = not read.done.is_set()
            self._late += read.is_late
            return read.is_late
