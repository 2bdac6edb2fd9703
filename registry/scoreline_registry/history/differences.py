"""The differences between two states as events with a line of text each. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_plan import policy_differences
from scoreline_registry.documents.model import Model
from scoreline_registry.documents.model_versions import ModelVersions
from scoreline_registry.history.state import D, Documents, State
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_plan import profile_differences
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_plan import route_plan

EventKind: TypeAlias = Literal["version", "alias", "model", "route", "profile", "policy"]


@dataclass(frozen=True, slots=True)
class Event:
    """One difference between two states: the kind and name of what changed, and a line about it."""

    kind: EventKind
    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.detail}"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One revision with what it changed."""

    revision: int
    created_at: datetime
    author: str
    message: str
    events: tuple[Event, ...]

    def about(self, kind: EventKind, name: str) -> "HistoryEntry":
        """The revision with the events of one name alone."""
        return replace(self, events=tuple(event for event in self.events if (event.kind, event.name) == (kind, name)))


def events_between(older: State, newer: State, *, at: datetime | None = None) -> tuple[Event, ...]:
    """The events that lead from one state to the next; loads only the documents that differ.

    ``at`` is the time of the change, where it is known: an experiment that had begun by then was changed while running.
    """
    return (
        *(event for pair in _changed(older.models, newer.models) for event in _model_events(*pair)),
        *(event for pair in _changed(older.profiles, newer.profiles) for event in _profile_events(*pair)),
        *(event for pair in _changed(older.routes, newer.routes) for event in _route_events(*pair, at=at)),
        *(event for pair in _changed(older.policies, newer.policies) for event in _policy_events(*pair)),
    )


def _changed(older: Documents[D], newer: Documents[D]) -> Iterator[tuple[str, D | None, D | None]]:
    for name in sorted({**older.digests, **newer.digests}):
        if older.digests.get(name) != newer.digests.get(name):
            yield name, older.get(name), newer.get(name)


def _model_events(name: str, older: Model | None, newer: Model | None) -> Iterator[Event]:
    if newer is None:
        yield Event("model", name, "removed")
        return
    before = older or Model.new(name, newer.versions.load)
    yield from _version_events(before.versions, newer.versions)
    yield from _alias_events(name, before.aliases, newer.aliases)
    if before.owner != newer.owner:
        yield Event("model", name, f"owner {before.owner or 'nobody'} -> {newer.owner or 'nobody'}")
    for label in sorted({**before.labels, **newer.labels}):
        old, new = before.labels.get(label), newer.labels.get(label)
        if old != new:
            yield Event("model", name, f"label {label}: {old or 'nothing'} -> {new or 'nothing'}")


def _version_events(before: ModelVersions, after: ModelVersions) -> Iterator[Event]:
    published, retired, abandoned = list[Event](), list[Event](), list[Event]()
    for number, old, new in after.differences(before):
        ref = f"{after.model}@{number}"
        if new is not None and new.abandoned:
            abandoned.append(Event("version", ref, "never committed, its claim given up"))
        elif old is None:
            published.append(Event("version", ref, "published"))
        elif after[number].collected and not before[number].collected:
            retired.append(Event("version", ref, "its files given up for removal"))
        elif new is not None and new.retired != old.retired:
            retired.append(Event("version", ref, "retired" if new.retired else "back in use"))
    yield from (*published, *retired, *abandoned)


def _alias_events(name: str, before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Event]:
    for alias in sorted({**before, **after}):
        old, new = before.get(alias), after.get(alias)
        if old != new:
            yield Event("alias", f"{name}@{alias}", f"{old or 'nothing'} -> {new or 'nothing'}")


def _profile_events(name: str, older: Profile | None, newer: Profile | None) -> Iterator[Event]:
    if newer is None:
        yield Event("profile", name, "removed")
        return
    for difference in tuple(profile_differences(older, newer)) or ("fields of a newer Scoreline",):
        yield Event("profile", name, difference)


def _policy_events(name: str, older: Policy | None, newer: Policy | None) -> Iterator[Event]:
    if newer is None:
        yield Event("policy", name, "removed")
        return
    for difference in tuple(policy_differences(older, newer)) or ("bucket ranges or fields of a newer Scoreline",):
        yield Event("policy", name, difference)


def _route_events(
    name: str, older: RouteDocument | None, newer: RouteDocument | None, *, at: datetime | None
) -> Iterator[Event]:
    if newer is None:
        yield Event("route", name, "removed")
        return
    plan = route_plan(name, before=older, after=newer, etag="", at=at)
    for difference in plan.differences or ("bucket ranges moved",):
        yield Event("route", name, difference)
