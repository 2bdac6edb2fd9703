"""How the next catalog is made of a registry's newest revision.

Adoption is per route, all or nothing: a route with a version that cannot be loaded keeps its last good revision, and
the catalog says why. A route that was not served yet, and of which only the fallback cannot be loaded, is served
without it. What did not change is taken over without being looked at, so that one commit among thousands of
models costs little.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from scoreline_registry.errors import RegistryError
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_validation import contract_errors
from scoreline_server.errors import ErrorReason, LoadError
from scoreline_server.loading.policy_adoption import PolicyAdoption
from scoreline_server.loading.profile_adoption import ProfileAdoption
from scoreline_server.scoring.answer_cache import AnswerCaching
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.compiled_route import CompiledRoute, compile_route
from scoreline_server.scoring.model import LoadedModel, VersionKey
from scoreline_server.scoring.route_profiles import NO_STORE, StateReader
from scoreline_server.scoring.served_policy import ServedPolicy

LoadAll = Callable[[Sequence[VersionKey]], Mapping[VersionKey, LoadedModel | LoadError]]


def adopt(
    snapshot: Snapshot,
    previous: Catalog,
    load_all: LoadAll,
    *,
    pins: Sequence[VersionKey] = (),
    budget_bytes: int = 0,
    caching: AnswerCaching | None = None,
    states: StateReader = NO_STORE,
) -> Catalog:
    """The catalog of a revision.

    Args:
        snapshot: the revision to adopt.
        previous: the present catalog; its loaded models are reused.
        load_all: loads versions; what must not serve comes back as its LoadError.
        pins: versions to load although nothing reaches them, the most wanted last.
        budget_bytes: how much all models may take before pins have to go; 0 for no limit.
        caching: the cache of answers; without it a route's section ``cache`` has no effect.
        states: reads the states of entities for routes that read profiles.
    """
    return _Adoption(snapshot, previous, load_all, caching, states).catalog(pins, budget_bytes)


def adopt_earlier(
    snapshot: Snapshot,
    current: Catalog,
    load_all: LoadAll,
    *,
    caching: AnswerCaching | None = None,
    states: StateReader = NO_STORE,
) -> Catalog:
    """The current catalog with those of its missing routes and policies that an earlier revision lets serve.

    A process that starts has no last good revision in memory; the registry has them all.
    """
    missing = [name for name in current.problems if name not in current.routes and name in snapshot.routes]
    undecided = [name for name in current.policy_problems if name not in current.policies and name in snapshot.policies]
    if not missing and not undecided:
        return current
    adoption = _Adoption(snapshot, current, load_all, caching, states)
    found = adoption.routes(missing)
    policies = adoption.policies(undecided)
    models = {model.key: model for route in found.values() for model in route.models}
    models |= {model.key: model for policy in policies.values() for model in policy.models}
    return replace(
        current,
        routes={**current.routes, **found},
        policies={**current.policies, **policies},
        models={**current.models, **models},
        degraded="; ".join(filter(None, (current.degraded, adoption.degraded))),
    )


class _Adoption:
    """One pass over a revision; loads each version at most once."""

    def __init__(
        self,
        snapshot: Snapshot,
        previous: Catalog,
        load_all: LoadAll,
        caching: AnswerCaching | None,
        states: StateReader,
    ) -> None:
        self._snapshot, self._previous, self._load_all = snapshot, previous, load_all
        self._caching = caching
        self._digests = {
            **{("route", name): digest for name, digest in snapshot.route_digests.items()},
            **{("model", name): digest for name, digest in snapshot.model_digests.items()},
            **{("profile", name): digest for name, digest in snapshot.profile_digests.items()},
        }
        self._models: dict[VersionKey, LoadedModel] = {}
        self._profiles = ProfileAdoption(snapshot, previous.profiles, states)
        self._policies = PolicyAdoption(snapshot, previous.policies)
        self._failures: dict[VersionKey, LoadError] = {}
        self._problems: dict[str, str] = {}
        self._degraded: list[str] = []
        self._lost_fallbacks: dict[str, str] = {}

    def catalog(self, pins: Sequence[VersionKey], budget_bytes: int) -> Catalog:
        routes = {name: self._previous.routes[name] for name in self._snapshot.routes if self._is_settled(name)}
        wanted = {name: self._wanted(name) for name in self._snapshot.routes if name not in routes}
        shadows = {name: self._shadows(name) for name, refs in wanted.items() if refs is not None}
        aliased = self._aliased()
        self._obtain(key for route in routes.values() for key in route.uses())
        self._obtain(key for refs in wanted.values() for key in (refs or {}).values())
        self._obtain(key for refs in shadows.values() for key in refs.values())
        self._obtain((name, version) for name, versions in aliased.items() for version in versions)
        self._obtain(self._policies.versions)
        served = {name: self._adopted(name, wanted, shadows) for name in self._snapshot.routes}
        adopted = {name: route for name, route in served.items() if route}
        policies = self._policies.adopted(adopted, self._problems, self._models, self._failures)
        reached = {key for route in adopted.values() for key in route.uses()}
        reached |= {key for policy in policies.values() for key in policy.uses()}
        self._models.update({key: self._previous.models[key] for key in reached if key not in self._models})
        return Catalog(
            revision=self._snapshot.revision,
            on_request=self._pinned(pins, budget_bytes),
            models=self._models,
            failures=self._failures,
            routes=adopted,
            problems=self._problems,
            degraded=self.degraded,
            aliased=aliased,
            digests=self._digests,
            profiles={
                fill.profile.name: fill.profile
                for route in adopted.values()
                if route.profiles
                for fill in route.profiles.fills
            },
            policies=policies,
            policy_problems=self._policies.problems,
        )

    @property
    def degraded(self) -> str:
        """What could not be read or loaded, and what routes are served without; empty if nothing is missing."""
        return "; ".join(self._degraded)

    def routes(self, names: Sequence[str]) -> Mapping[str, CompiledRoute]:
        """Those of some routes that can be served as this revision defines them."""
        wanted = {name: self._wanted(name) for name in names}
        self._obtain(key for refs in wanted.values() for key in (refs or {}).values())
        shadows = {name: self._shadows(name) for name, refs in wanted.items() if refs is not None}
        self._obtain(key for refs in shadows.values() for key in refs.values())
        served = {name: self._adopted(name, wanted, shadows) for name in names}
        return {name: route for name, route in served.items() if route}

    def policies(self, names: Sequence[str]) -> Mapping[str, ServedPolicy]:
        """Those of some policies that can be served as this revision defines them and their routes."""
        routes = self.routes([route for route in self._policies.routes(names) if route in self._snapshot.routes])
        self._obtain(self._policies.versions)
        served = self._policies.adopted(routes, self._problems, self._models, self._failures)
        return {name: served[name] for name in names if name in served and name not in self._policies.problems}

    def _is_settled(self, name: str) -> bool:
        """True where neither the route nor a model of it changed since it was adopted, shadows and all."""
        route = self._previous.routes.get(name)
        if route is None or name in self._previous.problems or route.is_degraded:
            return False
        return (
            self._same("route", name)
            and all(self._same("model", model) for model, _ in route.uses())
            and all(self._same("profile", profile) for profile in route.document.profiles)
        )

    def _same(self, kind: str, name: str) -> bool:
        digest = self._digests.get((kind, name))
        return digest is not None and digest == self._previous.digests.get((kind, name))

    def _wanted(self, name: str) -> Mapping[str, VersionKey] | None:
        """The version that each reference of a changed route means, or None where that cannot be read.

        A fallback that cannot be read is left out, and reported where the route is adopted without it.
        """
        try:
            document = self._snapshot.routes[name]
            wanted = {ref: self._snapshot.resolve(ref) for ref in document.arms}
        except RegistryError as error:
            self._problems[name] = str(error)
            return None
        if document.fallback is not None:
            try:
                wanted[document.fallback] = self._snapshot.resolve(document.fallback)
            except RegistryError as error:
                self._lost_fallbacks[name] = str(error)
        return wanted

    def _shadows(self, name: str) -> Mapping[str, VersionKey]:
        """The version that each shadow of a changed route means; one that cannot be known is reported and left out."""
        keys = {}
        try:
            for shadow in self._snapshot.routes[name].shadows:
                keys[shadow.ref] = self._snapshot.resolve(shadow.ref)
        except RegistryError as error:
            self._degraded.append(f"route {name} lacks a shadow: {error}")
        return keys

    def _aliased(self) -> Mapping[str, frozenset[int]]:
        """The versions that each readable model's aliases point to."""
        aliased = {}
        for name in self._snapshot.models:
            try:
                if self._same("model", name) and name in self._previous.aliased:
                    aliased[name] = self._previous.aliased[name]
                else:
                    aliased[name] = frozenset(self._snapshot.models[name].aliases.values())
            except RegistryError as error:
                self._degraded.append(str(error))
        return aliased

    def _obtain(self, keys: Iterable[VersionKey]) -> None:
        """Takes versions over from the previous catalog, and loads the others."""
        missing = []
        for key in dict.fromkeys(keys):
            if key in self._previous.models:
                self._models[key] = self._previous.models[key]
            elif key not in self._models and key not in self._failures:
                missing.append(key)
        for key, loaded in (self._load_all(missing) if missing else {}).items():
            if isinstance(loaded, LoadError):
                self._failures[key] = loaded
            else:
                self._models[key] = loaded

    def _adopted(
        self,
        name: str,
        wanted: Mapping[str, Mapping[str, VersionKey] | None],
        shadows: Mapping[str, Mapping[str, VersionKey]],
    ) -> CompiledRoute | None:
        """The route as this revision defines it; the previous one where that cannot be served."""
        before = self._previous.routes.get(name)
        if name not in wanted:
            return replace(self._previous.routes[name], revision=self._snapshot.revision)
        refs = wanted[name]
        if refs is None:
            return before
        document = self._snapshot.routes[name]
        failed = {ref: str(self._failures[key]) for ref, key in refs.items() if key in self._failures}
        lost = self._lost_fallbacks.get(name) or failed.get(document.fallback or "")
        if failed.keys() & set(document.arms) or (lost and before is not None and not before.lacks_fallback):
            self._problems[name] = next(iter(failed.values()), lost or "")
            return before
        if lost:
            self._degraded.append(f"route {name} is served without its fallback {document.fallback}: {lost}")
        models = {ref: self._models[key] for ref, key in refs.items() if ref not in failed}
        try:
            profiles = self._profiles.of(document, models)
        except RegistryError as error:
            self._problems[name] = str(error)
            return before
        fit = self._fit(document, shadows[name])
        return compile_route(document, self._snapshot.revision, models, fit, caching=self._caching, profiles=profiles)

    def _fit(self, document: RouteDocument, keys: Mapping[str, VersionKey]) -> Mapping[str, LoadedModel]:
        """The shadows that are loaded and fit the route's schema; the others are reported and left out."""
        fit = {}
        for ref, key in keys.items():
            model = self._models.get(key)
            problems = [self._failures[key].detail] if model is None else []
            if model is not None:
                problems = contract_errors(document.input_schema, ref, model.manifest.inputs)
            if model is not None and not problems:
                fit[ref] = model
            else:
                self._degraded.append(f"route {document.route} lacks its shadow {ref}: {'; '.join(problems)}")
        return fit

    def _pinned(self, pins: Sequence[VersionKey], budget_bytes: int) -> frozenset[VersionKey]:
        """Loads pinned versions, the most recently requested first, within the memory budget."""
        kept = set()
        for key in reversed(pins):
            if key in self._models or key in self._failures:
                continue
            self._obtain([key])
            if key not in self._models:
                continue
            taken = sum(model.memory_bytes for model in self._models.values())
            if budget_bytes and taken > budget_bytes:
                del self._models[key]
                detail = f"it does not fit the memory budget: {taken:,} bytes of {budget_bytes:,}"
                self._failures[key] = LoadError(*key, detail, reason=ErrorReason.NO_MEMORY_LEFT)
            else:
                kept.add(key)
        return frozenset(kept)
