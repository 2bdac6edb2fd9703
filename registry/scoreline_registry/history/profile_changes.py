"""The changes of profiles."""

from dataclasses import dataclass

from scoreline_registry.history.changes import Change, DocumentName
from scoreline_registry.history.state import State
from scoreline_registry.names import check_name
from scoreline_registry.profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class ApplyProfile(Change):
    """Creates a profile or brings it to a definition."""

    definition: Profile

    @property
    def document(self) -> DocumentName:
        """The profile's document."""
        return DocumentName("profile", self.definition.profile)

    def apply(self, state: State) -> State:
        """The state with the profile."""
        before = state.profiles.get(self.definition.profile)
        kept = (before.model_extra or {}) if before is not None else {}
        return state.with_profile(self.definition.model_copy(update=kept))


@dataclass(frozen=True, slots=True)
class ProfileChange(Change):
    """A change of one profile's document."""

    profile: str

    def __post_init__(self) -> None:
        check_name("profile", self.profile)

    @property
    def document(self) -> DocumentName:
        """The profile's document."""
        return DocumentName("profile", self.profile)


@dataclass(frozen=True, slots=True)
class RemoveProfile(ProfileChange):
    """Removes a profile. What stores have of its entities stays until it is cleared there."""

    def apply(self, state: State) -> State:
        """The state without the profile."""
        state.profiles.require(self.profile)
        return state.without_profile(self.profile)
