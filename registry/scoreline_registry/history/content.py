"""What revisions point to, read from a store, checked against its digest and kept."""

from scoreline_registry.documents.documents import MODEL_SCHEMA, D, ModelDocument, decode, document_key, sha256_hex
from scoreline_registry.documents.manifest import MANIFEST_FILE, MANIFEST_SCHEMA, Manifest
from scoreline_registry.errors import CorruptError, MissingKeyError
from scoreline_registry.history.cache import Cache
from scoreline_registry.history.publication import version_key
from scoreline_registry.history.revision import Revision
from scoreline_registry.history.state import Documents, State
from scoreline_registry.routing.route import ROUTE_SCHEMA, RouteDocument
from scoreline_registry.storage import Storage

_KEPT_DOCUMENTS = 4096
_KEPT_MANIFESTS = 2048


class Content:
    """The documents and manifests of one store. What is asked for twice is read once."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._models: Cache[str, ModelDocument] = Cache(_KEPT_DOCUMENTS)
        self._routes: Cache[str, RouteDocument] = Cache(_KEPT_DOCUMENTS)
        self._manifests: Cache[str, Manifest] = Cache(_KEPT_MANIFESTS)

    def state(self, revision: Revision) -> State:
        """The state that a revision is the root of; loads nothing yet."""
        return State(
            Documents("model", revision.models, self._model),
            Documents("route", revision.routes, self._route),
            self._manifest,
        )

    def read(self, key: str, digest: str) -> bytes:
        """Bytes that a revision vouches for. Raises CorruptError when they are not there or others."""
        try:
            data = self._storage.read(key)
        except MissingKeyError as error:
            raise CorruptError(key, "it is missing") from error
        found = sha256_hex(data)
        if found != digest:
            raise CorruptError(key, f"its sha256 is {found}, committed was {digest}")
        return data

    def _model(self, digest: str) -> ModelDocument:
        return self._models.get(digest, lambda: self._document(ModelDocument, digest, MODEL_SCHEMA))

    def _route(self, digest: str) -> RouteDocument:
        return self._routes.get(digest, lambda: self._document(RouteDocument, digest, ROUTE_SCHEMA))

    def _document(self, kind: type[D], digest: str, supported: int) -> D:
        key = document_key(digest)
        return decode(kind, self.read(key, digest), key=key, supported=supported)

    def _manifest(self, model: str, version: int, digest: str) -> Manifest:
        key = version_key(model, version, MANIFEST_FILE)
        return self._manifests.get(
            digest, lambda: decode(Manifest, self.read(key, digest), key=key, supported=MANIFEST_SCHEMA)
        )
