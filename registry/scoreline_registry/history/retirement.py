"""Taking versions out of use: retiring one, bringing it back, and giving up what may be removed. Pure changes."""

from collections.abc import Collection, Iterator
from datetime import datetime

from scoreline_registry.documents.documents import Retirement
from scoreline_registry.documents.model import Model
from scoreline_registry.errors import RefusedError
from scoreline_registry.history.changes import Change, check_expected
from scoreline_registry.history.state import State
from scoreline_registry.names import ModelRef, check_name

Keys = Collection[tuple[str, int]]


def retire(model: str, version: int, retirement: Retirement, *, expect: str | None = None) -> Change:
    """Takes a version out of use; one that is retired already stays as it is.

    Raises NotFoundError, ConflictError, and RefusedError with every alias and route that reaches it.
    """
    check_name("model", model)

    def change(state: State) -> State:
        document = state.models.require(model)
        check_expected(state.models, model, expect)
        entry = document.entry(version)
        if entry.retired is not None:
            return state
        problems = list(reached_by(state, model, version))
        if problems:
            raise RefusedError(f"{model}@{version} cannot be retired", problems)
        return state.with_model(document.with_entry(version, entry.model_copy(update={"retired": retirement})))

    return change


def unretire(model: str, version: int, *, expect: str | None = None) -> Change:
    """Brings a retired version back into use. Raises NotFoundError, ConflictError, RefusedError when its files went."""
    check_name("model", model)

    def change(state: State) -> State:
        document = state.models.require(model)
        check_expected(state.models, model, expect)
        entry = document.entry(version)
        if entry.collected:
            raise RefusedError(f"{model}@{version} cannot come back", ["its files were removed; publish it again"])
        return state.with_model(document.with_entry(version, entry.model_copy(update={"retired": None})))

    return change


def reached_by(state: State, model: str, version: int) -> Iterator[str]:
    """One line for each alias and each route that reaches a version, with what to do."""
    aliases = [alias for alias, number in sorted(state.models[model].aliases.items()) if number == version]
    for alias in aliases:
        yield f"alias {model}@{alias} points to it: move the alias first"
    refs = {str(ModelRef(model, version=version)), *(str(ModelRef(model, alias=alias)) for alias in aliases)}
    for name, route in state.routes.items():
        for ref in route.refs:
            if ref in refs:
                yield f"route {name} uses {ref}: change the route first"


def give_up(*, retired: Keys, abandoned: Keys, at: datetime) -> Change:
    """Gives up the files of retired versions, and numbers that were claimed and never committed.

    What was brought back or committed meanwhile is left out. From this commit on nothing can be committed under an
    abandoned number, so its files may go even while a slow publisher still writes some.
    """

    def change(state: State) -> State:
        for model in sorted({model for model, _ in (*retired, *abandoned)}):
            before = state.model_or_new(model)
            after = _collected(before, [number for name, number in retired if name == model], at)
            after = after.with_abandoned(sorted(number for name, number in abandoned if name == model))
            if after is not before:
                state = state.with_model(after)
        return state

    return change


def _collected(document: Model, versions: Collection[int], at: datetime) -> Model:
    for version in versions:
        entry = document.entry(version)
        if entry.retired is not None and not entry.collected:
            retired = entry.retired.model_copy(update={"collected_at": at})
            document = document.with_entry(version, entry.model_copy(update={"retired": retired}))
    return document
