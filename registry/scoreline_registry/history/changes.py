"""The changes that can be committed: pure functions from one state to the next.

A change may be applied several times before it is committed, each time to a newer state, and refuses what that state
does not allow. ``expect`` is the digest of the document as its author read it ("" for "there is none yet"), None to
change whatever is there.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from scoreline_registry.documents.documents import VersionEntry
from scoreline_registry.documents.model import Model
from scoreline_registry.errors import ClaimLostError, ConflictError, InvalidError, RefusedError
from scoreline_registry.history.state import D, Documents, State
from scoreline_registry.names import ModelRef, check_name
from scoreline_registry.routing.planning import next_document, schema_like, without_arm, written_schema
from scoreline_registry.routing.route import RouteSpec
from scoreline_registry.routing.route_validation import routable, route_problems

Change = Callable[[State], State]

_MAX_TEXT = 200


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
        document = state.model_or_new(model)
        if version in document.versions:
            raise ConflictError("version", f"{model}@{version}")
        if document.versions.is_abandoned(version):
            raise ClaimLostError(f"{model}@{version}")
        update: dict[str, object] = {"aliases": {**document.aliases, **dict.fromkeys(names, version)}}
        if owner is not None:
            update["owner"] = owner
        if labels is not None:
            update["labels"] = {**document.labels, **labels}
        return _pointed(state, document.with_entry(version, entry).changed(**update), names)

    return change


def set_alias(model: str, alias: str, version: int, *, expect: str | None = None) -> Change:
    """Points an alias to a version, after checking every route that uses it.

    Raises NotFoundError for an unknown model or version, ConflictError, and RefusedError with every route's problems.
    """
    check_name("model", model)
    check_name("alias", alias)

    def change(state: State) -> State:
        document = state.models.require(model)
        check_expected(state.models, model, expect)
        state.in_use(f"{model}@{version}")
        return _pointed(state, document.changed(aliases={**document.aliases, alias: version}), [alias])

    return change


def apply_route(spec: RouteSpec, *, expect: str | None = None) -> Change:
    """Creates a route or brings it to what ``spec`` says, moving as few units as that takes.

    Raises ConflictError, NotFoundError for the model of a ``like`` schema, and RefusedError with every problem.
    """

    def change(state: State) -> State:
        check_expected(state.routes, spec.route, expect)
        before = state.routes.get(spec.route)
        like = spec.input_schema.like
        schema = schema_like(routable(like, state.usable(like)).inputs) if like else written_schema(spec.input_schema)
        after = next_document(spec, schema=schema, before=before)
        problems = route_problems(after, state.usable)
        if problems:
            raise RefusedError(f"route {spec.route}", problems)
        return state.with_route(after)

    return change


def stop_arm(route: str, ref: str, *, expect: str | None = None) -> Change:
    """Takes an arm out of a route at once; nothing else is checked, so that nothing else can keep it in.

    Raises NotFoundError, ConflictError, and RefusedError where it is the only arm of a rule.
    """
    check_name("route", route)

    def change(state: State) -> State:
        document = state.routes.require(route)
        check_expected(state.routes, route, expect)
        return state.with_route(without_arm(document, ref))

    return change


def set_owner(model: str, owner: str | None, *, expect: str | None = None) -> Change:
    """Says who answers for a model; None for nobody. Raises InvalidError, NotFoundError, ConflictError."""
    check_name("model", model)
    if owner is not None:
        _check_text("owner", owner)

    def change(state: State) -> State:
        document = state.models.require(model)
        check_expected(state.models, model, expect)
        return state.with_model(document.changed(owner=owner))

    return change


def set_labels(model: str, labels: Mapping[str, str | None], *, expect: str | None = None) -> Change:
    """Sets labels of a model and takes away those that are None. Raises InvalidError, NotFoundError, ConflictError."""
    check_name("model", model)
    for name, value in labels.items():
        check_name("label", name)
        if value is not None:
            _check_text(f"label {name}", value)

    def change(state: State) -> State:
        document = state.models.require(model)
        check_expected(state.models, model, expect)
        after = {**document.labels, **labels}
        return state.with_model(
            document.changed(labels={name: text for name, text in after.items() if text is not None})
        )

    return change


def check_expected(documents: Documents[D], name: str, expect: str | None) -> None:
    """Raises ConflictError when a document is not the one that a change's author had read."""
    if expect is not None and documents.digests.get(name, "") != expect:
        raise ConflictError(documents.kind, name)


def check_routes(state: State, refs: Collection[str], *, subject: str, also: Collection[str] = ()) -> None:
    """Raises RefusedError with the problems of every route that uses one of ``refs`` or stands in ``also``."""
    problems = [
        f"route {name}: {problem}"
        for name, route in (state.routes.items() if refs or also else ())
        if name in also or not set(refs).isdisjoint(route.refs)
        for problem in route_problems(route, state.usable)
    ]
    if problems:
        raise RefusedError(subject, problems)


def _pointed(state: State, document: Model, aliases: Iterable[str]) -> State:
    """The state with a model replaced, once every route that uses one of its moved aliases has been checked."""
    after = state.with_model(document)
    refs = {str(ModelRef(document.name, alias=alias)) for alias in aliases}
    check_routes(after, refs, subject=f"alias {', '.join(sorted(refs))}")
    return after


def _check_text(subject: str, text: str) -> None:
    if not 1 <= len(text) <= _MAX_TEXT or not text.isprintable() or text != text.strip():
        raise InvalidError(subject, [f"use 1 to {_MAX_TEXT} printable characters without leading or trailing spaces"])
