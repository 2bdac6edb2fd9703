"""One revision of the registry: immutable, with documents that are loaded when they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.documents.model import Model
from scoreline_registry.history.revision import LogEntry
from scoreline_registry.history.state import State
from scoreline_registry.names import ModelRef
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.routing.route import RouteDocument


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The state after one commit. Revision 0 is the empty registry."""

    entry: LogEntry
    state: State

    @property
    def revision(self) -> int:
        """The revision's number."""
        return self.entry.number

    @property
    def created_at(self) -> datetime:
        """When it was committed, by its author's clock; never before its parent."""
        return self.entry.revision.created_at

    @property
    def models(self) -> Mapping[str, Model]:
        """Every model by name; a document is loaded when it is read."""
        return self.state.models

    @property
    def routes(self) -> Mapping[str, RouteDocument]:
        """Every route by name; a document is loaded when it is read."""
        return self.state.routes

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Every profile by name; a document is loaded when it is read."""
        return self.state.profiles

    @property
    def policies(self) -> Mapping[str, Policy]:
        """Every policy by name; a document is loaded when it is read."""
        return self.state.policies

    @property
    def model_digests(self) -> Mapping[str, str]:
        """The digest of each model's document: equal digests, equal models."""
        return self.state.models.digests

    @property
    def route_digests(self) -> Mapping[str, str]:
        """The digest of each route's document: equal digests, equal routes."""
        return self.state.routes.digests

    @property
    def profile_digests(self) -> Mapping[str, str]:
        """The digest of each profile's document: equal digests, equal profiles."""
        return self.state.profiles.digests

    @property
    def policy_digests(self) -> Mapping[str, str]:
        """The digest of each policy's document: equal digests, equal policies."""
        return self.state.policies.digests

    def resolve(self, ref: ModelRef | str) -> tuple[str, int]:
        """The model and version that a reference means in this revision. Raises NotFoundError, InvalidNameError."""
        return self.state.resolve(ref)
