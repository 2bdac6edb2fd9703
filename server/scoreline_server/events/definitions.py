"""The profiles of a registry, compiled once."""

import threading
from collections.abc import Iterator
from datetime import datetime

from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.registry import Registry
from scoreline_server.scoring.compiled_profile import CompiledProfile


class Definitions:
    """The profiles of a registry, compiled when they are first needed. Safe for threads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._snapshot: Snapshot | None = None
        self._compiled: dict[str, CompiledProfile] = {}
        self._lock = threading.Lock()

    def names(self, revision: int | None = None) -> list[str]:
        """The names of all profiles at a revision, the newest by default, sorted."""
        with self._lock:
            return sorted(self._at(revision).profiles)

    def require(self, name: str, revision: int | None = None) -> CompiledProfile:
        """A profile at a revision, the newest by default. Raises NotFoundError with the nearest names."""
        with self._lock:
            profiles = self._at(revision).state.profiles
            document = profiles.require(name)
            digest = profiles.digests[name]
            found = self._compiled.get(name)
            if found is None or found.digest != digest:
                found = self._compiled[name] = CompiledProfile.of(document, digest)
            return found

    def past(self, name: str) -> Iterator[tuple[datetime, Profile]]:
        """The definitions that a profile had, newest first, each with the time of its commit, back to its first one.

        Raises NotFoundError.
        """
        profile: Profile | None = self._registry.latest().state.profiles.require(name)
        for entry in self._registry.history():
            if profile is not None and entry.about("profile", name).events:
                yield entry.created_at, profile
                profile = self._registry.at(entry.revision - 1).profiles.get(name)
            if profile is None:
                return

    def _at(self, revision: int | None) -> Snapshot:
        if revision is None:
            return self._registry.latest()
        if self._snapshot is None or self._snapshot.revision != revision:
            self._snapshot = self._registry.at(revision)
        return self._snapshot
