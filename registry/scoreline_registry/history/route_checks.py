"""Checks routes, and the policies that decide for them, against the models and profiles of a state."""

from collections.abc import Collection

from scoreline_registry.errors import RefusedError
from scoreline_registry.history.policy_checks import policies_of, policy_problems
from scoreline_registry.history.state import State
from scoreline_registry.profiles.route_validation import profile_errors, profile_warnings
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_validation import route_errors, route_warnings


def serving_errors(state: State, route: RouteDocument) -> list[str]:
    """The errors for which a route cannot serve with the models and profiles of a state."""
    return [*route_errors(route, state.usable), *profile_errors(route, state.profiles, state.usable)]


def serving_warnings(state: State, route: RouteDocument) -> list[str]:
    """What is likely to be a mistake in a route that can serve."""
    return [*route_warnings(route, state.usable), *profile_warnings(route, state.profiles, state.usable)]


def users_of(state: State, profiles: Collection[str]) -> list[str]:
    """The routes that name one of some profiles."""
    if not profiles:
        return []
    return [name for name, route in state.routes.items() if not set(profiles).isdisjoint(route.profiles)]


def check_routes(
    state: State,
    refs: Collection[str],
    *,
    subject: str,
    also: Collection[str] = (),
    policies: Collection[str] = (),
) -> None:
    """Raises RefusedError with the errors of every route that uses one of ``refs`` or is named in ``also``.

    Checks the policies of these routes too, those that use one of ``refs`` themselves, and those in ``policies``.
    """
    named = [
        name
        for name, route in (state.routes.items() if refs or also else ())
        if name in also or not set(refs).isdisjoint(route.refs)
    ]
    errors = [f"route {name}: {error}" for name in named for error in serving_errors(state, state.routes[name])]
    users = {*policies_of(state, {*named, *also}, refs), *policies}
    errors += policy_problems(state, sorted(users))
    if errors:
        raise RefusedError(subject, errors)
