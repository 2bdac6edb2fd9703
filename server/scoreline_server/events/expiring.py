"""Drops the entities that had no events for as long as their profile says."""

import threading

import structlog

from scoreline_registry.errors import RegistryError
from scoreline_server.errors import ProfileStoreError
from scoreline_server.events.live import LiveProfiles

_FIRST_SECONDS = 60.0
_EVERY_SECONDS = 3600.0

_log = structlog.get_logger()


def expire(profiles: LiveProfiles) -> int:
    """Drops entities of all profiles whose newest event is older than ``keep``; how many.

    Raises RegistryError and ProfileStoreError.
    """
    dropped = 0
    for name in profiles.definitions.names():
        profile = profiles.definitions.require(name)
        dropped += profiles.store.expire(name, before=profiles.now() - profile.keep)
    return dropped


class Expiry:
    """Drops entities now and then, on a thread of its own."""

    def __init__(
        self, profiles: LiveProfiles, *, first_seconds: float = _FIRST_SECONDS, every_seconds: float = _EVERY_SECONDS
    ) -> None:
        self._profiles = profiles
        self._first, self._every = first_seconds, every_seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="profile-expiry", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread once it has done what it is doing. A store that hangs does not hold up the caller."""
        self._closing.set()

    def _run(self) -> None:
        wait = self._first
        while not self._closing.wait(wait):
            wait = self._every
            try:
                dropped = expire(self._profiles)
            except (RegistryError, ProfileStoreError) as error:
                if not self._closing.is_set():
                    _log.warning("old entities of profiles could not be dropped", error=str(error))
            else:
                if dropped:
                    _log.info("old entities of profiles dropped", entities=dropped)
