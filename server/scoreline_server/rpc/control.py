"""Handlers of ModelControlService: load and unload versions on request."""

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.errors import InvalidNameError
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_server.errors import CallError, LoadError
from scoreline_server.loading.watcher import Watcher
from scoreline_server.rpc import discovery
from scoreline_server.rpc.authority import Action, Caller
from scoreline_server.rpc.methods import Method
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.model import VersionKey

_SERVICE = "/scoreline.v1.ModelControlService/"
_LOAD_SECONDS = 60.0


class Control:
    """LoadVersion and UnloadVersion; the watcher's thread does the loading."""

    def __init__(self, registry: Registry, watcher: Watcher) -> None:
        self._registry, self._watcher = registry, watcher

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        return [
            Method(_SERVICE + "LoadVersion", pb.LoadVersionRequest, Action.CONTROL, self.load),
            Method(_SERVICE + "UnloadVersion", pb.UnloadVersionRequest, Action.CONTROL, self.unload),
        ]

    def load(self, request: pb.LoadVersionRequest, _catalog: Catalog, _caller: Caller) -> pb.LoadVersionResponse:
        """Pins a version and waits until this worker has loaded it. Raises CallError where it cannot be loaded."""
        key = self._key(request.name)
        self._registry.manifest(*key)
        self._watcher.pins.add(key)
        self._watcher.look_now(_LOAD_SECONDS)
        catalog = self._watcher.catalog
        if key not in catalog.models:
            self._watcher.pins.remove(key)
            error = catalog.failures.get(key) or LoadError(*key, "it was not loaded in time")
            raise CallError(error.reason, f"{key[0]}@{key[1]}: {error.detail}", model=key[0], version=key[1])
        return pb.LoadVersionResponse(model=discovery.model_status(key, catalog))

    def unload(self, request: pb.UnloadVersionRequest, _catalog: Catalog, _caller: Caller) -> pb.UnloadVersionResponse:
        """Unpins a version."""
        key = self._key(request.name)
        self._watcher.pins.remove(key)
        self._watcher.look_now(_LOAD_SECONDS)
        return pb.UnloadVersionResponse(still_served=key in self._watcher.catalog.models)

    def _key(self, name: str) -> VersionKey:
        return self._registry.latest().resolve(version_ref(name))


def version_ref(name: str) -> ModelRef:
    """Reads "models/{model}/versions/{version}". Raises InvalidNameError."""
    parts = name.split("/")
    if len(parts) != 4 or (parts[0], parts[2]) != ("models", "versions"):
        raise InvalidNameError("version", name, "write models/{model}/versions/{version}")
    return ModelRef.parse(f"{parts[1]}@{parts[3]}")
