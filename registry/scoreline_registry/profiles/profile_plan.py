"""Compares two definitions of a profile: what differs, and which features get other values. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import written

_PARTS = ("events", "features")


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """What applying a profile does.

    Attributes:
        before: None for a new profile.
        etag: the digest of the document that the plan was made against, "" where there is none: give it as
            ``if_match`` to apply this plan and no other.
        differences: one line for each.
        other_values: features that were there before and get other values now; models that were trained on them must
            be trained again.
        routes: the routes that use the profile.
        revision: None while nothing is written.
    """

    profile: str
    before: Profile | None
    after: Profile
    etag: str
    differences: tuple[str, ...]
    other_values: tuple[str, ...]
    routes: tuple[str, ...] = ()
    revision: int | None = None

    @property
    def changes_anything(self) -> bool:
        """Whether applying it would make a revision."""
        return self.before is None or self.before != self.after


def profile_plan(
    before: Profile | None, after: Profile, *, etag: str, routes: Sequence[str], revision: int | None = None
) -> ProfilePlan:
    """Compares two definitions of one profile."""
    return ProfilePlan(
        profile=after.profile,
        before=before,
        after=after,
        etag=etag,
        differences=tuple(profile_differences(before, after)),
        other_values=_other_values(before, after),
        routes=tuple(routes),
        revision=revision,
    )


def profile_differences(before: Profile | None, after: Profile) -> Iterator[str]:
    """One line for each difference between two definitions of a profile."""
    new = written(after)
    if before is None:
        yield f"new, with the features {', '.join(new['features'])}"
        return
    old = written(before)
    for name in dict.fromkeys([*old, *new]):
        if name not in _PARTS and old.get(name) != new.get(name):
            yield f"{name}: {_shown(old.get(name))} -> {_shown(new.get(name))}"
    yield from _part_differences("event type", _fields(old), _fields(new))
    yield from _part_differences("feature", old["features"], new["features"])
    if set(old["features"]) == set(new["features"]) and list(old["features"]) != list(new["features"]):
        yield f"order of features: {', '.join(new['features'])}"


def _other_values(before: Profile | None, after: Profile) -> tuple[str, ...]:
    old = {} if before is None else feature_digests(before)
    return tuple(name for name, digest in feature_digests(after).items() if old.get(name, digest) != digest)


def _fields(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: event["fields"] for name, event in document["events"].items()}


def _part_differences(
    kind: str, old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield f"{kind} {name}: removed"
        elif name not in old:
            yield f"{kind} {name}: new"
        elif old[name] != new[name]:
            yield f"{kind} {name}: {', '.join(_option_differences(old[name], new[name]))}"


def _option_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for option in [*old, *(option for option in new if option not in old)]:
        if old.get(option) != new.get(option):
            yield f"{option} {_shown(old.get(option))} -> {_shown(new.get(option))}"


def _shown(value: object) -> str:
    """A value in one line; ``none`` where there is no value."""
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value in (None, "", {}) else str(value)
