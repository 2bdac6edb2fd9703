"""What a server serves at one moment, and how the next moment is made from a registry's newest revision.

A catalog is immutable: a call takes the reference once and keeps it. Adoption is per route, all or nothing: a route
with a version that cannot be loaded keeps its last good revision, and the catalog says why.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from scoreline_registry.errors import RegistryError
from scoreline_registry.snapshot import Snapshot
from scoreline_server.errors import LoadError
from scoreline_server.model import LoadedModel
from scoreline_server.served import ServedRoute, serve_route

Key = tuple[str, int]
Load = Callable[[str, int], LoadedModel]


@dataclass(frozen=True)
class Catalog:
    """Everything that is served.

    Attributes:
        revision: the newest revision that was read; 0 before the first.
        models: the loaded versions that routes and aliases reach.
        failures: why versions were refused.
        routes: the adopted routes.
        problems: per route, why its newest definition is not the one that is served.
        problem: why the registry's newest revision could not be read; empty when all is well.
        on_request: the loaded versions that nothing but a request keeps.
    """

    revision: int = 0
    models: Mapping[Key, LoadedModel] = field(default_factory=dict)
    failures: Mapping[Key, str] = field(default_factory=dict)
    routes: Mapping[str, ServedRoute] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    on_request: frozenset[Key] = frozenset()


def adopt(snapshot: Snapshot, previous: Catalog, load: Load) -> Catalog:
    """The catalog of a newer revision.

    Args:
        snapshot: the revision to adopt.
        previous: what is served now; its loaded models are reused.
        load: loads a version or raises LoadError.
    """
    return _Adoption(snapshot, previous, load).catalog()


class _Adoption:
    """One pass over a revision; loads each version at most once."""

    def __init__(self, snapshot: Snapshot, previous: Catalog, load: Load) -> None:
        self._snapshot, self._previous, self._load = snapshot, previous, load
        self._models: dict[Key, LoadedModel] = {}
        self._failures: dict[Key, str] = {}

    def catalog(self) -> Catalog:
        routes, problems = {}, {}
        for name in self._snapshot.routes:
            try:
                routes[name] = self._route(name)
            except (RegistryError, LoadError, KeyError) as error:
                problems[name] = str(error)
                if name in self._previous.routes:
                    routes[name] = self._previous.routes[name]
        problem = self._load_aliased()
        reached = {key for route in routes.values() for key in route.uses()}
        kept = {key: self._previous.models[key] for key in reached if key not in self._models}
        return Catalog(
            revision=self._snapshot.revision,
            models={**kept, **self._models},
            failures=self._failures,
            routes=routes,
            problems=problems,
            problem=problem,
        )

    def _route(self, name: str) -> ServedRoute:
        """The route as this revision defines it. Raises LoadError or RegistryError when it cannot be served."""
        document = self._snapshot.routes[name]
        models = {ref: self._model(*self._snapshot.resolve(ref)) for ref in document.refs}
        before = self._previous.routes.get(name)
        if before and before.document == document and before.uses() == {model.key for model in models.values()}:
            return replace(before, revision=self._snapshot.revision)
        return serve_route(document, self._snapshot.revision, models)

    def _model(self, name: str, version: int) -> LoadedModel:
        key = (name, version)
        if key in self._failures:
            raise LoadError(name, version, self._failures[key])
        if key not in self._models:
            try:
                self._models[key] = self._previous.models.get(key) or self._load(name, version)
            except LoadError as error:
                self._failures[key] = error.detail
                raise
        return self._models[key]

    def _load_aliased(self) -> str:
        """Loads what aliases point to, so that it can be asked for by name; what fails is noted and harms no route.

        Returns which models' documents cannot be read, or an empty text.
        """
        unreadable = []
        for name in self._snapshot.models:
            try:
                versions = set(self._snapshot.models[name].aliases.values())
            except RegistryError as error:
                unreadable.append(str(error))
                continue
            for version in versions:
                with contextlib.suppress(LoadError):  # stands in self._failures
                    self._model(name, version)
        return "; ".join(unreadable)
