"""The server, assembled in one place and in order."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from grpc_health.v1 import health_pb2

from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry
from scoreline_server.answer_stores.opening import Answers
from scoreline_server.decisions.limit_gauges import LimitGauges
from scoreline_server.decisions.recourse_rules import RuleCache
from scoreline_server.decisions.suppressions import Suppressions
from scoreline_server.errors import LimitStoreError, StartError
from scoreline_server.events.expiring import Expiry
from scoreline_server.events.opening import open_profiles, remaining_data
from scoreline_server.file_lock import FileLock
from scoreline_server.forgetting.opening import open_forgetting
from scoreline_server.journal.writing.opening import journal_folder, open_journal
from scoreline_server.limit_stores.opening import open_limits
from scoreline_server.limit_stores.store import LimitStore
from scoreline_server.limit_stores.timed_reserving import TimedLimits
from scoreline_server.loading import loader
from scoreline_server.loading.pins import Pins
from scoreline_server.loading.watcher import Watcher
from scoreline_server.metrics.recorder import CountedThreads, Metrics
from scoreline_server.outcomes.opening import open_outcomes
from scoreline_server.profile_stores.timed_reading import TimedStates
from scoreline_server.rpc.admission import Admission
from scoreline_server.rpc.authority import policy_of
from scoreline_server.rpc.changed_row_calls import Searches
from scoreline_server.rpc.comparisons import Comparisons
from scoreline_server.rpc.control import Control
from scoreline_server.rpc.decision_calls import DecisionCalls
from scoreline_server.rpc.methods import status_method
from scoreline_server.rpc.outcome_reports import OutcomeReports
from scoreline_server.rpc.pipeline import Pipeline
from scoreline_server.rpc.profile_calls import ProfileCalls
from scoreline_server.rpc.recourse_calls import RecourseCalls
from scoreline_server.rpc.registry_reads import RegistryReads
from scoreline_server.rpc.registry_writes import RegistryWrites
from scoreline_server.rpc.thread_slots import ThreadSlots
from scoreline_server.rpc.what_if_calls import WhatIfCalls
from scoreline_server.scoring import engine
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.results import Observe
from scoreline_server.scoring.route_profiles import NoStore
from scoreline_server.settings import Settings
from scoreline_server.shadows import Shadows, discard
from scoreline_server.stopping import Deadline, InFlight, StopLimits
from scoreline_server.transport.endpoint import SERVICES, Endpoint, has_tls
from scoreline_server.transport.standard_services import Health
from scoreline_server.transport.streams import Streams

_log = structlog.get_logger()

# Shadows wait while more work than this is in hand.
_BUSY_SECONDS = 0.0005


class Server:
    """A serving process: ``with Server(settings) as server: ...`` serves until the block ends, then drains."""

    def __init__(
        self,
        settings: Settings,
        *,
        runtime: Path | None = None,
        worker: int = 0,
        reuse_port: bool = False,
        score: engine.Score = engine.score,
        load: loader.Load = loader.load,
        observers: Sequence[Observe] = (),
        stop_limits: StopLimits = StopLimits(),  # noqa: B008 - frozen
    ) -> None:
        """Takes the port; raises StartError when that cannot be.

        ``runtime`` is a folder that the workers of one supervisor share, ``worker`` this one's number among them. With
        ``reuse_port`` others may listen on the same port. ``load`` loads versions and ``score`` scores requests;
        ``observers`` get what it scored before the journal does. ``stop_limits`` bound each wait of a stop.
        """
        self.settings = settings
        self._stop_limits = stop_limits
        self.metrics = Metrics(runtime)
        self._answers = Answers(settings)
        registry = _open(settings.registry)
        self.profiles = open_profiles(settings, registry, counting=self.metrics)
        self._states = self._timed_states()
        # One worker of a host is enough: they share the store.
        self._expiry = Expiry(self.profiles) if self.profiles and worker == 0 else None
        self.watcher = Watcher(
            registry,
            poll_seconds=settings.poll_seconds,
            pins=Pins(runtime / "pins.json" if runtime else None),
            budget_bytes=settings.memory_budget_bytes,
            loading_lock=FileLock(runtime / "loading.lock").held if runtime else nullcontext,
            loading=self.metrics.loading,
            load=load,
            caching=self._answers.caching(counting=self.metrics),
            states=self._states or NoStore(self.metrics.profiles_used),
        )
        self.journal = open_journal(settings, worker=worker, counting=self.metrics)
        self.outcomes = open_outcomes(settings, worker=worker)
        self.limits = _open_limits(settings)
        self._reserving = (
            TimedLimits(self.limits, seconds=settings.limit_seconds, counting=self.metrics) if self.limits else None
        )
        # Of one worker too, because gauges of several are added up.
        self._limit_gauges = (
            LimitGauges(self.limits, lambda: self.watcher.catalog.policies, counting=self.metrics)
            if self.limits and worker == 0
            else None
        )
        self._forgetting = open_forgetting(
            journal_folder(settings.journal_dir, settings.registry),
            self.journal,
            self.outcomes.log if self.outcomes else None,
        )
        admission = _admission(settings)
        self.shadows = Shadows(
            queue_rows=settings.shadow_queue_rows,
            is_busy=lambda: admission.queued_seconds > _BUSY_SECONDS,
            counting=self.metrics,
            keep=self.journal.shadows if self.journal else discard,
        )
        slots, answering = ThreadSlots(settings.threads), InFlight()
        reports = OutcomeReports(
            self.outcomes, counting=self.metrics, slots=slots, suppressions=_suppressions(settings, self.limits)
        )
        profile_calls = ProfileCalls(
            self.profiles, self._forgetting, limits=self.limits, remaining=remaining_data(settings), slots=slots
        )
        self._comparisons = Comparisons(settings.registry, journal_folder(settings.journal_dir, settings.registry))
        reading = (RegistryReads(registry), self._comparisons)
        control = (*reading, RegistryWrites(registry), Control(registry, self.watcher), reports, profile_calls)
        observers = [*observers, *([self.journal] if self.journal else []), self.shadows]
        authority = policy_of(settings)
        decisions = DecisionCalls(
            reserve=self._reserving.reserve if self._reserving else None,
            admission=admission,
            counting=self.metrics,
            observers=observers,
            answering=answering,
            authority=authority,
        )
        # Of their own, so that a search for many entities is no reason to refuse a decision.
        searches = Searches(admission=_admission(settings), slots=slots)
        rules = RuleCache(registry.read_file)
        changes = (WhatIfCalls(searches, rules), RecourseCalls(searches, rules))
        self.pipeline = Pipeline(
            lambda: self.watcher.catalog,
            metrics=self.metrics,
            admission=admission,
            policy=authority,
            methods=[
                status_method(lambda: self.problem),
                *(method for part in control for method in part.methods()),
                *(method for part in (decisions, *changes) for method in part.methods()),
            ],
            observers=observers,
            answering=answering,
            score=score,
        )
        self.streams = Streams(self.pipeline, registry, self.watcher, profile_calls, threads=settings.stream_threads)
        self.health = Health()
        threads = CountedThreads(settings.threads, self.metrics)
        self._endpoint = Endpoint(settings.listen, settings, threads=threads, reuse_port=reuse_port)
        self._admin = (
            Endpoint(settings.admin_listen, settings, threads=threads, reuse_port=reuse_port)
            if settings.admin_listen
            else None
        )
        self._draining = False
        self._stopped = False

    @property
    def address(self) -> str:
        """The address that it listens on, with the bound port."""
        return self._endpoint.address

    @property
    def problem(self) -> str:
        """What is wrong beside the registry while calls are answered; empty if nothing is."""
        outcomes = self.outcomes.log if self.outcomes else None
        return "; ".join(part.problem for part in (self.journal, outcomes) if part and part.problem)

    @property
    def admin_address(self) -> str:
        """The address that accepts changes from other hosts; empty for none."""
        return self._admin.address if self._admin else ""

    def _timed_states(self) -> TimedStates | None:
        """Reads profiles for scoring; None where there is no store."""
        if self.profiles is None:
            return None
        return TimedStates(self.profiles.store, seconds=self.settings.profile_read_seconds, counting=self.metrics)

    def start(self) -> None:
        """Adopts the registry's newest revision, then opens for calls."""
        if self.journal:
            self.journal.start()
        self.shadows.start()
        if self._expiry:
            self._expiry.start()
        if self._limit_gauges:
            self._limit_gauges.start()
        if self._forgetting:
            self._forgetting.start()
        self._answers.start()
        self.watcher.refresh(at_start=True)
        self.watcher.start()
        self._endpoint.serve(self.pipeline, self.streams, self.health, on_death=self._die)
        if self._admin:
            self._admin.serve(self.pipeline, self.streams, self.health, on_death=self._die, by_admin_address=True)
        self._show_health(self.watcher.catalog)
        self.watcher.on_adoption = self._show_health
        _log.info(
            "serving",
            address=self.address,
            admin_address=self.admin_address or None,
            registry=self.settings.registry,
            tls=has_tls(self.settings),
        )

    def leave(self) -> None:
        """Sets the health to NOT_SERVING and goes on serving. May be called twice."""
        self._draining = True
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)

    def stop(self) -> None:
        """Reports NOT_SERVING, waits ``drain_delay_seconds``, drains, then closes every part within its limit.

        May be called twice.
        """
        if self._stopped:
            return
        self._stopped = True
        self.leave()
        _log.info("draining", delay_seconds=self.settings.drain_delay_seconds)
        time.sleep(self.settings.drain_delay_seconds)
        limits = self._stop_limits
        # In the reverse of this order, and each whatever happens to the others.
        with ExitStack() as parts:
            parts.callback(_within, "watcher", self.watcher.stop, limits.watcher_seconds)
            if self.journal:
                parts.callback(_within, "journal", self.journal.close, limits.journal_seconds)
            parts.callback(self._comparisons.close)
            if self.profiles:
                parts.callback(self.profiles.store.close)
            if self.limits and self._reserving:
                parts.callback(self.limits.close)
                parts.callback(self._reserving.close)
            if self._expiry:
                parts.callback(self._expiry.close)
            if self._limit_gauges:
                parts.callback(self._limit_gauges.close)
            if self._forgetting:
                parts.callback(self._forgetting.close)
            if self._states:
                parts.callback(self._states.close)
            if self.outcomes:
                parts.callback(_within, "outcomes", self.outcomes.log.close, limits.journal_seconds)
            parts.callback(_within, "shadows", self.shadows.close, limits.shadows_seconds)
            parts.callback(_within, "cache of answers", self._answers.close, limits.shadows_seconds)
            parts.callback(_within, "answers", self.pipeline.close, limits.answers_seconds)
            parts.callback(self.streams.close)
            parts.callback(self.health.close)
            self._end_calls()
        _log.info("stopped")

    def _end_calls(self) -> None:
        """Drains every address, all at the same time."""
        endpoints = [endpoint for endpoint in (self._endpoint, self._admin) if endpoint]
        for endpoint in endpoints:
            endpoint.begin_stop(self.settings.drain_seconds)
        deadline = Deadline(self.settings.drain_seconds + self._stop_limits.calls_seconds)
        for endpoint in endpoints:
            _within("calls", endpoint.finish_stop, deadline.remaining_seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _show_health(self, catalog: Catalog) -> None:
        """Serving, unless there are routes and none of them could be adopted."""
        if not self._draining:
            able = catalog.can_score
            status = health_pb2.HealthCheckResponse
            self._set_health(status.SERVING if able else status.NOT_SERVING)

    def _die(self) -> None:
        """Ends the process at once: what cannot answer must not look alive. The supervisor starts another."""
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        os._exit(1)

    def _set_health(self, status: "health_pb2.HealthCheckResponse.ServingStatus") -> None:
        for service in ("", *SERVICES):
            self.health.set(service, status)


def _within(part: str, close: Callable[[float], bool], seconds: float) -> None:
    """Closes a part of the server; one that takes longer is left behind."""
    if not close(seconds):
        _log.error("the stop goes on without waiting any longer", part=part, waited_seconds=round(seconds, 3))


def _admission(settings: Settings) -> Admission:
    """Slow calls have threads of their own only beside the hot lane."""
    slow_call_seconds = settings.heavy_seconds if settings.hot_lane else float("inf")
    return Admission(max_queue_seconds=settings.max_queue_seconds, slow_call_seconds=slow_call_seconds)


def _open_limits(settings: Settings) -> LimitStore | None:
    """The store of limits, which is opened by the first decision that needs it; None where it is off."""
    folder = journal_folder(settings.journal_dir, settings.registry)
    try:
        return open_limits(settings.limit_store, folder, seconds=settings.limit_seconds)
    except LimitStoreError as error:
        raise StartError(str(error)) from error


def _suppressions(settings: Settings, limits: LimitStore | None) -> Suppressions | None:
    """Notes outcomes that forbid actions; None without limits or without a journal that has the decisions."""
    folder = journal_folder(settings.journal_dir, settings.registry)
    return Suppressions(limits, folder) if limits and folder else None


def _open(registry: str) -> Registry:
    try:
        return Registry.open(registry)
    except RegistryError as error:
        raise StartError(str(error)) from error
