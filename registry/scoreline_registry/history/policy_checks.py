"""Checks policies against the routes, profiles and models of a state."""

from collections.abc import Collection

from scoreline_registry.decisions.checks.route_validation import policy_errors, policy_warnings
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.history.state import State


def fit_errors(state: State, policy: Policy) -> list[str]:
    """The errors for which a policy cannot decide with the routes, profiles and models of a state."""
    return policy_errors(policy, state.routes, state.profiles, state.usable)


def fit_warnings(state: State, policy: Policy) -> list[str]:
    """What is likely to be a mistake in a policy that can decide."""
    return policy_warnings(policy, state.routes[policy.route], state.profiles, state.usable)


def policies_of(state: State, routes: Collection[str], refs: Collection[str] = ()) -> list[str]:
    """The policies that decide for one of some routes or use one of some models."""
    if not routes and not refs:
        return []
    return [
        name
        for name, policy in state.policies.items()
        if policy.route in routes or not set(refs).isdisjoint(policy.refs)
    ]


def policy_problems(state: State, names: Collection[str]) -> list[str]:
    """The errors of some policies, each with the policy's name."""
    return [f"policy {name}: {error}" for name in names for error in fit_errors(state, state.policies[name])]
