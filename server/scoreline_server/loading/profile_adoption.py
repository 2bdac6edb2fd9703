"""Compiles the profiles that the routes of a revision read."""

from collections.abc import Mapping

from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import InvalidError, NotFoundError
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.profiles.route_validation import profile_errors
from scoreline_registry.routing.route import RouteDocument
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.scoring.compiled_route import layout_of
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.profile_compiling import compile_profiles
from scoreline_server.scoring.route_profiles import RouteProfiles, StateReader

_NOBODY = "-"
"""An entity's id; whether it has events does not matter."""


class ProfileAdoption:
    """The profiles of one revision; those that did not change are taken over from the previous catalog."""

    def __init__(self, snapshot: Snapshot, previous: Mapping[str, CompiledProfile], states: StateReader) -> None:
        """``previous`` are compiled profiles by name; ``states`` reads the states of entities."""
        self._snapshot, self._compiled, self._states = snapshot, dict(previous), states

    def of(self, document: RouteDocument, models: Mapping[str, LoadedModel]) -> RouteProfiles | None:
        """The profiles that a route reads; None for none. ``models`` are its models by reference text.

        Raises RegistryError for a profile that cannot be read or does not fit the route and its models.
        """
        if not document.profiles:
            return None

        def manifest_of(ref: str) -> Manifest:
            if ref not in models:
                raise NotFoundError("model", ref, "it is not loaded")
            return models[ref].manifest

        profiles = {name: self._profile(name) for name in document.profiles}
        documents = {name: each.document for name, each in profiles.items()}
        problems = profile_errors(document, documents, manifest_of)
        if problems:
            raise InvalidError(f"route {document.route}", problems)
        return compile_profiles(document, layout_of(document.input_schema), profiles, self._states)

    def _profile(self, name: str) -> CompiledProfile:
        document, digest = self._snapshot.state.profiles.require(name), self._snapshot.profile_digests[name]
        known = self._compiled.get(name)
        if known is None or known.digest != digest:
            known = self._compiled[name] = CompiledProfile.of(document, digest)
            # Opens the store, which can take longer than a call waits for it.
            self._states.read(name, [_NOBODY])
        return known
