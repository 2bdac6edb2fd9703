"""Moving pointers back to where an earlier revision had them, as a new revision. Pure changes.

Pointers are aliases and the definitions of routes. Versions, their numbers and the layouts that callers may still send
only grow. What an earlier revision did not have yet goes away: an alias set since, and with ``rollback_all`` a route
made since.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.history.changes import Change, check_expected, check_routes
from scoreline_registry.history.state import State
from scoreline_registry.names import ModelRef, check_name
from scoreline_registry.routing.planning import restored


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier revision and the state that it left."""

    revision: int
    state: State

    def aliases(self, model: str) -> Mapping[str, int]:
        """Where the aliases of a model pointed; none where there was no such model."""
        return self.state.models[model].aliases if model in self.state.models else {}


def rollback_model(model: str, past: Past, *, expect: str | None = None) -> Change:
    """Points every alias of a model to where it pointed.

    Raises NotFoundError, also when the model was not there yet, ConflictError, and RefusedError when an alias pointed
    to a version that is retired by now or a route could not serve any more.
    """
    check_name("model", model)

    def change(state: State) -> State:
        state.models.require(model)
        check_expected(state.models, model, expect)
        if model not in past.state.models:
            raise NotFoundError("model", model, f"revision {past.revision} did not have it yet")
        return _rolled_back(state, past, models=[model], routes=[])

    return change


def rollback_route(route: str, past: Past, *, expect: str | None = None) -> Change:
    """Brings one route to its earlier definition, or back if it was removed. Raises as ``rollback_model`` does."""
    check_name("route", route)

    def change(state: State) -> State:
        check_expected(state.routes, route, expect)
        if route not in past.state.routes:
            raise NotFoundError("route", route, f"revision {past.revision} did not have it yet")
        return _rolled_back(state, past, models=[], routes=[route])

    return change


def rollback_all(past: Past) -> Change:
    """Brings every alias and every route to where they were. Raises RefusedError with everything in the way."""

    def change(state: State) -> State:
        routes = {**state.routes.digests, **past.state.routes.digests}
        return _rolled_back(state, past, models=list(state.models), routes=list(routes))

    return change


def _rolled_back(state: State, past: Past, *, models: Collection[str], routes: Collection[str]) -> State:
    subject = f"rollback to revision {past.revision}"
    moved = [name for name in models if state.models[name].aliases != past.aliases(name)]
    problems = [problem for name in moved for problem in _retired(state, past, name)]
    if problems:
        raise RefusedError(subject, problems)
    after = state
    for name in moved:
        after = after.with_model(state.models[name].changed(aliases=dict(past.aliases(name))))
    for name in routes:
        after = _with_past_route(after, past, name)
    refs = {ref for name in moved for ref in _moved_refs(state, past, name)}
    changed = {name for name in routes if after.routes.digests.get(name) != state.routes.digests.get(name)}
    check_routes(after, refs, subject=subject, also=changed)
    return after


def _retired(state: State, past: Past, model: str) -> Iterator[str]:
    document = state.models[model]
    for alias, version in sorted(past.aliases(model).items()):
        retired = document.entry(version).retired
        if retired is not None:
            yield (
                f"{model}@{alias} pointed to version {version}, which {retired.author} retired on {retired.at:%Y-%m-%d}"
            )


def _with_past_route(state: State, past: Past, name: str) -> State:
    if name not in past.state.routes:
        return state.without_route(name)
    if state.routes.digests.get(name) == past.state.routes.digests[name]:
        return state
    return state.with_route(restored(past.state.routes[name], before=state.routes.get(name)))


def _moved_refs(state: State, past: Past, model: str) -> Iterator[str]:
    now, then = state.models[model].aliases, past.aliases(model)
    for alias in {*now, *then}:
        if now.get(alias) != then.get(alias):
            yield str(ModelRef(model, alias=alias))
