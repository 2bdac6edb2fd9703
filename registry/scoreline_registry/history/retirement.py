"""Changes that retire a version, bring it back, and release files for removal. Pure."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from scoreline_registry.documents.documents import Retirement
from scoreline_registry.documents.model import Model
from scoreline_registry.errors import RefusedError
from scoreline_registry.history.changes import Change, ModelChange, Signature
from scoreline_registry.history.policy_checks import policies_of
from scoreline_registry.history.state import State
from scoreline_registry.names import ModelRef

Keys = Collection[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Retire(ModelChange):
    """Takes a version out of use; one that is retired already stays as it is.

    Raises NotFoundError, and RefusedError with every alias, route and policy that references it.
    """

    version: int
    retirement: Retirement | None = None

    def signed(self, signature: Signature) -> "Retire":
        """The change with the author, message and time of the retirement."""
        author, message, at, seen = signature
        return replace(self, retirement=Retirement(at=at, author=author, message=message, seen=seen))

    def apply(self, state: State) -> State:
        """The state with the version retired."""
        model = state.models.require(self.model)
        entry = model.entry(self.version)
        if entry.retired is not None:
            return state
        errors = list(references_to(state, self.model, self.version))
        if errors:
            raise RefusedError(f"{self.model}@{self.version} cannot be retired", errors)
        return state.with_model(model.with_entry(self.version, entry.model_copy(update={"retired": self.retirement})))


@dataclass(frozen=True, slots=True)
class Unretire(ModelChange):
    """Brings a retired version back into use. Raises NotFoundError, and RefusedError when its files were removed."""

    version: int

    def apply(self, state: State) -> State:
        """The state with the version in use."""
        model = state.models.require(self.model)
        entry = model.entry(self.version)
        if entry.collected:
            errors = ["its files were removed; publish it again"]
            raise RefusedError(f"{self.model}@{self.version} cannot come back", errors)
        return state.with_model(model.with_entry(self.version, entry.model_copy(update={"retired": None})))


def references_to(state: State, model: str, version: int) -> Iterator[str]:
    """One line for each alias, route and policy that references a version, with what to do."""
    aliases = [alias for alias, number in sorted(state.models[model].aliases.items()) if number == version]
    for alias in aliases:
        yield f"alias {model}@{alias} points to it: move the alias first"
    refs = {str(ModelRef(model, version=version)), *(str(ModelRef(model, alias=alias)) for alias in aliases)}
    for name, route in state.routes.items():
        for ref in route.refs:
            if ref in refs:
                yield f"route {name} uses {ref}: change the route first"
    for name in policies_of(state, (), refs):
        for ref in state.policies[name].refs:
            if ref in refs:
                yield f"policy {name} uses {ref}: change the policy first"


@dataclass(frozen=True, slots=True)
class Reclaim(Change):
    """Releases the files of retired versions for removal, and numbers that were claimed and never committed.

    What was brought back or committed meanwhile is left out. From this commit on nothing can be committed under an
    abandoned number, so its files may be deleted even while a slow publisher still writes some.
    """

    retired: Keys
    abandoned: Keys
    at: datetime

    def apply(self, state: State) -> State:
        """The state with the files and numbers released."""
        for model in sorted({model for model, _ in (*self.retired, *self.abandoned)}):
            before = state.model_or_new(model)
            after = _collected(before, [number for name, number in self.retired if name == model], self.at)
            after = after.with_abandoned(sorted(number for name, number in self.abandoned if name == model))
            if after is not before:
                state = state.with_model(after)
        return state


def _collected(document: Model, versions: Collection[int], at: datetime) -> Model:
    for version in versions:
        entry = document.entry(version)
        if entry.retired is not None and not entry.collected:
            retired = entry.retired.model_copy(update={"collected_at": at})
            document = document.with_entry(version, entry.model_copy(update={"retired": retired}))
    return document
