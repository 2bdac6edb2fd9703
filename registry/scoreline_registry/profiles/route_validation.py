"""Validates what a route takes from its profiles; each error is one line. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from scoreline_registry.documents.contract import FeatureKind
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.documents.ragged import RaggedInput
from scoreline_registry.names import hint
from scoreline_registry.profiles.feature import ProfileFeature
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.route_inputs import (
    PLAIN,
    ProfileReads,
    event_fields,
    fact_names,
    fits,
    profile_reads,
)
from scoreline_registry.profiles.trained_features import training_errors, unproven
from scoreline_registry.profiles.validation import field_kind, operand_errors
from scoreline_registry.routing.profile_inputs import CONTEXT_PROFILE, ProfileInputs
from scoreline_registry.routing.route import RouteDocument, RouteSchema

ManifestOf = Callable[[str], Manifest]
Profiles = Mapping[str, Profile]


def profile_errors(document: RouteDocument, profiles: Profiles, manifest_of: ManifestOf) -> list[str]:
    """The errors for which a route that names profiles must be refused; empty for one that names none.

    ``manifest_of`` is as in ``route_errors``, which reports references that it refuses.
    """
    if not document.profiles:
        return []
    errors = [f"profiles: {_unknown(name, profiles)}" for name in document.profiles if name not in profiles]
    for name, inputs in document.profiles.items():
        if name in profiles:
            found = _input_errors(inputs, profiles[name], document.input_schema)
            errors += [f"profiles.{name}: {error}" for error in found]
    reads = profile_reads(document, profiles)
    errors += _shared_errors(reads)
    if not errors:
        named = {name: profiles[name] for name in document.profiles}
        errors += [*_fact_errors(document, named), *training_errors(document, reads, named, manifest_of)]
    return errors


def profile_warnings(document: RouteDocument, profiles: Profiles, manifest_of: ManifestOf) -> list[str]:
    """What is allowed and likely to be a mistake."""
    warnings = [
        f"rule conditions name {CONTEXT_PROFILE}{name}, which callers must send: the route has no section `profiles`"
        for name in (() if document.profiles else fact_names(document))
    ]
    reads = profile_reads(document, profiles)
    for ref in document.refs:
        manifest = manifest_of(ref)
        warnings += [f"{ref}: {text}" for text in unproven(document, reads, manifest)]
        warnings += [f"{ref}: {text}" for text in _refused_newcomers(reads, profiles, manifest)]
    return warnings


def _refused_newcomers(reads: Sequence[ProfileReads], profiles: Profiles, manifest: Manifest) -> Iterator[str]:
    """Features that a model requires and that entities without events lack, so that they are not scored."""
    required = {feature.name for feature in manifest.inputs.features if feature.required}
    for each in reads:
        for name in each.features:
            feature = profiles[each.profile].by_name[name]
            if name in required and feature.default is None and not feature.definition.is_never_missing:
                yield (
                    f"it requires {name}, which profile {each.profile} lacks for entities without events: they are "
                    "not scored unless their callers send it; give it a default in the profile"
                )


def _unknown(name: str, profiles: Profiles) -> str:
    return f"unknown profile {name!r}; {hint(name, profiles, 'profile')}"


def _input_errors(inputs: ProfileInputs, profile: Profile, schema: RouteSchema) -> Iterator[str]:
    """The errors of one profile's part of the section."""
    kinds, sent = profile.kinds, schema.kinds
    for name in inputs.features or ():
        if name not in kinds:
            yield f"it has no feature {name!r}; {hint(name, kinds, 'feature')}"
        elif name not in sent:
            yield f"the route's schema has no feature {name!r}; {hint(name, sent, 'feature')}"
    wanted = kinds if inputs.features is None else [name for name in inputs.features if name in kinds]
    for name in wanted:
        if name in sent and kinds[name] != sent[name]:
            yield f"its feature {name!r} is a {kinds[name]}, the route's schema has a {sent[name]}"
    for name, kind in event_fields(profile, schema).items():
        if name not in wanted and not fits(kind, sent[name]):
            yield f"the field {name!r} of its events is a {kind}, the route's schema has a {sent[name]}"
    offered = {each.name: each for each in schema.ragged}
    for ragged, chosen in (("sequence", inputs.sequence), ("neighbors", inputs.neighbors)):
        if chosen is not None:
            yield from _ragged_errors(ragged, chosen, profile, offered.get(ragged))


def _ragged_errors(ragged: str, chosen: str, profile: Profile, schema: RaggedInput | None) -> Iterator[str]:
    kinds = profile.kinds
    if kinds.get(chosen) != ragged:
        known = [name for name, kind in kinds.items() if kind == ragged]
        yield f"{ragged}: {chosen!r} is no feature of the kind {ragged}; {hint(chosen, known, 'such feature')}"
    elif schema is None:
        yield f"{ragged}: the route's schema has none"
    else:
        feature = profile.by_name[chosen]
        yield from (f"{ragged}: {error}" for error in _column_errors(feature, profile, schema))
        most, limit = feature.length or feature.most or 0, schema.max_items
        if most > limit:
            yield f"{ragged}: {chosen!r} has up to {most} {schema.kind.items}, the route's schema takes {limit}"


def _column_errors(feature: ProfileFeature, profile: Profile, schema: RaggedInput) -> Iterator[str]:
    columns = _columns(feature, profile)
    for name in schema.features:
        wanted: FeatureKind = "category" if name in schema.vocabularies else "number"
        if name not in columns:
            near = hint(name, columns, "column")
            yield f"{feature.name!r} has no {schema.kind.item} feature {name!r}; {near}"
        elif not fits(columns[name], wanted):
            yield f"{name!r} of {feature.name!r} is a {columns[name]}, the route's schema has a {wanted}"


def _columns(feature: ProfileFeature, profile: Profile) -> dict[str, str]:
    """The kind of each column of a sequence or of neighbors."""
    types = profile.types_of(feature)
    steps = {name: field_kind(name, types, profile.events) or "number" for name in feature.fields}
    return {**steps, **dict.fromkeys(feature.features, "number")}


def _shared_errors(reads: tuple[ProfileReads, ...]) -> Iterator[str]:
    """Inputs that several profiles would fill."""
    first: dict[str, str] = {}
    for each in reads:
        ragged = [name for name, given in (("sequence", each.sequence), ("neighbors", each.neighbors)) if given]
        for name, text in [*((name, repr(name)) for name in each.features), *((f"\n{name}", name) for name in ragged)]:
            if name in first:
                yield f"profiles: {first[name]} and {each.profile} both give {text}: name what to take from each"
            first.setdefault(name, each.profile)


def _fact_errors(document: RouteDocument, named: Profiles) -> Iterator[str]:
    """Features that the conditions of rules name and that no profile of the route has, or several."""
    known = {name: {fact: kind for fact, kind in each.kinds.items() if kind in PLAIN} for name, each in named.items()}
    kinds: dict[str, str] = {}
    for name in fact_names(document):
        owners = [profile for profile, facts in known.items() if name in facts]
        if len(owners) == 1:
            kinds[f"{CONTEXT_PROFILE}{name}"] = known[owners[0]][name]
        elif owners:
            yield f"rules: {CONTEXT_PROFILE}{name} is a feature of the profiles {' and '.join(owners)}"
        else:
            near = hint(name, {fact for facts in known.values() for fact in facts}, "feature")
            yield f"rules: no profile of the route has the feature {name!r}; {near}"
    for position, rule in enumerate(document.rules, start=1):
        if rule.condition is not None:
            yield from operand_errors(f"rule {position}", rule.condition, kinds)
