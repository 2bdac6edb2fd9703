"""The writing half of RegistryService: each call is one revision, signed by its caller."""

from scoreline.v1 import registry_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.gil_switching import background_work
from scoreline_server.rpc import resources
from scoreline_server.rpc.authority import Action, Caller
from scoreline_server.rpc.methods import Method
from scoreline_server.rpc.registry_reads import SERVICE
from scoreline_server.scoring.catalog import Catalog


class RegistryWrites:
    """Answers ApplyRoute, SetAlias and Rollback."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        write = Action.REGISTRY_WRITE
        return [
            Method(SERVICE + "ApplyRoute", pb.ApplyRouteRequest, write, self.apply_route),
            Method(SERVICE + "SetAlias", pb.SetAliasRequest, write, self.set_alias),
            Method(SERVICE + "Rollback", pb.RollbackRequest, write, self.rollback),
        ]

    def apply_route(self, request: pb.ApplyRouteRequest, _catalog: Catalog, caller: Caller) -> pb.ApplyRouteResponse:
        """Creates or changes a route, or tells what that would do."""
        with background_work():
            spec = read_route(request.definition, source="definition")
        expect = request.etag if request.HasField("etag") else None
        if request.dry_run:
            plan = self._registry.plan_route(spec, expect=expect)
            return pb.ApplyRouteResponse(differences=plan.differences, moved=plan.moved)
        plan = self._registry.apply_route(
            spec, author=_author(request.author, caller), message=request.message, expect=expect
        )
        revision = plan.revision or 0
        return pb.ApplyRouteResponse(
            route=resources.route(self._registry.at(revision), spec.route),
            revision=revision,
            differences=plan.differences,
            moved=plan.moved,
        )

    def set_alias(self, request: pb.SetAliasRequest, _catalog: Catalog, caller: Caller) -> pb.SetAliasResponse:
        """Points an alias to a version."""
        name = resources.name_in("models", request.name)
        outcome = self._registry.set_alias(
            name,
            request.alias,
            request.version,
            author=_author(request.author, caller),
            message=request.message,
            expect=request.etag if request.HasField("etag") else None,
        )
        snapshot = self._registry.at(outcome.revision)
        return pb.SetAliasResponse(model=resources.model(snapshot, name), revision=outcome.revision)

    def rollback(self, request: pb.RollbackRequest, _catalog: Catalog, caller: Caller) -> pb.RollbackResponse:
        """Moves the pointers of a model, a route or everything back to an earlier revision's."""
        if request.all == bool(request.name):
            raise CallError(ErrorReason.INVALID, "give `name`, or `all` without a name")
        collection = request.name.partition("/")[0]
        is_route = collection == "routes"
        name = None if request.all else resources.name_in("routes" if is_route else "models", request.name)
        outcome = self._registry.rollback(
            to=request.to_revision,
            model=None if is_route else name,
            route=name if is_route else None,
            author=_author(request.author, caller),
            message=request.message,
            expect=request.etag if request.HasField("etag") else None,
        )
        changes = [resources.change(event) for event in outcome.events]
        return pb.RollbackResponse(revision=outcome.revision, changes=changes)


def _author(given: str, caller: Caller) -> str:
    """Who signs: the certificate's name where there is one, else what the caller says."""
    if caller.identity:
        return caller.identity
    if not given.strip():
        raise CallError(ErrorReason.INVALID, "say who you are in `author`: it will stand in the history")
    return given
