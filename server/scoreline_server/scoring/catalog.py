"""What a server serves at one moment. Immutable: a call takes the reference once and keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scoreline_server.scoring.compiled_route import ServedRoute
from scoreline_server.scoring.model import LoadedModel

Key = tuple[str, int]


@dataclass(frozen=True)
class Catalog:
    """Everything that is served.

    Attributes:
        revision: the newest revision that was read; 0 before the first.
        models: the loaded versions that routes, aliases and requests reach.
        failures: why versions were refused.
        routes: the adopted routes.
        problems: per route, why its newest definition is not the one that is served.
        unreadable: what of the adopted revision could not be read, and which routes are served without a shadow
            or their fallback; else empty.
        unread: why the newest revision could not be looked at just now; empty when it could.
        aliased: per model, the versions that its aliases point to.
        on_request: the loaded versions that nothing but a request keeps.
        digests: the digest of each document that was adopted, by kind and name.
    """

    revision: int = 0
    models: Mapping[Key, LoadedModel] = field(default_factory=dict)
    failures: Mapping[Key, str] = field(default_factory=dict)
    routes: Mapping[str, ServedRoute] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""
    unread: str = ""
    aliased: Mapping[str, frozenset[int]] = field(default_factory=dict)
    on_request: frozenset[Key] = frozenset()
    digests: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def memory_bytes(self) -> int:
        """What the loaded versions take."""
        return sum(model.memory_bytes for model in self.models.values())

    @property
    def problem(self) -> str:
        """What is wrong with the registry as a whole; empty when all is well."""
        return "; ".join(filter(None, (self.unread, self.unreadable)))

    @property
    def can_score(self) -> bool:
        """False while there are routes and none of them could be adopted."""
        return bool(self.routes) or not self.problems
