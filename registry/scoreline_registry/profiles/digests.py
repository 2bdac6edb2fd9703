"""Identifies what each feature of a profile computes, so that a model is never served other numbers than it learned."""

from collections.abc import Iterable, Mapping
from typing import Any

from scoreline_registry.documents.documents import canonical_json, sha256_hex
from scoreline_registry.profiles.feature import EVENT_FIELD, ProfileFeature
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.routing.conditions import tests_of

COMPUTATION = 1
"""Counts the ways in which features were ever computed: it grows when one of them gets other values than before."""

_HOURLY = frozenset({"hour", "hour_rarity", "weekday"})
"""The aggregates that depend on the time zone."""


def feature_digests(profile: Profile) -> dict[str, str]:
    """The sha256 of each feature, by its name, over all that changes its values and nothing else.

    That is its definition without name and description, the event types that it is computed from, the kinds of the
    fields that it names, the time zone where it depends on hours, all event types where it looks at sessions, which
    events of any type go on with, and the digests of the features that it refers to.
    """
    digests: dict[str, str] = {}
    for feature in profile.features:
        digests[feature.name] = sha256_hex(canonical_json(_identity(feature, profile, digests)))
    return digests


def _identity(feature: ProfileFeature, profile: Profile, earlier: Mapping[str, str]) -> dict[str, Any]:
    derived = [name for name in feature.refers_to if not name.startswith(EVENT_FIELD)]
    at_hand = [name.removeprefix(EVENT_FIELD) for name in feature.refers_to if name.startswith(EVENT_FIELD)]
    return {
        "computation": COMPUTATION,
        "definition": _definition(feature),
        "events": _kinds(profile, profile.types_of(feature), _fields(feature)),
        "event_at_hand": {name: kinds for name, kinds in _kinds(profile, profile.events, at_hand).items() if kinds},
        "session_of": sorted(profile.events) if feature.session_seconds is not None else [],
        "features": {name: earlier[name] for name in derived},
        "timezone_offset_minutes": profile.timezone_offset_minutes if feature.aggregate in _HOURLY else 0,
    }


def _definition(feature: ProfileFeature) -> dict[str, Any]:
    dumped = feature.model_dump(mode="json")
    return {option: value for option, value in dumped.items() if option not in ("name", "description", "events")}


def _fields(feature: ProfileFeature) -> list[str]:
    """The fields of its events that a feature names."""
    condition = feature.where_condition
    named = [*feature.fields, *([feature.field] if feature.field else [])]
    return [*named, *([test.key for test in tests_of(condition)] if condition else [])]


def _kinds(profile: Profile, types: Iterable[str], fields: Iterable[str]) -> dict[str, dict[str, str]]:
    wanted = set(fields)
    return {
        name: {field: kind for field, kind in profile.events[name].fields.items() if field in wanted} for name in types
    }
