"""What the registry knows of the policies that decided: the document of each revision that the journal names."""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry

ControlOf: TypeAlias = Callable[[int], int | None]
"""The millionths of units in the control of a revision's policy; None where that is not known."""


class PolicyHistory:
    """The documents of one policy by the revision that decided, each read once."""

    def __init__(self, registry: Registry, policy: str) -> None:
        self.registry = registry
        self.at: Callable[[int], Policy | None] = lru_cache(maxsize=1000)(
            lambda revision: _at(registry, policy, revision)
        )

    def control_of(self, revision: int) -> int | None:
        """See ``ControlOf``."""
        policy = self.at(revision)
        return None if policy is None else policy.control_millionths


def unknown_control(_revision: int) -> int | None:
    """Where there is no registry: None."""
    return None


def _at(registry: Registry, name: str, revision: int) -> Policy | None:
    """The policy in a revision; None where the revision has no such policy, or is gone."""
    try:
        return registry.at(revision).policies.get(name)
    except RegistryError:
        return None
