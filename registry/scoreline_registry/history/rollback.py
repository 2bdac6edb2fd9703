"""Changes that bring aliases, routes, profiles and policies back to where an earlier revision had them. Pure.

Pointers are aliases and the definitions of routes, profiles and policies. Versions, their numbers and the layouts that
callers may still send only grow. What an earlier revision did not have yet is removed: an alias set since, and with
``RollbackAll`` a route, profile or policy made since. A policy comes back with the cuts and effects of then.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.history.changes import Change, ModelChange, RouteChange
from scoreline_registry.history.policy_changes import PolicyChange
from scoreline_registry.history.profile_changes import ProfileChange
from scoreline_registry.history.route_checks import check_routes, users_of
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.history.state import State
from scoreline_registry.names import ModelRef
from scoreline_registry.routing.planning import restored


@dataclass(frozen=True, slots=True)
class RollbackModel(ModelChange):
    """Points every alias of a model to where it pointed in revision ``to``.

    Raises NotFoundError, also when the model was not there yet, and RefusedError when an alias pointed to a version
    that is retired by now or a route could not serve any more.
    """

    to: Snapshot

    def apply(self, state: State) -> State:
        """The state with the aliases moved."""
        state.models.require(self.model)
        if self.model not in self.to.models:
            raise NotFoundError("model", self.model, f"revision {self.to.revision} did not have it yet")
        return _rolled_back(state, self.to, models=[self.model])


@dataclass(frozen=True, slots=True)
class RollbackRoute(RouteChange):
    """Brings one route to its definition in revision ``to``, or back if it was removed. Raises as ``RollbackModel``."""

    to: Snapshot

    def apply(self, state: State) -> State:
        """The state with the earlier definition."""
        if self.route not in self.to.routes:
            raise NotFoundError("route", self.route, f"revision {self.to.revision} did not have it yet")
        return _rolled_back(state, self.to, routes=[self.route])


@dataclass(frozen=True, slots=True)
class RollbackProfile(ProfileChange):
    """Brings one profile to its definition in revision ``to``, or back if it was removed. Raises NotFoundError."""

    to: Snapshot

    def apply(self, state: State) -> State:
        """The state with the earlier definition."""
        if self.profile not in self.to.profiles:
            raise NotFoundError("profile", self.profile, f"revision {self.to.revision} did not have it yet")
        return _rolled_back(state, self.to, profiles=[self.profile])


@dataclass(frozen=True, slots=True)
class RollbackPolicy(PolicyChange):
    """Brings one policy to its definition in revision ``to``, or back if it was removed.

    Raises NotFoundError and RefusedError as ``RollbackModel``.
    """

    to: Snapshot

    def apply(self, state: State) -> State:
        """The state with the earlier definition."""
        if self.policy not in self.to.policies:
            raise NotFoundError("policy", self.policy, f"revision {self.to.revision} did not have it yet")
        return _rolled_back(state, self.to, policies=[self.policy])


@dataclass(frozen=True, slots=True)
class RollbackAll(Change):
    """Brings every alias, route, profile and policy to where revision ``to`` had them.

    Raises RefusedError with every error.
    """

    to: Snapshot

    def apply(self, state: State) -> State:
        """The state with all aliases, routes, profiles and policies moved."""
        return _rolled_back(
            state,
            self.to,
            models=list(state.models),
            routes=list({**state.routes.digests, **self.to.route_digests}),
            profiles=list({**state.profiles.digests, **self.to.profile_digests}),
            policies=list({**state.policies.digests, **self.to.policy_digests}),
        )


def _aliases(past: Snapshot, model: str) -> Mapping[str, int]:
    """Where the aliases of a model pointed; none where there was no such model."""
    return past.models[model].aliases if model in past.models else {}


def _rolled_back(
    state: State,
    past: Snapshot,
    *,
    models: Collection[str] = (),
    routes: Collection[str] = (),
    profiles: Collection[str] = (),
    policies: Collection[str] = (),
) -> State:
    subject = f"rollback to revision {past.revision}"
    moved = [name for name in models if state.models[name].aliases != _aliases(past, name)]
    errors = [error for name in moved for error in _retired(state, past, name)]
    if errors:
        raise RefusedError(subject, errors)
    after = state
    for name in moved:
        after = after.with_model(state.models[name].changed(aliases=dict(_aliases(past, name))))
    for name in profiles:
        after = _with_past_profile(after, past, name)
    for name in routes:
        after = _with_past_route(after, past, name)
    for name in policies:
        after = _with_past_policy(after, past, name)
    refs = {ref for name in moved for ref in _moved_refs(state, past, name)}
    changed = {name for name in routes if after.routes.digests.get(name) != state.routes.digests.get(name)}
    redefined = {name for name in profiles if after.profiles.digests.get(name) != state.profiles.digests.get(name)}
    decided = {name for name in policies if after.policies.digests.get(name) != state.policies.digests.get(name)}
    check_routes(
        after, refs, subject=subject, also={*changed, *users_of(after, redefined)}, policies=decided & {*after.policies}
    )
    return after


def _retired(state: State, past: Snapshot, model: str) -> Iterator[str]:
    document = state.models[model]
    for alias, version in sorted(_aliases(past, model).items()):
        retired = document.entry(version).retired
        if retired is not None:
            retirement = f"which {retired.author} retired on {retired.at:%Y-%m-%d}"
            advice = f"bring it back with `scoreline unretire {model}@{version}`, or take a later revision"
            yield f"{model}@{alias} pointed to version {version}, {retirement}: {advice}"


def _with_past_route(state: State, past: Snapshot, name: str) -> State:
    if name not in past.routes:
        return state.without_route(name)
    if state.routes.digests.get(name) == past.route_digests[name]:
        return state
    return state.with_route(restored(past.routes[name], before=state.routes.get(name)))


def _with_past_profile(state: State, past: Snapshot, name: str) -> State:
    return state.with_profile(past.profiles[name]) if name in past.profiles else state.without_profile(name)


def _with_past_policy(state: State, past: Snapshot, name: str) -> State:
    return state.with_policy(past.policies[name]) if name in past.policies else state.without_policy(name)


def _moved_refs(state: State, past: Snapshot, model: str) -> Iterator[str]:
    now, then = state.models[model].aliases, _aliases(past, model)
    for alias in {*now, *then}:
        if now.get(alias) != then.get(alias):
            yield str(ModelRef(model, alias=alias))
