"""The facts that are known of the cases of a route, with their kinds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from scoreline_registry.decisions.facts import (
    BAND,
    BUILT_IN_FLAGS,
    CONTEXT,
    EVENT,
    EXTRA,
    FEATURE,
    FLAG,
    HOUR,
    POINTS,
    PROFILE,
    SCORE,
    WEEKDAY,
    WEEKDAYS,
)
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.route_inputs import PLAIN
from scoreline_registry.routing.route import RouteDocument

ManifestOf = Callable[[str], Manifest]
FactKind: TypeAlias = Literal["number", "category", "flag"]

CLASS_PROBABILITIES = "class_probabilities"
"""The extra output that is no single number."""


def known_facts(
    route: RouteDocument,
    profiles: Mapping[str, Profile],
    manifests: Sequence[Manifest],
    *,
    flags: Iterable[str] = (),
) -> dict[str, FactKind]:
    """The kind of each fact that a case of a route can have, by name; keys of the context, of any kind, are left out.

    Args:
        route: that scores the cases.
        profiles: by name; those that the route does not name are ignored.
        manifests: of its answering arms. A fact that only some arms give is missing where another arm answers.
        flags: the names of the flags that a policy declares.
    """
    kinds: dict[str, FactKind] = {SCORE: "number", HOUR: "number", WEEKDAY: "category"}
    for manifest in manifests:
        kinds |= _score_facts(manifest)
    kinds |= {f"{FEATURE}{name}": kind for name, kind in route.input_schema.kinds.items()}
    for name in route.profiles:
        if name in profiles:
            kinds |= _profile_facts(profiles[name])
    flag: FactKind = "flag"
    return kinds | dict.fromkeys((f"{FLAG}{name}" for name in (*BUILT_IN_FLAGS, *flags)), flag)


def sure_facts(route: RouteDocument, manifests: Sequence[Manifest]) -> frozenset[str]:
    """The facts that every scored case of a route has: what all of its arms give, or require."""
    sure = {SCORE, HOUR, WEEKDAY, *(f"{FLAG}{name}" for name in BUILT_IN_FLAGS)}
    given = [_given_by(manifest) for manifest in manifests]
    sent = {f"{FEATURE}{name}" for name in route.input_schema.kinds}
    every = frozenset.intersection(*given) if given else frozenset()
    return frozenset({*sure, *(fact for fact in every if fact in sent or not fact.startswith(FEATURE))})


def is_known(fact: str, known: Mapping[str, FactKind]) -> bool:
    """Whether a case can have a fact. Callers may send any key of the context."""
    return fact in known or (fact.startswith(CONTEXT) and len(fact) > len(CONTEXT))


def choices(manifests: Sequence[Manifest]) -> dict[str, tuple[str, ...]]:
    """The only values of the facts that have a fixed list of them: the bands of all arms, and the days of the week."""
    bands = dict.fromkeys(band.name for manifest in manifests for band in manifest.score.bands)
    return {WEEKDAY: WEEKDAYS} | ({BAND: tuple(bands)} if bands else {})


def _given_by(manifest: Manifest) -> frozenset[str]:
    """The facts of every case that one arm scores: a row that lacks a required input is not scored."""
    score = manifest.score
    required = {f"{FEATURE}{feature.name}" for feature in manifest.inputs.features if feature.required}
    facts = {*required, *_score_facts(manifest)}
    covers_all = bool(score.bands) and score.kind == "probability" and score.bands[0].from_score <= 0
    return frozenset(facts if covers_all else facts - {BAND})


def _score_facts(manifest: Manifest) -> dict[str, FactKind]:
    kinds: dict[str, FactKind] = {
        f"{EXTRA}{name}": "number" for name in manifest.score.extras if name != CLASS_PROBABILITIES
    }
    if manifest.score.bands:
        kinds[BAND] = "category"
    if manifest.score.points is not None:
        kinds[POINTS] = "number"
    return kinds


def _profile_facts(profile: Profile) -> dict[str, FactKind]:
    fields = {field: kind for event in profile.events.values() for field, kind in event.fields.items()}
    kinds: dict[str, FactKind] = {
        f"{EVENT}{name}": "number" if kind == "number" else "category" for name, kind in fields.items()
    }
    for name, kind in profile.kinds.items():
        if kind in PLAIN:
            kinds[f"{PROFILE}{profile.profile}.{name}"] = "number" if kind == "number" else "category"
    return kinds


@dataclass(frozen=True)
class DecidedCases:
    """What is known of the cases that a policy decides on.

    Attributes:
        route: that scores them.
        manifests: of the route's answering arms.
        known: the kind of each fact that a case can have.
    """

    route: RouteDocument
    manifests: Sequence[Manifest]
    known: Mapping[str, FactKind]

    @cached_property
    def sure(self) -> frozenset[str]:
        """The facts that every scored case has."""
        return sure_facts(self.route, self.manifests)

    @cached_property
    def vocabularies(self) -> Mapping[str, tuple[str, ...] | None]:
        """For each input of the route the names that any arm knows of a category; None for a number."""
        found: dict[str, dict[str, None]] = {
            name: {} for name, kind in self.route.input_schema.kinds.items() if kind == "category"
        }
        for manifest in self.manifests:
            for feature in manifest.inputs.features:
                if feature.name in found:
                    found[feature.name] |= dict.fromkeys(feature.vocabulary)
        return {name: tuple(found[name]) if name in found else None for name in self.route.input_schema.kinds}


def decided_cases(
    route: RouteDocument, profiles: Mapping[str, Profile], manifest_of: ManifestOf, *, flags: Sequence[str] = ()
) -> DecidedCases:
    """What is known of the cases of a route, with the flags that a policy declares."""
    manifests = [manifest for ref in route.answering_refs for manifest in _usable(ref, manifest_of)]
    return DecidedCases(route, manifests, known_facts(route, profiles, manifests, flags=flags))


def _usable(ref: str, manifest_of: ManifestOf) -> list[Manifest]:
    try:
        return [manifest_of(ref)]
    except (NotFoundError, RefusedError):
        return []
