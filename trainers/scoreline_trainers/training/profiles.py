"""The profiles that a recipe reads: written out before a run, and recorded in the version that it makes."""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import starmap
from pathlib import Path
from typing import Literal

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import write_profile, written
from scoreline_registry.registry import Registry
from scoreline_trainers.data.columns import FeatureSpec, NeighborSpec, SequenceSpec
from scoreline_trainers.data.profiles.documents import find_profile
from scoreline_trainers.data.profiles.spec import ProfileSource
from scoreline_trainers.data.profiles.table import (
    chosen_features,
    neighbor_columns,
    step_categories,
    step_columns,
)
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import DataError, RecipeError
from scoreline_trainers.training.recipe import Recipe

_LONGEST_NAME = 64


def with_profiles(recipe: Recipe, *, folder: Path, registry: Registry | None = None) -> Recipe:
    """The recipe with each profile written out, so that it means the same anywhere.

    Features of a profile become inputs that may be missing: a server scores an entity too whose profile it cannot read.
    The sequence and the neighbors of a profile become the recipe's, where it has none.

    Args:
        recipe: as written.
        folder: that files of profiles are relative to.
        registry: that profiles are read from where the recipe says so.

    Raises:
        RecipeError: a profile cannot be read, or lacks what the recipe takes of it.
    """
    if not isinstance(recipe.data, Sources) or not recipe.data.profiles:
        return recipe
    read = None if registry is None else registry.latest().state.profiles.require
    try:
        found = [(source, find_profile(source, folder=folder, registered=read)) for source in recipe.data.profiles]
        specs = {spec.name: spec for source, profile in found for spec in _specs(source, profile)}
        sequence = next(filter(None, starmap(_sequence, found)), None)
        neighbors = next(filter(None, starmap(_neighbors, found)), None)
    except DataError as error:
        raise RecipeError(recipe.name, [str(error)]) from error
    _refuse_repeated(recipe, [profile for _, profile in found])
    sources = tuple(source.model_copy(update={"profile": written(profile)}) for source, profile in found)
    update = {
        "data": recipe.data.model_copy(update={"profiles": sources}),
        "features": _with_specs(recipe, specs),
        "sequence": recipe.sequence or sequence,
        "neighbors": recipe.neighbors or neighbors,
    }
    return recipe.model_copy(update=update)


def profiles_of(recipe: Recipe) -> tuple[tuple[ProfileSource, Profile], ...]:
    """The profiles of a recipe in which they are written out."""
    if not isinstance(recipe.data, Sources):
        return ()
    found = (source for source in recipe.data.profiles if isinstance(source.profile, dict))
    return tuple((source, find_profile(source, folder=Path())) for source in found)


def needs_registry(recipe: Recipe) -> bool:
    """Whether a recipe reads a profile of the registry."""
    return isinstance(recipe.data, Sources) and any(source.in_registry for source in recipe.data.profiles)


def profile_digests(recipe: Recipe, inputs: InputContract) -> dict[str, dict[str, str]]:
    """Profile -> feature -> digest of its definition, of the features that are inputs of the model."""
    found = {profile.profile: dict(_used(source, profile, inputs)) for source, profile in profiles_of(recipe)}
    return {name: digests for name, digests in found.items() if digests}


def profile_files(recipe: Recipe) -> dict[str, bytes]:
    """The profiles of a recipe as YAML files of its version."""
    return {_file_name(profile.profile): write_profile(profile).encode() for _, profile in profiles_of(recipe)}


def _used(source: ProfileSource, profile: Profile, inputs: InputContract) -> Iterator[tuple[str, str]]:
    digests = feature_digests(profile)
    taken = {feature.name for feature in inputs.features}
    yield from ((name, digests[name]) for name in chosen_features(source, profile) if name in taken)
    if source.sequence is not None and inputs.sequence is not None:
        yield source.sequence, digests[source.sequence]
    if source.neighbors is not None and inputs.neighbors is not None:
        yield source.neighbors, digests[source.neighbors]


def _file_name(profile: str) -> str:
    name = f"profile-{profile}.yaml"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"profile-{hashlib.sha256(profile.encode()).hexdigest()[:16]}.yaml"


def _specs(source: ProfileSource, profile: Profile) -> Iterator[FeatureSpec]:
    """The inputs that a profile gives a model, as far as its columns leave them open."""
    kinds = profile.kinds
    for name in chosen_features(source, profile):
        yield FeatureSpec(name=name, kind="category" if kinds[name] == "category" else "number", required=False)
    fields: Mapping[str, str] = {} if source.event is None else profile.events[source.event.type].fields
    yield from (FeatureSpec(name=name, kind="category") for name, kind in fields.items() if kind != "number")


def _with_specs(recipe: Recipe, specs: Mapping[str, FeatureSpec]) -> tuple[FeatureSpec | Literal["auto"], ...]:
    """The recipe's features; of those from profiles, kind and ``required`` are filled in where it does not say."""
    listed = [_filled(spec, specs) for spec in recipe.described]
    if not recipe.is_auto:
        return tuple(listed)
    named = {spec.name for spec in listed} | {*recipe.exclude, *filter(None, _roles(recipe))}
    return ("auto", *listed, *(spec for name, spec in specs.items() if name not in named and spec.required is False))


def _roles(recipe: Recipe) -> tuple[str | None, ...]:
    return (recipe.label, *recipe.horizons, recipe.weight, recipe.time, recipe.unit)


def _filled(spec: FeatureSpec, specs: Mapping[str, FeatureSpec]) -> FeatureSpec:
    known = specs.get(spec.name)
    if known is None:
        return spec
    required = known.required if spec.required is None else spec.required
    return spec.model_copy(update={"kind": spec.kind or known.kind, "required": required})


def _sequence(source: ProfileSource, profile: Profile) -> SequenceSpec | None:
    """The sequence with room for all steps that the profile may give."""
    if source.sequence is None:
        return None
    length = profile.by_name[source.sequence].length
    columns, categories = step_columns(source, profile), step_categories(source, profile)
    return SequenceSpec(lists=dict(columns), categories=categories, max_length=length, capacity=length)


def _neighbors(source: ProfileSource, profile: Profile) -> NeighborSpec | None:
    """The neighbors with room for all that the profile may give."""
    if source.neighbors is None:
        return None
    most = profile.by_name[source.neighbors].most
    return NeighborSpec(lists=dict(neighbor_columns(source, profile)), max_neighbors=most, capacity=most)


def _refuse_repeated(recipe: Recipe, profiles: list[Profile]) -> None:
    names = [profile.profile for profile in profiles]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RecipeError(recipe.name, [f"data.profiles: duplicate profile {twice!r}"])
