"""Compiles the policies of a revision for the routes that are served with them.

Adoption is per policy, all or nothing: one that cannot be compiled, or whose models or route cannot be served, keeps
its last good form together with the route that it was adopted with.
"""

from collections.abc import Mapping, Sequence

from scoreline_registry.decisions.deciding.compiled import compile_policy
from scoreline_registry.decisions.messages.rendering import CompiledMessages
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.errors import MissingExtraError, RegistryError
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.routing.route_validation import contract_errors
from scoreline_server.errors import LoadError
from scoreline_server.scoring.compiled_route import Arm, CompiledRoute
from scoreline_server.scoring.facts import FactReader
from scoreline_server.scoring.model import LoadedModel, VersionKey
from scoreline_server.scoring.served_policy import ServedPolicy


class PolicyAdoption:
    """The policies of one revision; what did not change is taken over from the previous catalog."""

    def __init__(self, snapshot: Snapshot, previous: Mapping[str, ServedPolicy]) -> None:
        """``previous`` are the policies that are served, by name."""
        self._snapshot, self._previous = snapshot, previous
        self.problems: dict[str, str] = {}
        """Per policy, why its newest form is not served."""
        self._documents = self._readable()
        self._wanted = self._references()

    @property
    def versions(self) -> frozenset[VersionKey]:
        """The versions that effects of actions are scores of."""
        return frozenset(key for refs in self._wanted.values() for key in refs.values())

    def routes(self, names: Sequence[str]) -> Sequence[str]:
        """The routes of some policies, each once; policies that cannot be read have none."""
        return list(dict.fromkeys(self._documents[name].route for name in names if name in self._documents))

    def adopted(
        self,
        routes: Mapping[str, CompiledRoute],
        route_problems: Mapping[str, str],
        models: Mapping[VersionKey, LoadedModel],
        failures: Mapping[VersionKey, LoadError],
    ) -> dict[str, ServedPolicy]:
        """The policies that are served, given the routes and models of the same revision."""
        served: dict[str, ServedPolicy] = {}
        for name, refs in self._wanted.items():
            problem = self._problem(name, refs, routes, route_problems, models, failures)
            if problem:
                self.problems[name] = problem
                continue
            try:
                served[name] = self._served(name, routes[self._documents[name].route], refs, models)
            except MissingExtraError as error:
                self.problems[name] = str(error)
        kept = {name: self._previous[name] for name in self.problems if name in self._previous}
        return served | kept

    def _readable(self) -> dict[str, Policy]:
        documents = {}
        for name in self._snapshot.policies:
            try:
                documents[name] = self._snapshot.policies[name]
            except RegistryError as error:
                self.problems[name] = str(error)
        return documents

    def _references(self) -> dict[str, Mapping[str, VersionKey]]:
        """The version that each reference of a policy means; a policy where that cannot be read is left out."""
        wanted: dict[str, Mapping[str, VersionKey]] = {}
        for name, document in self._documents.items():
            try:
                wanted[name] = {ref: self._snapshot.resolve(ref) for ref in document.refs}
            except RegistryError as error:
                self.problems[name] = str(error)
        return wanted

    def _problem(
        self,
        name: str,
        refs: Mapping[str, VersionKey],
        routes: Mapping[str, CompiledRoute],
        route_problems: Mapping[str, str],
        models: Mapping[VersionKey, LoadedModel],
        failures: Mapping[VersionKey, LoadError],
    ) -> str:
        """Why a policy cannot be served; empty if it can."""
        route = self._documents[name].route
        if route not in routes or route in route_problems:
            return f"route {route} is not served as it is defined: {route_problems.get(route, 'there is none')}"
        for ref, key in refs.items():
            if key in failures:
                return str(failures[key])
            errors = contract_errors(routes[route].document.input_schema, ref, models[key].manifest.inputs)
            if errors:
                return "; ".join(errors)
        return ""

    def _served(
        self, name: str, route: CompiledRoute, refs: Mapping[str, VersionKey], models: Mapping[VersionKey, LoadedModel]
    ) -> ServedPolicy:
        known, digest = self._previous.get(name), self._snapshot.policy_digests[name]
        if known is not None and known.digest == digest:
            compiled, messages = known.compiled, known.messages
        else:
            compiled, messages = compile_policy(self._documents[name]), CompiledMessages(self._documents[name])
        return ServedPolicy(
            name=name,
            revision=self._snapshot.revision,
            digest=digest,
            compiled=compiled,
            messages=messages,
            route=route,
            uplifts={ref: Arm.of(ref, models[key], route.layout) for ref, key in refs.items()},
            facts=FactReader(compiled.facts, route),
        )
