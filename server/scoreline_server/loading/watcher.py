"""Follows the registry: notices a new revision, adopts it off the serving threads, then swaps one reference."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import structlog

from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry
from scoreline_server.cpu_count import usable_cores
from scoreline_server.errors import LoadError
from scoreline_server.failure_log import log_failure
from scoreline_server.gil_switching import background_work
from scoreline_server.loading import loader
from scoreline_server.loading.adoption import adopt, adopt_earlier
from scoreline_server.loading.pins import Pins
from scoreline_server.loading.warming import warm_reasons
from scoreline_server.scoring.answer_cache import AnswerCaching
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.model import LoadedModel, VersionKey
from scoreline_server.scoring.route_profiles import NO_STORE, StateReader

_log = structlog.get_logger()

_EARLIER_REVISIONS = 100


class Watcher:
    """Owns the current catalog and the one thread that loads models."""

    def __init__(
        self,
        registry: Registry,
        *,
        poll_seconds: float,
        pins: Pins | None = None,
        budget_bytes: int = 0,
        loading_lock: Callable[[], AbstractContextManager[object]] = nullcontext,
        loading: Callable[[str], AbstractContextManager[object]] = nullcontext,
        load: loader.Load = loader.load,
        caching: AnswerCaching | None = None,
        states: StateReader = NO_STORE,
    ) -> None:
        """Follows a registry. ``caching`` is the cache of answers for routes that have one.

        ``states`` reads the profiles of entities for routes that have some.

        ``loading_lock`` is held while models are loaded, so that one worker loads at a time. ``loading`` is entered
        with a model's name around the loading of one version by ``load``, and sees the LoadError of one that fails.
        """
        self._registry = registry
        self._poll_seconds = poll_seconds
        self.pins = pins or Pins()
        self._budget_bytes = budget_bytes
        self._loading_lock, self._loading, self._load_version = loading_lock, loading, load
        self._caching, self._states = caching, states
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._follow, name="registry-watcher", daemon=True)
        self._catalog = Catalog()
        self._adopted_pins: tuple[VersionKey, ...] = ()
        self.on_adoption: Callable[[Catalog], None] = lambda _: None
        self._looked = threading.Condition()
        self._looks = 0

    @property
    def catalog(self) -> Catalog:
        """The present catalog. Immutable: take it once per call."""
        return self._catalog

    def refresh(self, *, at_start: bool = False) -> bool:
        """Looks at the registry once; True when something was adopted. Never raises for a damaged registry.

        ``at_start`` loads on every core, because no call is served yet.
        """
        before = self._catalog
        try:
            snapshot = self._registry.latest()
        except RegistryError as error:
            if str(error) != before.poll_error:
                _log.error("registry unreadable, serving what is loaded", error=str(error))
            self._catalog = replace(before, poll_error=str(error))
            return False
        pins = self.pins.read()
        if snapshot.revision == before.revision and pins == self._adopted_pins:
            self._catalog = replace(before, poll_error="") if before.poll_error else before
            return False
        with self._loading_lock(), background_work():
            load_all = self._load_on_every_core if at_start else self._load_all
            adopted = adopt(
                snapshot,
                before,
                load_all,
                pins=pins,
                budget_bytes=self._budget_bytes,
                caching=self._caching,
                states=self._states,
            )
            warm_reasons(before, adopted)
            self._catalog = self._with_earlier(adopted) if at_start else adopted
        self._adopted_pins = pins
        _report(before, self._catalog)
        self.on_adoption(self._catalog)
        return True

    def _with_earlier(self, catalog: Catalog) -> Catalog:
        """Looks for routes and policies that cannot be served as they are in earlier revisions, the newest first."""
        for revision in range(catalog.revision - 1, max(0, catalog.revision - _EARLIER_REVISIONS), -1):
            if catalog.routes.keys() >= catalog.problems.keys() and (
                catalog.policies.keys() >= catalog.policy_problems.keys()
            ):
                break
            try:
                earlier = self._registry.at(revision)
                catalog = adopt_earlier(earlier, catalog, self._load_all, caching=self._caching, states=self._states)
            except RegistryError as error:
                _log.warning("an earlier revision is unreadable", revision=revision, error=str(error))
        return catalog

    def look_now(self, timeout_seconds: float) -> bool:
        """Wakes the thread and waits until it has looked; False when that took too long."""
        with self._looked:
            # A poll under way may have begun before the caller's change: wait for the next one.
            goal = self._looks + 2
            while self._looks < goal:
                self._wake.set()
                if not self._looked.wait(timeout_seconds):
                    return False
        return True

    def wait_for_news(self, timeout_seconds: float) -> None:
        """Returns after the next look at the registry, or after some time."""
        with self._looked:
            self._looked.wait(timeout_seconds)

    def start(self) -> None:
        """Begins to follow the registry."""
        self._thread.start()

    def stop(self, timeout_seconds: float | None = None) -> bool:
        """Ends the thread after the version that it loads; False when that takes longer. The catalog stays usable."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _load(self, key: VersionKey) -> LoadedModel | LoadError:
        try:
            with self._loading(key[0]):
                return self._load_version(self._registry, *key)
        except LoadError as error:
            return error

    def _load_all(self, keys: Sequence[VersionKey]) -> Mapping[VersionKey, LoadedModel | LoadError]:
        return {key: self._load(key) for key in keys}

    def _load_on_every_core(self, keys: Sequence[VersionKey]) -> Mapping[VersionKey, LoadedModel | LoadError]:
        with ThreadPoolExecutor(usable_cores()) as pool:
            return dict(zip(keys, pool.map(self._load, keys), strict=True))

    def _follow(self) -> None:
        while not self._stopping:
            self._wake.wait(self._poll_seconds)
            self._wake.clear()
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001  the thread must live on; the failure is logged
                log_failure("polling the registry failed; trying again", error)
            with self._looked:
                self._looks += 1
                self._looked.notify_all()


def _report(before: Catalog, after: Catalog) -> None:
    """Logs the changes of an adoption."""
    for (name, version), model in after.models.items():
        if (name, version) not in before.models:
            _log.info("model loaded", model=name, version=version, row_microseconds=model.row_microseconds)
    for (name, version), error in after.failures.items():
        _log.error("model refused", model=name, version=version, problem=error.detail)
    for route, problem in after.problems.items():
        served = after.routes.get(route)
        _log.error("route not adopted", route=route, problem=problem, serving=served.revision if served else None)
    for policy, problem in after.policy_problems.items():
        decides = after.policies.get(policy)
        _log.error("policy not adopted", policy=policy, problem=problem, serving=decides.revision if decides else None)
    if after.problem and after.problem != before.problem:
        _log.error("part of the registry is unreadable", problem=after.problem)
    _log.info("revision adopted", revision=after.revision, routes=len(after.routes), models=len(after.models))
