"""Follows the registry: notices a new revision, adopts it off the serving threads, then swaps one reference."""

import threading
from dataclasses import replace

import structlog
from scoreline_registry.registry import Registry

from scoreline_registry.errors import RegistryError
from scoreline_server.catalog import Catalog, adopt
from scoreline_server.loader import load
from scoreline_server.model import LoadedModel

_log = structlog.get_logger()


class Watcher:
    """Owns the current catalog and the one thread that loads models."""

    def __init__(self, registry: Registry, *, poll_seconds: float) -> None:
        self._registry = registry
        self._poll_seconds = poll_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="registry-watcher", daemon=True)
        self._catalog = Catalog()

    @property
    def catalog(self) -> Catalog:
        """What is served now. Immutable: take it once per call."""
        return self._catalog

    def refresh(self) -> bool:
        """Looks at the registry once; True when a newer revision was adopted. Never raises for a damaged registry."""
        before = self._catalog
        try:
            snapshot = self._registry.latest()
        except RegistryError as error:
            if str(error) != before.problem:
                _log.error("registry unreadable, serving what is loaded", error=str(error))
            self._catalog = replace(before, problem=str(error))
            return False
        if snapshot.revision == before.revision:
            self._catalog = replace(before, problem="") if before.problem else before
            return False
        self._catalog = adopt(snapshot, before, self._load)
        _report(before, self._catalog)
        return True

    def _load(self, name: str, version: int) -> LoadedModel:
        return load(self._registry, name, version)

    def start(self) -> None:
        """Begins to follow the registry."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; what is loaded stays usable."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            try:
                self.refresh()
            except Exception:  # noqa: BLE001  the thread must live on; whatever it was is logged
                _log.exception("looking at the registry failed; trying again")


def _report(before: Catalog, after: Catalog) -> None:
    """Logs what an adoption changed."""
    for (name, version), model in after.models.items():
        if (name, version) not in before.models:
            _log.info("model loaded", model=name, version=version, row_microseconds=model.row_microseconds)
    for (name, version), problem in after.failures.items():
        _log.error("model refused", model=name, version=version, problem=problem)
    for route, problem in after.problems.items():
        served = after.routes.get(route)
        _log.error("route not adopted", route=route, problem=problem, serving=served.revision if served else None)
    _log.info("revision adopted", revision=after.revision, routes=len(after.routes), models=len(after.models))
