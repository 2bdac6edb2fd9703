"""Copies one route of one revision with its versions, to be served without the registry and unchanged.

The copy is a registry of its own: it has the source's id and that revision's number, so answers and journals of both
name the same thing. Copying one revision twice gives the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from scoreline_registry.documents.documents import document_key, encode, sha256_hex
from scoreline_registry.documents.manifest import CLAIM_FILE, MODEL_FILE
from scoreline_registry.documents.model import Model
from scoreline_registry.documents.model_versions import ModelVersions
from scoreline_registry.errors import MissingKeyError, RefusedError
from scoreline_registry.history.publication import version_key
from scoreline_registry.history.revision import (
    REGISTRY_KEY,
    REGISTRY_SCHEMA,
    RegistryRoot,
    first_entry,
    next_entry,
    revision_key,
    seal_bytes,
    seal_key,
)
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.registry import Registry
from scoreline_registry.storage import Storage


@dataclass(frozen=True, slots=True)
class FrozenVersion:
    """One version in the copy; ``sha256`` is that of its model file, ``bytes`` the size of all its files."""

    model: str
    version: int
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Frozen:
    """The result of a copy: a route of one revision, with the versions that it references."""

    registry_id: str
    revision: int
    route: str
    versions: tuple[FrozenVersion, ...]


def freeze(source: Registry, route: str, target: Storage, *, revision: int | None = None) -> Frozen:
    """Copies a route with its arms, shadows, fallback, profiles and policies as of a revision, by default the newest.

    Raises NotFoundError, CorruptError, and RefusedError when ``target`` holds something already.
    """
    if next(iter(target.list("")), None) is not None:
        raise RefusedError(str(target), ["there is something already; freeze into an empty store"])
    snapshot = source.latest() if revision is None else source.at(revision)
    document = snapshot.state.routes.require(route)
    decided = [policy for policy in snapshot.policies.values() if policy.route == route]
    refs = {*document.refs, *(ref for policy in decided for ref in policy.refs)}
    reached = sorted({snapshot.resolve(ref) for ref in refs})
    for key, data in _version_files(source, snapshot, reached):
        target.put_if_absent(key, data)
    models = {name: _only(snapshot, name, reached) for name, _ in reached}
    documents = {name: model.stored() for name, model in models.items()}
    profiles = {name: encode(snapshot.state.profiles.require(name)) for name in document.profiles}
    policies = {policy.policy: encode(policy) for policy in decided}
    parts = [data for root, parts in documents.values() for data in (*parts.values(), root)]
    for data in (*parts, *profiles.values(), *policies.values(), encode(document)):
        target.put_if_absent(document_key(sha256_hex(data)), data)
    digests = {
        "models": {name: sha256_hex(root) for name, (root, _) in documents.items()},
        "routes": {route: sha256_hex(encode(document))},
        "profiles": {name: sha256_hex(data) for name, data in profiles.items()},
        "policies": {name: sha256_hex(data) for name, data in policies.items()},
    }
    for key, data in _roots(source, snapshot, digests):
        target.put_if_absent(key, data)
    versions = tuple(_facts(models[name], version) for name, version in reached)
    return Frozen(source.registry_id, snapshot.revision, route, versions)


def _version_files(source: Registry, snapshot: Snapshot, reached: list[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
    """Every file of the versions with its key, checked against what was committed."""
    for model, version in reached:
        for name in sorted(snapshot.models[model].entry(version).files):
            yield version_key(model, version, name), source.read_file(model, version, name)
        claim = version_key(model, version, CLAIM_FILE)
        try:
            yield claim, source.storage.read(claim)
        except MissingKeyError:  # versions of the first Scoreline have none
            continue


def _only(snapshot: Snapshot, name: str, reached: list[tuple[str, int]]) -> Model:
    """A model with the referenced versions and the aliases that point to them."""
    whole = snapshot.models[name]
    versions = {version: whole.entry(version) for model, version in reached if model == name}
    aliases = {alias: version for alias, version in whole.aliases.items() if version in versions}
    model = replace(whole, versions=ModelVersions(name, whole.versions.load), digest=None)
    for version, entry in versions.items():
        model = model.with_entry(version, entry)
    return model.changed(aliases=aliases)


def _roots(
    source: Registry, snapshot: Snapshot, digests: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, bytes]]:
    """The files that make the copy a registry: its only revision, that revision's seal, and last ``registry.json``."""
    revision = snapshot.entry.revision
    root = RegistryRoot(
        schema_number=REGISTRY_SCHEMA,
        registry_id=source.registry_id,
        created_at=snapshot.created_at,
        frozen_at=snapshot.revision,
    )
    _, empty = first_entry(encode(root))
    entry, data = next_entry(
        empty,
        commit_id=revision.commit_id,
        now=snapshot.created_at,
        author=revision.author,
        message=revision.message,
        models=digests["models"],
        routes=digests["routes"],
        profiles=digests["profiles"],
        policies=digests["policies"],
    )
    yield revision_key(entry.number), data
    yield seal_key(entry.number), seal_bytes(entry)
    yield REGISTRY_KEY, encode(root)


def _facts(document: Model, version: int) -> FrozenVersion:
    files = document.entry(version).files
    return FrozenVersion(document.name, version, files[MODEL_FILE].sha256, sum(facts.bytes for facts in files.values()))
