"""Handlers of RegistryService that write: each call commits one revision, signed by its caller."""

from scoreline.v1 import registry_pb2 as pb
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.decisions.specs.policy_plan import PolicyPlan
from scoreline_registry.history.changes import Change, SetAlias
from scoreline_registry.history.rollback import (
    RollbackAll,
    RollbackModel,
    RollbackPolicy,
    RollbackProfile,
    RollbackRoute,
)
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.profiles.profile_plan import ProfilePlan
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
    """Answers ApplyRoute, ApplyProfile, ApplyPolicy, SetAlias and Rollback."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        write = Action.REGISTRY_WRITE
        return [
            Method(SERVICE + "ApplyRoute", pb.ApplyRouteRequest, write, self.apply_route),
            Method(SERVICE + "ApplyProfile", pb.ApplyProfileRequest, write, self.apply_profile),
            Method(SERVICE + "ApplyPolicy", pb.ApplyPolicyRequest, write, self.apply_policy),
            Method(SERVICE + "SetAlias", pb.SetAliasRequest, write, self.set_alias),
            Method(SERVICE + "Rollback", pb.RollbackRequest, write, self.rollback),
        ]

    def apply_route(self, request: pb.ApplyRouteRequest, _catalog: Catalog, caller: Caller) -> pb.ApplyRouteResponse:
        """Creates or changes a route; a dry run returns the differences without doing so."""
        with background_work():
            spec = read_route(request.definition, source="definition")
        if_match = _etag(request)
        if request.dry_run:
            plan = self._registry.plan_route(spec, if_match=if_match)
            return pb.ApplyRouteResponse(differences=plan.differences, moved=plan.moved)
        plan = self._registry.apply_route(
            spec, author=_author(request.author, caller), message=request.message, if_match=if_match
        )
        revision = plan.revision or 0
        return pb.ApplyRouteResponse(
            route=resources.route(self._registry.at(revision), spec.route),
            revision=revision,
            differences=plan.differences,
            moved=plan.moved,
        )

    def apply_profile(
        self, request: pb.ApplyProfileRequest, _catalog: Catalog, caller: Caller
    ) -> pb.ApplyProfileResponse:
        """Creates or changes a profile; a dry run returns the differences without doing so."""
        with background_work():
            definition = read_profile(request.definition, source="definition")
        if_match = _etag(request)
        if request.dry_run:
            return _planned(self._registry.plan_profile(definition, if_match=if_match))
        plan = self._registry.apply_profile(
            definition, author=_author(request.author, caller), message=request.message, if_match=if_match
        )
        answer = _planned(plan)
        answer.profile.CopyFrom(resources.profile(self._registry.at(answer.revision), definition.profile))
        return answer

    def apply_policy(self, request: pb.ApplyPolicyRequest, _catalog: Catalog, caller: Caller) -> pb.ApplyPolicyResponse:
        """Creates or changes a policy; a dry run returns the differences without doing so."""
        with background_work():
            spec = read_policy(request.definition, source="definition")
        if_match = _etag(request)
        if request.dry_run:
            return _planned_policy(self._registry.plan_policy(spec, if_match=if_match))
        plan = self._registry.apply_policy(
            spec, author=_author(request.author, caller), message=request.message, if_match=if_match
        )
        answer = _planned_policy(plan)
        answer.policy.CopyFrom(resources.policy(self._registry.at(answer.revision), spec.policy))
        return answer

    def set_alias(self, request: pb.SetAliasRequest, _catalog: Catalog, caller: Caller) -> pb.SetAliasResponse:
        """Points an alias to a version."""
        name = resources.name_in("models", request.name)
        commit = self._registry.commit(
            SetAlias(name, request.alias, request.version),
            author=_author(request.author, caller),
            message=request.message,
            if_match=_etag(request),
        )
        snapshot = self._registry.at(commit.revision)
        return pb.SetAliasResponse(model=resources.model(snapshot, name), revision=commit.revision)

    def rollback(self, request: pb.RollbackRequest, _catalog: Catalog, caller: Caller) -> pb.RollbackResponse:
        """Brings a model's aliases, a route, a profile, a policy or everything back to an earlier revision's."""
        if request.all == bool(request.name):
            raise CallError(ErrorReason.INVALID, "give `name`, or `all` without a name")
        commit = self._registry.commit(
            _rollback(request.name, self._registry.at(request.to_revision)),
            author=_author(request.author, caller),
            message=request.message,
            if_match=_etag(request),
        )
        changes = [resources.change(event) for event in commit.events]
        return pb.RollbackResponse(revision=commit.revision, changes=changes)


def _rollback(name: str, past: Snapshot) -> Change:
    if not name:
        return RollbackAll(past)
    if name.startswith("routes/"):
        return RollbackRoute(resources.name_in("routes", name), past)
    if name.startswith("profiles/"):
        return RollbackProfile(resources.name_in("profiles", name), past)
    if name.startswith("policies/"):
        return RollbackPolicy(resources.name_in("policies", name), past)
    return RollbackModel(resources.name_in("models", name), past)


def _planned(plan: ProfilePlan) -> pb.ApplyProfileResponse:
    return pb.ApplyProfileResponse(
        revision=plan.revision or 0,
        differences=plan.differences,
        other_values=plan.other_values,
        routes=plan.routes,
    )


def _planned_policy(plan: PolicyPlan) -> pb.ApplyPolicyResponse:
    return pb.ApplyPolicyResponse(
        revision=plan.revision or 0, differences=plan.differences, moved=plan.moved, warnings=plan.warnings
    )


def _etag(
    request: pb.ApplyRouteRequest
    | pb.ApplyProfileRequest
    | pb.ApplyPolicyRequest
    | pb.SetAliasRequest
    | pb.RollbackRequest,
) -> str | None:
    return request.etag if request.HasField("etag") else None


def _author(given: str, caller: Caller) -> str:
    """The author of a revision: the certificate's name where there is one, else the request's."""
    if caller.identity:
        return caller.identity
    if not given.strip():
        raise CallError(ErrorReason.INVALID, "`author` is required: it names who changed the registry in its history")
    return given
