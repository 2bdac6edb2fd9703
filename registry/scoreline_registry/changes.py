"""The changes that can be committed: pure functions from one state to the next.

A change may be applied several times before it is committed, each time to a newer state, and refuses what that state
does not allow. ``expect`` is the digest of the document as its author read it ("" for "there is none yet"), None to
change whatever is there.
"""

from collections.abc import Callable, Iterable, Mapping

from scoreline_registry.checks import route_problems
from scoreline_registry.documents import D, ModelDocument, VersionEntry
from scoreline_registry.errors import ConflictError, RefusedError
from scoreline_registry.names import ModelRef, check_name
from scoreline_registry.planning import next_document, schema_like, written_schema
from scoreline_registry.route import RouteDocument, RouteSpec
from scoreline_registry.state import Documents, State

Change = Callable[[State], State]


def add_version(
    model: str,
    version: int,
    entry: VersionEntry,
    *,
    aliases: Iterable[str] = (),
    owner: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Change:
    """Commits a version whose files are stored, and points ``aliases`` to it. The first version makes the model.

    ``owner`` and ``labels`` replace the model's where they are given. Raises ConflictError when the number is taken
    and RefusedError when a route could not use what an alias would point to.
    """
    check_name("model", model)
    names = [check_name("alias", alias) for alias in aliases]

    def change(state: State) -> State:
        document = state.models.get(model) or ModelDocument(name=model)
        if str(version) in document.versions:
            raise ConflictError("version", f"{model}@{version}")
        update: dict[str, object] = {
            "versions": {**document.versions, str(version): entry},
            "aliases": {**document.aliases, **dict.fromkeys(names, version)},
            "next_version": max(document.next_version, version + 1),
        }
        if owner is not None:
            update["owner"] = owner
        if labels is not None:
            update["labels"] = {**document.labels, **labels}
        return _with_model(state, document.model_copy(update=update), moved=names)

    return change


def set_alias(model: str, alias: str, version: int, *, expect: str | None = None) -> Change:
    """Points an alias to a version, after checking every route that uses it.

    Raises NotFoundError for an unknown model or version, ConflictError, and RefusedError with every route's problems.
    """
    check_name("model", model)
    check_name("alias", alias)

    def change(state: State) -> State:
        document = state.models.require(model)
        _check_expected(state.models, model, expect)
        document.entry(version)
        moved = document.model_copy(update={"aliases": {**document.aliases, alias: version}})
        return _with_model(state, moved, moved=[alias])

    return change


def apply_route(spec: RouteSpec, *, expect: str | None = None) -> Change:
    """Creates a route or brings it to what ``spec`` says, moving as few units as that takes.

    Raises ConflictError, NotFoundError for the model of a ``like`` schema, and RefusedError with every problem.
    """

    def change(state: State) -> State:
        _check_expected(state.routes, spec.route, expect)
        before = state.routes.get(spec.route)
        like = spec.input_schema.like
        schema = schema_like(state.manifest_of(like).inputs) if like else written_schema(spec.input_schema)
        after = next_document(spec, schema=schema, before=before)
        problems = route_problems(after, state.manifest_of)
        if problems:
            raise RefusedError(f"route {spec.route}", problems)
        return _with_route(state, after)

    return change


def _with_model(state: State, document: ModelDocument, *, moved: Iterable[str]) -> State:
    """The state with a model replaced, once every route that uses one of its moved aliases has been checked."""
    after = State(state.models.put(document.name, document), state.routes, state.load_manifest)
    refs = {str(ModelRef(document.name, alias=alias)) for alias in moved}
    problems = [
        f"route {name}: {problem}"
        for name, route in (after.routes.items() if refs else ())
        if refs.intersection(route.refs)
        for problem in route_problems(route, after.manifest_of)
    ]
    if problems:
        raise RefusedError(f"alias {', '.join(sorted(refs))}", problems)
    return after


def _with_route(state: State, document: RouteDocument) -> State:
    return State(state.models, state.routes.put(document.route, document), state.load_manifest)


def _check_expected(documents: Documents[D], name: str, expect: str | None) -> None:
    if expect is not None and documents.digests.get(name, "") != expect:
        raise ConflictError(documents.kind, name)
