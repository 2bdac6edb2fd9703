"""The registry's values as the wire shows them, and resource names such as ``models/credit/versions/7``."""

from google.protobuf.timestamp_pb2 import Timestamp

from scoreline.v1 import registry_pb2 as pb
from scoreline_registry.decisions.specs.policy_file import write_policy
from scoreline_registry.documents.documents import VersionEntry
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import InvalidNameError, NotFoundError
from scoreline_registry.history.differences import Event, HistoryEntry
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.names import check_name
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.profile_file import write_profile
from scoreline_registry.routing.route_file import write_route

_KINDS = {"models": "model", "routes": "route", "profiles": "profile", "policies": "policy"}


def name_in(collection: str, name: str) -> str:
    """The id in a name such as "models/{id}" or "policies/{id}". Raises InvalidNameError."""
    kind = _KINDS[collection]
    head, _, tail = name.partition("/")
    if head != collection:
        raise InvalidNameError(kind, name, f"write {collection}/{{{kind}}}")
    return check_name(kind, tail)


def model(snapshot: Snapshot, name: str) -> pb.Model:
    """One model. Raises NotFoundError."""
    if name not in snapshot.models:
        raise NotFoundError("model", name)
    document = snapshot.models[name]
    return pb.Model(
        name=f"models/{name}",
        etag=snapshot.model_digests[name],
        owner=document.owner or "",
        labels=document.labels,
        aliases=document.aliases,
        versions=document.in_use,
    )


def version(name: str, number: int, entry: VersionEntry, manifest: Manifest | None = None) -> pb.Version:
    """One version; with its manifest where one is given."""
    published = Timestamp()
    published.FromDatetime(entry.published_at)
    shown = pb.Version(
        name=f"models/{name}/versions/{number}",
        version=number,
        author=entry.author,
        message=entry.message,
        published_at=published,
        retired=entry.retired is not None,
    )
    if manifest is not None:
        shown.family = manifest.family
        shown.metrics.update(manifest.metrics)
        shown.manifest_json = manifest.model_dump_json()
    return shown


def route(snapshot: Snapshot, name: str) -> pb.Route:
    """One route. Raises NotFoundError."""
    if name not in snapshot.routes:
        raise NotFoundError("route", name)
    definition = write_route(snapshot.routes[name])
    return pb.Route(name=f"routes/{name}", etag=snapshot.route_digests[name], definition=definition)


def profile(snapshot: Snapshot, name: str) -> pb.Profile:
    """One profile. Raises NotFoundError."""
    document = snapshot.state.profiles.require(name)
    return pb.Profile(
        name=f"profiles/{name}",
        etag=snapshot.profile_digests[name],
        definition=write_profile(document),
        feature_digests=feature_digests(document),
    )


def policy(snapshot: Snapshot, name: str) -> pb.Policy:
    """One policy. Raises NotFoundError."""
    document = snapshot.state.policies.require(name)
    return pb.Policy(
        name=f"policies/{name}",
        etag=snapshot.policy_digests[name],
        definition=write_policy(document),
        cuts=document.cut_values,
    )


def revision(entry: HistoryEntry) -> pb.Revision:
    """One revision with its changes."""
    created = Timestamp()
    created.FromDatetime(entry.created_at)
    return pb.Revision(
        revision=entry.revision,
        created_at=created,
        author=entry.author,
        message=entry.message,
        changes=[change(event) for event in entry.events],
    )


def change(event: Event) -> pb.Change:
    """One thing that a revision changed."""
    return pb.Change(kind=event.kind, name=event.name, detail=event.detail)
