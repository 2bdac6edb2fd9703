"""The changes of profiles."""

from dataclasses import dataclass

from scoreline_registry.errors import RefusedError
from scoreline_registry.history.changes import Change, DocumentName
from scoreline_registry.history.route_checks import check_routes, users_of
from scoreline_registry.history.state import State
from scoreline_registry.names import check_name
from scoreline_registry.profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class ApplyProfile(Change):
    """Creates a profile or brings it to a definition.

    Raises RefusedError with the errors of every route that uses it.
    """

    definition: Profile

    @property
    def document(self) -> DocumentName:
        """The profile's document."""
        return DocumentName("profile", self.definition.profile)

    def apply(self, state: State) -> State:
        """The state with the profile, once every route that uses it has been checked."""
        before = state.profiles.get(self.definition.profile)
        kept = (before.model_extra or {}) if before is not None else {}
        after = state.with_profile(self.definition.model_copy(update=kept))
        name = self.definition.profile
        check_routes(after, (), subject=f"profile {name}", also=users_of(after, [name]))
        return after


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
    """Removes a profile; what stores have of its entities stays there.

    Raises RefusedError with every route that uses it.
    """

    def apply(self, state: State) -> State:
        """The state without the profile."""
        state.profiles.require(self.profile)
        users = users_of(state, [self.profile])
        if users:
            errors = [f"route {name} uses it: change the route first" for name in users]
            raise RefusedError(f"profile {self.profile} cannot be removed", errors)
        return state.without_profile(self.profile)
