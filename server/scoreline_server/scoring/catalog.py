"""What a server serves at one moment: models, routes and policies of one revision.

A call keeps the catalog that it began with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scoreline_server.errors import ErrorReason, LoadError, ScoringError
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.scoring.compiled_route import CompiledRoute
from scoreline_server.scoring.model import LoadedModel, VersionKey
from scoreline_server.scoring.served_policy import ServedPolicy


@dataclass(frozen=True)
class Catalog:
    """Everything that is served. Immutable.

    Attributes:
        revision: the newest revision that was read; 0 before the first.
        models: the loaded versions that routes, aliases and LoadVersion requests need.
        failures: why versions were not loaded.
        routes: the adopted routes.
        problems: per route, why its newest definition is not served.
        degraded: what of the adopted revision could not be read, and which routes are served without a shadow or
            their fallback; empty if all is served.
        poll_error: why the last poll of the registry failed; empty if it succeeded.
        aliased: per model, the versions that its aliases point to.
        on_request: the loaded versions that only a LoadVersion request keeps.
        digests: the digest of each document that was adopted, by kind and name.
        profiles: the profiles that routes read.
        policies: the adopted policies.
        policy_problems: per policy, why its newest definition is not served.
    """

    revision: int = 0
    models: Mapping[VersionKey, LoadedModel] = field(default_factory=dict)
    failures: Mapping[VersionKey, LoadError] = field(default_factory=dict)
    routes: Mapping[str, CompiledRoute] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    degraded: str = ""
    poll_error: str = ""
    aliased: Mapping[str, frozenset[int]] = field(default_factory=dict)
    on_request: frozenset[VersionKey] = frozenset()
    digests: Mapping[tuple[str, str], str] = field(default_factory=dict)
    profiles: Mapping[str, CompiledProfile] = field(default_factory=dict)
    policies: Mapping[str, ServedPolicy] = field(default_factory=dict)
    policy_problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def memory_bytes(self) -> int:
        """The memory of the loaded versions."""
        return sum(model.memory_bytes for model in self.models.values())

    @property
    def problem(self) -> str:
        """What is wrong with the registry or this reading of it; empty if nothing is."""
        return "; ".join(filter(None, (self.poll_error, self.degraded)))

    @property
    def can_score(self) -> bool:
        """False while there are routes and none of them could be adopted."""
        return bool(self.routes) or not self.problems

    def route(self, name: str) -> CompiledRoute:
        """The adopted route. Raises ScoringError that tells an unknown route from one that is not ready."""
        found = self.routes.get(name)
        if found is not None:
            return found
        if name in self.problems:
            raise ScoringError(
                ErrorReason.ROUTE_NOT_READY, f"route {name} cannot be served: {self.problems[name]}", route=name
            )
        known = ", ".join(sorted(self.routes)[:10]) or "none yet"
        raise ScoringError(
            ErrorReason.ROUTE_NOT_FOUND, f"route {name[:80]!r} is not served here; served: {known}", route=name[:200]
        )

    def policy(self, name: str) -> ServedPolicy:
        """The adopted policy. Raises ScoringError that tells an unknown policy from one that is not ready."""
        found = self.policies.get(name)
        if found is not None:
            return found
        if name in self.policy_problems:
            raise ScoringError(
                ErrorReason.POLICY_NOT_READY,
                f"policy {name} cannot decide: {self.policy_problems[name]}",
                policy=name,
            )
        known = ", ".join(sorted(self.policies)[:10]) or "none yet"
        raise ScoringError(
            ErrorReason.POLICY_NOT_FOUND,
            f"policy {name[:80]!r} is not served here; served: {known}",
            policy=name[:200],
        )
