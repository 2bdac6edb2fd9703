"""A profile of the registry with its computation, as calls that score and calls that record events use it."""

from dataclasses import dataclass

from scoreline_registry.profiles.computation.compiling import compile_profile
from scoreline_registry.profiles.computation.computation import Computation
from scoreline_registry.profiles.profile import Profile

_SECOND = 10**6


@dataclass(frozen=True, slots=True, eq=False)
class CompiledProfile:
    """A profile, its computation, and the digest of its document."""

    document: Profile
    computation: Computation
    digest: str

    @classmethod
    def of(cls, document: Profile, digest: str) -> "CompiledProfile":
        """The profile with its computation compiled."""
        return cls(document, compile_profile(document), digest)

    @property
    def name(self) -> str:
        """The profile's name."""
        return self.document.profile

    @property
    def lateness(self) -> int:
        """How much older than its entity's newest an event may be, in microseconds."""
        return self.document.lateness_seconds * _SECOND

    @property
    def future(self) -> int:
        """How far ahead of the clock an event may be, in microseconds."""
        return self.document.future_seconds * _SECOND

    @property
    def keep(self) -> int:
        """After so long without events an entity is dropped, in microseconds."""
        return self.document.keep_seconds * _SECOND
