"""The changes that can be committed, as frozen values: ``Registry.commit(SetAlias("credit", "champion", 7), ...)``.

A change leads from one state to the next and is pure: it may be applied several times before it is committed, each
time to a newer state, and refuses what that state does not allow.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from scoreline_registry.documents.documents import VersionEntry
from scoreline_registry.documents.model import Model
from scoreline_registry.errors import ClaimLostError, ConflictError, InvalidError, RefusedError
from scoreline_registry.history.policy_checks import policies_of, policy_problems
from scoreline_registry.history.route_checks import check_routes, serving_errors
from scoreline_registry.history.state import Kind, State
from scoreline_registry.names import ModelRef, check_name
from scoreline_registry.routing.planning import next_document, schema_like, without_arm, written_schema
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_registry.routing.route_validation import routable
from scoreline_registry.routing.section_validation import section_errors

_MAX_TEXT = 200


class DocumentName(NamedTuple):
    """The document of one model, route, profile or policy."""

    kind: Kind
    name: str


class Signature(NamedTuple):
    """The author, message and time of a commit, and the revision that it follows."""

    author: str
    message: str
    at: datetime
    seen: int


class Change(ABC):
    """The base of all changes."""

    @property
    def document(self) -> DocumentName | None:
        """The one document that changes, which a precondition can be about; None where it may be several."""
        return None

    def signed(self, signature: Signature) -> "Change":  # noqa: ARG002 - for changes that record it
        """The change with its signature, where the document that it writes records one."""
        return self

    @abstractmethod
    def apply(self, state: State) -> State:
        """The next state. Raises NotFoundError and RefusedError for what this state does not allow."""


@dataclass(frozen=True, slots=True)
class ModelChange(Change):
    """A change of one model's document."""

    model: str

    def __post_init__(self) -> None:
        check_name("model", self.model)

    @property
    def document(self) -> DocumentName:
        """The model's document."""
        return DocumentName("model", self.model)


@dataclass(frozen=True, slots=True)
class RouteChange(Change):
    """A change of one route's document."""

    route: str

    def __post_init__(self) -> None:
        check_name("route", self.route)

    @property
    def document(self) -> DocumentName:
        """The route's document."""
        return DocumentName("route", self.route)


@dataclass(frozen=True, slots=True)
class AddVersion(ModelChange):
    """Commits a version whose files are stored, and points ``aliases`` to it. The first version makes the model.

    ``owner`` and ``labels`` replace the model's where they are given. Raises ConflictError when the number is taken,
    ClaimLostError when it was given up, and RefusedError when a route could not use what an alias would point to.
    """

    version: int
    entry: VersionEntry
    aliases: tuple[str, ...] = ()
    owner: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ModelChange.__post_init__(self)
        for alias in self.aliases:
            check_name("alias", alias)

    def apply(self, state: State) -> State:
        """The state with the version."""
        model = state.model_or_new(self.model)
        if self.version in model.versions:
            raise ConflictError("version", f"{self.model}@{self.version}")
        if model.versions.is_abandoned(self.version):
            raise ClaimLostError(f"{self.model}@{self.version}")
        changed = model.with_entry(self.version, self.entry).changed(
            aliases={**model.aliases, **dict.fromkeys(self.aliases, self.version)},
            owner=model.owner if self.owner is None else self.owner,
            labels={**model.labels, **self.labels},
        )
        return _with_moved_aliases(state, changed, self.aliases)


@dataclass(frozen=True, slots=True)
class SetAlias(ModelChange):
    """Points an alias to a version.

    Raises RefusedError when the version is retired, or with the errors of every route that uses the alias.
    """

    alias: str
    version: int

    def __post_init__(self) -> None:
        ModelChange.__post_init__(self)
        check_name("alias", self.alias)

    def apply(self, state: State) -> State:
        """The state with the alias moved, once every route that uses it has been checked."""
        model = state.models.require(self.model)
        state.in_use(f"{self.model}@{self.version}")
        changed = model.changed(aliases={**model.aliases, self.alias: self.version})
        return _with_moved_aliases(state, changed, [self.alias])


@dataclass(frozen=True, slots=True)
class RemoveAlias(ModelChange):
    """Takes an alias away. Raises RefusedError with every route and policy that uses it."""

    alias: str

    def apply(self, state: State) -> State:
        """The state without the alias."""
        model, ref = state.models.require(self.model), f"{self.model}@{self.alias}"
        model.alias(self.alias)
        errors = [
            f"route {name} uses it: change the route first" for name, route in state.routes.items() if ref in route.refs
        ]
        errors += [f"policy {name} uses it: change the policy first" for name in policies_of(state, (), [ref])]
        if errors:
            raise RefusedError(f"alias {ref} cannot be removed", errors)
        return state.with_model(
            model.changed(aliases={name: number for name, number in model.aliases.items() if name != self.alias})
        )


@dataclass(frozen=True, slots=True)
class SetOwner(ModelChange):
    """Sets the owner of a model; None removes it. Raises InvalidError."""

    owner: str | None

    def __post_init__(self) -> None:
        ModelChange.__post_init__(self)
        if self.owner is not None:
            _check_text("owner", self.owner)

    def apply(self, state: State) -> State:
        """The state with the owner."""
        return state.with_model(state.models.require(self.model).changed(owner=self.owner))


@dataclass(frozen=True, slots=True)
class SetLabels(ModelChange):
    """Sets labels of a model and removes those that are None. Raises InvalidError."""

    labels: Mapping[str, str | None]

    def __post_init__(self) -> None:
        ModelChange.__post_init__(self)
        for name, value in self.labels.items():
            check_name("label", name)
            if value is not None:
                _check_text(f"label {name}", value)

    def apply(self, state: State) -> State:
        """The state with the labels."""
        model = state.models.require(self.model)
        labels = {name: text for name, text in {**model.labels, **self.labels}.items() if text is not None}
        return state.with_model(model.changed(labels=labels))


@dataclass(frozen=True, slots=True)
class ApplyRoute(Change):
    """Creates a route or brings it to what ``spec`` says, moving as few units as that takes.

    Raises NotFoundError for the model of a ``like`` schema, and RefusedError with every error of the route and of the
    policies that decide for it.
    """

    spec: RouteSpec

    @property
    def document(self) -> DocumentName:
        """The route's document."""
        return DocumentName("route", self.spec.route)

    def apply(self, state: State) -> State:
        """The state with the route."""
        before, written = state.routes.get(self.spec.route), self.spec.input_schema
        like = written.like
        schema = schema_like(routable(like, state.usable(like)).inputs) if like else written_schema(written)
        after = next_document(self.spec, schema=schema, before=before)
        changed = state.with_route(after)
        errors = [*serving_errors(state, after), *section_errors(after)]
        errors += policy_problems(changed, policies_of(changed, [self.spec.route]))
        if errors:
            raise RefusedError(f"route {self.spec.route}", errors)
        return changed


@dataclass(frozen=True, slots=True)
class StopArm(RouteChange):
    """Takes an arm out of a route: its share goes to the first other arm of each rule, and so does the fallback.

    Nothing else is checked, so that no other error keeps it in. Raises RefusedError where it is a rule's only arm.
    """

    ref: str

    def apply(self, state: State) -> State:
        """The state with the route without the arm."""
        return state.with_route(without_arm(state.routes.require(self.route), self.ref))


def _with_moved_aliases(state: State, model: Model, aliases: Iterable[str]) -> State:
    """The state with a model replaced, once every route that uses one of its moved aliases has been checked."""
    after = state.with_model(model)
    refs = {str(ModelRef(model.name, alias=alias)) for alias in aliases}
    check_routes(after, refs, subject=f"alias {', '.join(sorted(refs))}")
    return after


def _check_text(subject: str, text: str) -> None:
    if not 1 <= len(text) <= _MAX_TEXT or not text.isprintable() or text != text.strip():
        raise InvalidError(subject, [f"use 1 to {_MAX_TEXT} printable characters without leading or trailing spaces"])
