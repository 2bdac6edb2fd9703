"""The reading half of RegistryService: always the newest committed state, not what happens to be loaded."""

from itertools import islice

from scoreline.v1 import registry_pb2 as pb
from scoreline_registry.documents.model import Model
from scoreline_registry.errors import NotFoundError
from scoreline_registry.registry import Registry
from scoreline_server.rpc import resources
from scoreline_server.rpc.authority import Action, Caller
from scoreline_server.rpc.control import version_ref
from scoreline_server.rpc.methods import Method
from scoreline_server.rpc.paging import key_of, number_of, page, token_of
from scoreline_server.scoring.catalog import Catalog

SERVICE = "/scoreline.v1.RegistryService/"


class RegistryReads:
    """Answers lists and gets."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        read = Action.REGISTRY_READ
        return [
            Method(SERVICE + "ListModels", pb.ListModelsRequest, read, self.list_models),
            Method(SERVICE + "GetModel", pb.GetModelRequest, read, self.get_model),
            Method(SERVICE + "ListVersions", pb.ListVersionsRequest, read, self.list_versions),
            Method(SERVICE + "GetVersion", pb.GetVersionRequest, read, self.get_version),
            Method(SERVICE + "ListRoutes", pb.ListRoutesRequest, read, self.list_routes),
            Method(SERVICE + "GetRoute", pb.GetRouteRequest, read, self.get_route),
            Method(SERVICE + "ListProfiles", pb.ListProfilesRequest, read, self.list_profiles),
            Method(SERVICE + "GetProfile", pb.GetProfileRequest, read, self.get_profile),
            Method(SERVICE + "ListPolicies", pb.ListPoliciesRequest, read, self.list_policies),
            Method(SERVICE + "GetPolicy", pb.GetPolicyRequest, read, self.get_policy),
            Method(SERVICE + "ListRevisions", pb.ListRevisionsRequest, read, self.list_revisions),
        ]

    def list_models(self, request: pb.ListModelsRequest, _catalog: Catalog, _caller: Caller) -> pb.ListModelsResponse:
        """Models by name, filtered by owner and labels."""
        snapshot = self._registry.latest()
        names = sorted(snapshot.models)
        if request.owner or request.labels:
            names = [name for name in names if _fits(snapshot.models[name], request)]
        shown, more = page(names, request.page_size, key_of(request.page_token))
        models = [resources.model(snapshot, name) for name in shown]
        return pb.ListModelsResponse(models=models, next_page_token=token_of(shown[-1]) if more else "")

    def get_model(self, request: pb.GetModelRequest, _catalog: Catalog, _caller: Caller) -> pb.GetModelResponse:
        """One model."""
        name = resources.name_in("models", request.name)
        return pb.GetModelResponse(model=resources.model(self._registry.latest(), name))

    def list_versions(
        self, request: pb.ListVersionsRequest, _catalog: Catalog, _caller: Caller
    ) -> pb.ListVersionsResponse:
        """A model's versions, newest first."""
        name = resources.name_in("models", request.parent)
        models = self._registry.latest().models
        if name not in models:
            raise NotFoundError("model", name)
        newest_first = [-number for number in reversed(models[name].numbers)]
        shown, more = page(newest_first, request.page_size, number_of(request.page_token))
        versions = [resources.version(name, -key, models[name].entry(-key)) for key in shown]
        return pb.ListVersionsResponse(versions=versions, next_page_token=token_of(shown[-1]) if more else "")

    def get_version(self, request: pb.GetVersionRequest, _catalog: Catalog, _caller: Caller) -> pb.GetVersionResponse:
        """One version with its manifest, by number or alias."""
        snapshot = self._registry.latest()
        name, number = snapshot.resolve(version_ref(request.name))
        entry = snapshot.models[name].entry(number)
        manifest = self._registry.manifest(name, number)
        return pb.GetVersionResponse(version=resources.version(name, number, entry, manifest))

    def list_routes(self, request: pb.ListRoutesRequest, _catalog: Catalog, _caller: Caller) -> pb.ListRoutesResponse:
        """Routes by name."""
        snapshot = self._registry.latest()
        shown, more = page(sorted(snapshot.routes), request.page_size, key_of(request.page_token))
        routes = [resources.route(snapshot, name) for name in shown]
        return pb.ListRoutesResponse(routes=routes, next_page_token=token_of(shown[-1]) if more else "")

    def get_route(self, request: pb.GetRouteRequest, _catalog: Catalog, _caller: Caller) -> pb.GetRouteResponse:
        """One route."""
        name = resources.name_in("routes", request.name)
        return pb.GetRouteResponse(route=resources.route(self._registry.latest(), name))

    def list_profiles(
        self, request: pb.ListProfilesRequest, _catalog: Catalog, _caller: Caller
    ) -> pb.ListProfilesResponse:
        """Profiles by name."""
        snapshot = self._registry.latest()
        shown, more = page(sorted(snapshot.profiles), request.page_size, key_of(request.page_token))
        profiles = [resources.profile(snapshot, name) for name in shown]
        return pb.ListProfilesResponse(profiles=profiles, next_page_token=token_of(shown[-1]) if more else "")

    def get_profile(self, request: pb.GetProfileRequest, _catalog: Catalog, _caller: Caller) -> pb.GetProfileResponse:
        """One profile."""
        name = resources.name_in("profiles", request.name)
        return pb.GetProfileResponse(profile=resources.profile(self._registry.latest(), name))

    def list_policies(
        self, request: pb.ListPoliciesRequest, _catalog: Catalog, _caller: Caller
    ) -> pb.ListPoliciesResponse:
        """Policies by name."""
        snapshot = self._registry.latest()
        shown, more = page(sorted(snapshot.policies), request.page_size, key_of(request.page_token))
        policies = [resources.policy(snapshot, name) for name in shown]
        return pb.ListPoliciesResponse(policies=policies, next_page_token=token_of(shown[-1]) if more else "")

    def get_policy(self, request: pb.GetPolicyRequest, _catalog: Catalog, _caller: Caller) -> pb.GetPolicyResponse:
        """One policy."""
        name = resources.name_in("policies", request.name)
        return pb.GetPolicyResponse(policy=resources.policy(self._registry.latest(), name))

    def list_revisions(
        self, request: pb.ListRevisionsRequest, _catalog: Catalog, _caller: Caller
    ) -> pb.ListRevisionsResponse:
        """Revisions with what each changed, newest first."""
        newest = self._registry.latest().revision
        shown, more = page(range(-newest, 0), request.page_size, number_of(request.page_token))
        if not shown:
            return pb.ListRevisionsResponse()
        entries = islice(self._registry.history(before=-shown[0] + 1), len(shown))
        return pb.ListRevisionsResponse(
            revisions=[resources.revision(entry) for entry in entries],
            next_page_token=token_of(shown[-1]) if more else "",
        )


def _fits(document: Model, request: pb.ListModelsRequest) -> bool:
    if request.owner and document.owner != request.owner:
        return False
    return all(document.labels.get(name) == value for name, value in request.labels.items())
