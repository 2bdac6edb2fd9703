"""Compares what profiles compute now with what the models of a route were trained on. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.route_inputs import ProfileReads
from scoreline_registry.routing.route import RouteDocument

_SHOWN_DIGITS = 12


def training_errors(
    document: RouteDocument,
    reads: Sequence[ProfileReads],
    profiles: Mapping[str, Profile],
    manifest_of: Callable[[str], Manifest],
) -> Iterator[str]:
    """The models that were trained on other values of features than the profiles compute now."""
    digests = {each.profile: feature_digests(profiles[each.profile]) for each in reads}
    for ref in document.refs:
        try:
            manifest = manifest_of(ref)
        except (NotFoundError, RefusedError):
            continue
        for each in reads:
            is_default = document.profiles[each.profile].features is None
            found = _differences(each, manifest, digests[each.profile], is_default=is_default)
            yield from (f"{ref} {difference}" for difference in found)


def _differences(reads: ProfileReads, manifest: Manifest, now: Mapping[str, str], *, is_default: bool) -> Iterator[str]:
    """What one model was trained on and one profile does not compute any more."""
    for name, then in sorted(manifest.trained_profiles.get(reads.profile, {}).items()):
        if name not in now and is_default and _takes(manifest.inputs, name):
            yield f"was trained on the feature {name!r} of profile {reads.profile!r}, which it lacks now"
        elif name in now and now[name] != then and _is_read(reads, name, manifest.inputs):
            digests = f"digest {then[:_SHOWN_DIGITS]} then, {now[name][:_SHOWN_DIGITS]} now"
            yield (
                f"was trained on other values of {name!r} than profile {reads.profile!r} computes now "
                f"({digests}): train it again, or restore the feature"
            )


def unproven(document: RouteDocument, reads: Sequence[ProfileReads], manifest: Manifest) -> Iterator[str]:
    """Features that a model takes and does not record, and profiles that it records and the route does not name."""
    for each in reads:
        every = [*each.features, *(name for name in (each.sequence, each.neighbors) if name)]
        trained = manifest.trained_profiles.get(each.profile, {})
        names = [name for name in every if name not in trained and _is_read(each, name, manifest.inputs)]
        if names:
            yield f"it does not record that it was trained on {', '.join(names)} of profile {each.profile}"
    for name in manifest.trained_profiles:
        if name not in document.profiles:
            yield f"it was trained on features of profile {name}, which the route does not name: callers must send them"


def _takes(inputs: InputContract, name: str) -> bool:
    return any(feature.name == name for feature in inputs.features)


def _is_read(reads: ProfileReads, name: str, inputs: InputContract) -> bool:
    """Whether a model takes a feature that a route reads from a profile."""
    if name == reads.sequence:
        return inputs.sequence is not None
    if name == reads.neighbors:
        return inputs.neighbors is not None
    return name in reads.features and _takes(inputs, name)
