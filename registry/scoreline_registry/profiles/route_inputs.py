"""What a route reads from its profiles, feature by feature."""

from collections.abc import Mapping
from dataclasses import dataclass

from scoreline_registry.documents.contract import FeatureKind
from scoreline_registry.profiles.aggregates import FieldKind
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.routing.conditions import tests_of
from scoreline_registry.routing.profile_inputs import CONTEXT_PROFILE, ProfileInputs
from scoreline_registry.routing.route import RouteDocument, RouteSchema

PLAIN = ("number", "category")
"""The kinds of features that are one value."""


@dataclass(frozen=True, slots=True)
class ProfileReads:
    """What a route reads from one profile where callers do not send it.

    Attributes:
        profile: its name.
        features: features of the profile, of the route's schema by the same name.
        event_fields: fields of the event at hand, of the route's schema by the same name.
        sequence: the sequence that fills the schema's.
        neighbors: the neighbors that fill the schema's.
        facts: features of the profile that conditions of rules name as ``profile.<feature>``.
    """

    profile: str
    features: tuple[str, ...]
    event_fields: tuple[str, ...]
    sequence: str | None
    neighbors: str | None
    facts: tuple[str, ...]


def profile_reads(document: RouteDocument, profiles: Mapping[str, Profile]) -> tuple[ProfileReads, ...]:
    """What a route reads from each profile that it names, in their order; those that are not there are left out.

    A feature goes before a field of the event at hand that has its name.
    """
    named = {name: profiles[name] for name in document.profiles if name in profiles}
    taken = {name: taken_features(document.profiles[name], each, document.input_schema) for name, each in named.items()}
    features = {feature for each in taken.values() for feature in each}
    facts = fact_names(document)
    return tuple(
        ProfileReads(
            profile=name,
            features=taken[name],
            event_fields=tuple(
                field for field in event_fields(profile, document.input_schema) if field not in features
            ),
            sequence=document.profiles[name].sequence,
            neighbors=document.profiles[name].neighbors,
            facts=tuple(fact for fact in facts if fact in profile.by_name),
        )
        for name, profile in named.items()
    )


def taken_features(inputs: ProfileInputs, profile: Profile, schema: RouteSchema) -> tuple[str, ...]:
    """The features that a route takes from a profile, in the order of its schema."""
    offered = {name for name, kind in profile.kinds.items() if kind in PLAIN}
    wanted = offered if inputs.features is None else offered & {*inputs.features}
    return tuple(name for name in schema.kinds if name in wanted)


def event_fields(profile: Profile, schema: RouteSchema) -> dict[str, FieldKind]:
    """The kind of each field of the profile's events that a schema names, in the order of the schema."""
    kinds = {field: kind for event in profile.events.values() for field, kind in event.fields.items()}
    return {name: kinds[name] for name in schema.kinds if name in kinds}


def fact_names(document: RouteDocument) -> tuple[str, ...]:
    """The features of profiles that the conditions of a route's rules name, each once."""
    conditions = (rule.condition for rule in document.rules)
    keys = (test.key for condition in conditions if condition is not None for test in tests_of(condition))
    return tuple(dict.fromkeys(key.removeprefix(CONTEXT_PROFILE) for key in keys if key.startswith(CONTEXT_PROFILE)))


def fits(kind: str, wanted: FeatureKind) -> bool:
    """Whether a value of a kind can fill a feature: numbers numbers, and categories and entities categories."""
    return (kind == "number") == (wanted == "number")
