"""Reads the documents that revisions reference, checks their digests and caches them."""

from typing import TypeVar

from scoreline_registry.decisions.policy import POLICY_SCHEMA, Policy
from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.documents import decode, document_key, sha256_hex
from scoreline_registry.documents.manifest import MANIFEST_FILE, MANIFEST_SCHEMA, Manifest
from scoreline_registry.documents.model import Model, read_model
from scoreline_registry.documents.model_versions import P
from scoreline_registry.documents.version_pages import VersionDocument, VersionIndex, VersionPage
from scoreline_registry.errors import CorruptError, MissingKeyError
from scoreline_registry.history.cache import Cache
from scoreline_registry.history.publication import version_key
from scoreline_registry.history.revision import Revision
from scoreline_registry.history.state import Documents, State
from scoreline_registry.profiles.profile import PROFILE_SCHEMA, Profile
from scoreline_registry.routing.route import ROUTE_SCHEMA, RouteDocument
from scoreline_registry.storage import Storage

V = TypeVar("V", bound=FrozenModel)

# Bytes of memory. A commit that moves an alias looks at every route, so those of a large registry should fit.
_DOCUMENT_BYTES = 64 << 20
_PART_BYTES = 4 << 20
_MANIFEST_BYTES = 4 << 20


class DocumentStore:
    """The documents and manifests of one store, cached within limits of memory."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._models: Cache[str, Model] = Cache(_DOCUMENT_BYTES)
        self._routes: Cache[str, RouteDocument] = Cache(_DOCUMENT_BYTES)
        self._profiles: Cache[str, Profile] = Cache(_DOCUMENT_BYTES)
        self._policies: Cache[str, Policy] = Cache(_DOCUMENT_BYTES)
        self._parts: Cache[str, VersionDocument | VersionIndex | VersionPage] = Cache(_PART_BYTES)
        self._manifests: Cache[str, Manifest] = Cache(_MANIFEST_BYTES)

    def state(self, revision: Revision) -> State:
        """The state that a revision is the root of; loads nothing yet."""
        return State(
            Documents("model", revision.models, self.model),
            Documents("route", revision.routes, self._route),
            Documents("profile", revision.profiles, self._profile),
            Documents("policy", revision.policies, self._policy),
            self._manifest,
            self.part,
        )

    def keep(self, revision: Revision) -> None:
        """Forgets the documents that this revision does not name."""
        self._models.keep(frozenset(revision.models.values()))
        self._routes.keep(frozenset(revision.routes.values()))
        self._profiles.keep(frozenset(revision.profiles.values()))
        self._policies.keep(frozenset(revision.policies.values()))

    def read(self, key: str, digest: str) -> bytes:
        """The bytes of a file with a committed digest. Raises CorruptError when they are missing or differ."""
        try:
            data = self._storage.read(key)
        except MissingKeyError as error:
            raise CorruptError(key, "it is missing") from error
        found = sha256_hex(data)
        if found != digest:
            raise CorruptError(key, f"its sha256 is {found}, committed was {digest}")
        return data

    def part(self, kind: type[P], digest: str) -> P:
        """A part of a model's document. Raises CorruptError and SchemaVersionError."""
        found = self._parts.get(digest, lambda: self._decoded(kind, document_key(digest), digest, kind.SUPPORTED))
        if not isinstance(found, kind):
            raise CorruptError(document_key(digest), f"it is not a {kind.__name__}")
        return found

    def model(self, digest: str) -> Model:
        """A model by the digest of its document. Raises CorruptError and SchemaVersionError."""
        return self._models.get(digest, lambda: self._read_model(digest))

    def _read_model(self, digest: str) -> tuple[Model, int]:
        key = document_key(digest)
        data = self.read(key, digest)
        return read_model(data, key=key, load=self.part), len(data)

    def _route(self, digest: str) -> RouteDocument:
        key = document_key(digest)
        return self._routes.get(digest, lambda: self._decoded(RouteDocument, key, digest, ROUTE_SCHEMA))

    def _profile(self, digest: str) -> Profile:
        key = document_key(digest)
        return self._profiles.get(digest, lambda: self._decoded(Profile, key, digest, PROFILE_SCHEMA))

    def _policy(self, digest: str) -> Policy:
        key = document_key(digest)
        return self._policies.get(digest, lambda: self._decoded(Policy, key, digest, POLICY_SCHEMA))

    def _manifest(self, model: str, version: int, digest: str) -> Manifest:
        key = version_key(model, version, MANIFEST_FILE)
        return self._manifests.get(digest, lambda: self._decoded(Manifest, key, digest, MANIFEST_SCHEMA))

    def _decoded(self, kind: type[V], key: str, digest: str, supported: int) -> tuple[V, int]:
        """A stored value, and how many bytes it is stored in."""
        data = self.read(key, digest)
        return decode(kind, data, key=key, supported=supported), len(data)
