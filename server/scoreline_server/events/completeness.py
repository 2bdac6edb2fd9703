"""From when on each feature of a profile counts all events, after its definition has changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.feature import EVENT_FIELD, ProfileFeature
from scoreline_registry.profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class Completeness:
    """Which events a feature counts, where states were not rebuilt.

    Attributes:
        feature: its name.
        since: it counts events that were folded from this time on; None where it counts all.
        complete_from: when all that it looks back to is after ``since``; None where it counts all, and where it looks
            back to the first event, so that only a log can complete it.
    """

    feature: str
    since: datetime | None
    complete_from: datetime | None


def completeness(definitions: Iterable[tuple[datetime, Profile]]) -> list[Completeness]:
    """The completeness of each feature of a profile, in its order.

    ``definitions`` are those that it had since it was first applied, newest first, each with the time of its commit.
    """
    (newest_at, newest), *older = definitions
    wanted = feature_digests(newest)
    since: dict[str, datetime] = dict.fromkeys(wanted, newest_at)
    unchanged = set(wanted)
    for created_at, profile in older:
        digests = feature_digests(profile)
        unchanged = {name for name in unchanged if digests.get(name) == wanted[name]}
        since |= dict.fromkeys(unchanged, created_at)
    return [_completeness(feature, newest.by_name, since, unchanged) for feature in newest.features]


def _completeness(
    feature: ProfileFeature, by_name: Mapping[str, ProfileFeature], since: Mapping[str, datetime], unchanged: set[str]
) -> Completeness:
    if feature.name in unchanged:
        return Completeness(feature.name, None, None)
    reach, begun = _reach(feature, by_name), since[feature.name]
    return Completeness(feature.name, begun, None if reach is None else begun + timedelta(seconds=reach))


def _reach(feature: ProfileFeature, by_name: Mapping[str, ProfileFeature]) -> int | None:
    """How far a feature looks back, in seconds; None for back to the first event."""
    if feature.values:
        return 0
    if not feature.definition.derived:
        return feature.span_seconds
    reaches = [_reach(by_name[name], by_name) for name in feature.refers_to if not name.startswith(EVENT_FIELD)]
    known = [reach for reach in reaches if reach is not None]
    return max(known, default=0) if len(known) == len(reaches) else None
