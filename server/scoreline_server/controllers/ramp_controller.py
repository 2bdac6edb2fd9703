"""Evaluates the guards of running ramps and commits the next step, or the way back.

Several controllers may look at one registry: a move is committed only on the route as it was read, so one of them makes
it and the others see that it was made.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import structlog

from scoreline_registry.errors import ConflictError, RefusedError
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.history.weight_moves import MoveRamp
from scoreline_registry.registry import Registry
from scoreline_registry.routing.bucketing import WHOLE, percent_of
from scoreline_registry.routing.ramp import Ramp, RampMoveName, RampState
from scoreline_registry.routing.route import RouteDocument
from scoreline_server.controllers.counting import Counting, Uncounted
from scoreline_server.controllers.evidence import evidence_of, message_of
from scoreline_server.controllers.guard_plan import guards_of, step_of
from scoreline_server.controllers.readings import Reading, Verdict, figures_of, verdict_of
from scoreline_server.controllers.step_watch import StepClock, StepWatch

_log = structlog.get_logger()

AUTHOR = "ramp controller"


class _Key(NamedTuple):
    """What a watch is of: another step, another start or another plan is another watch."""

    step: int
    since: float
    ramp: Ramp
    paired: bool


@dataclass(slots=True)
class _Watched:
    key: _Key
    watch: StepWatch
    clock: StepClock


@dataclass(frozen=True, slots=True)
class RampLook:
    """What one look at a running ramp found, and the move that was committed, None for none."""

    route: str
    arm: str
    step: int
    percent: float
    verdict: Verdict
    readings: tuple[Reading, ...]
    move: RampMoveName | None = None


class RampController:
    """Looks at every running ramp of a registry. For one thread."""

    def __init__(
        self,
        registry: Registry,
        folders: Sequence[Path],
        *,
        author: str = AUTHOR,
        counting: Counting = Uncounted(),  # noqa: B008 - without state
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``folders`` are those of the journals, one per host; ``monotonic`` is a clock that never jumps."""
        self._registry, self._folders, self._author = registry, tuple(folders), author
        self._counting, self._monotonic = counting, monotonic
        self._watched: dict[str, _Watched] = {}

    def look(self) -> list[RampLook]:
        """Looks once at each running ramp and commits what follows.

        Raises RegistryError and OSError when the registry or a journal cannot be read: ramps that cannot be looked at
        do not move, and keep no others from moving.
        """
        snapshot = self._registry.latest()
        running = {name: document for name, document in snapshot.routes.items() if _runs(document)}
        for route in self._watched.keys() - running.keys():
            self._counting.ramp_ended(route, self._watched.pop(route).key.ramp.arm)
        looks, failures = list[RampLook](), list[Exception]()
        for document in running.values():
            try:
                looks.append(self._look(document, snapshot))
            except Exception as error:  # noqa: BLE001  raised below, once the others were looked at
                failures.append(error)
        if failures:
            raise failures[0]
        return looks

    def _look(self, document: RouteDocument, snapshot: Snapshot) -> RampLook:
        ramp, state = _ramp(document)
        watched = self._watch(document, ramp, state)
        readings = self._readings(document.route, watched)
        elapsed, jump = watched.clock.elapsed(self._registry.now(), self._monotonic())
        if jump:
            _log.warning(
                "clock jumped, the step's hold does not count it", route=document.route, seconds=round(jump, 1)
            )
        verdict = verdict_of(readings, held=elapsed >= ramp.hold_seconds, prove=ramp.prove)
        share = ramp.steps_millionths[state.step]
        self._counting.ramp_looked(document.route, ramp.arm, share / WHOLE, figures_of(readings))
        look = RampLook(document.route, ramp.arm, state.step, float(percent_of(share)), verdict, tuple(readings))
        move = _move(verdict, ramp, state)
        if move is None or not self._commit(look, move, ramp, snapshot):
            return look
        return RampLook(look.route, look.arm, look.step, look.percent, verdict, look.readings, move)

    def _readings(self, route: str, watched: _Watched) -> list[Reading]:
        """The readings of a watch; one that failed halfway through a journal is begun anew at the next look."""
        try:
            return watched.watch.readings()
        except Exception:
            del self._watched[route]
            raise

    def _watch(self, document: RouteDocument, ramp: Ramp, state: RampState) -> _Watched:
        """The watch of a ramp's present step; a new one where the step is new."""
        step = step_of(document, ramp, state)
        key = _Key(state.step, state.since.timestamp(), ramp, step.paired)
        known = self._watched.get(document.route)
        if known is None or known.key != key:
            guards = guards_of(document, ramp, state, paired=step.paired, folders=self._folders)
            clock = StepClock(state.since, self._registry.now(), self._monotonic())
            known = self._watched[document.route] = _Watched(key, StepWatch(step, guards, self._folders), clock)
        return known

    def _commit(self, look: RampLook, move: RampMoveName, ramp: Ramp, snapshot: Snapshot) -> bool:
        """Commits a move on the route as it was read; whether it was this controller that made it."""
        readings = list(look.readings)
        percents = [float(percent_of(step)) for step in ramp.steps_millionths]
        message = message_of(move, arm=look.arm, step=look.step, percents=percents, readings=readings)
        change = MoveRamp(look.route, move, evidence_of(readings), step=look.step)
        try:
            done = self._registry.commit(
                change, author=self._author, message=message, if_match=snapshot.route_digests[look.route]
            )
        except (ConflictError, RefusedError) as error:
            _log.info("ramp not moved, its route changed meanwhile", route=look.route, move=move, reason=str(error))
            return False
        if done.written:
            self._counting.ramp_moved(look.route, look.arm, move)
            _log.info("ramp moved", route=look.route, arm=look.arm, move=move, revision=done.revision, why=message)
        return done.written


def _move(verdict: Verdict, ramp: Ramp, state: RampState) -> RampMoveName | None:
    if verdict is Verdict.BREACH:
        return "roll_back"
    if verdict is Verdict.PASS:
        return "finish" if state.step == ramp.last_step else "advance"
    return None


def _runs(document: RouteDocument) -> bool:
    return document.ramp is not None and document.ramp_state is not None and document.ramp_state.status == "running"


def _ramp(document: RouteDocument) -> tuple[Ramp, RampState]:
    """The ramp of a route that runs one."""
    if document.ramp is None or document.ramp_state is None:
        raise ValueError(f"route {document.route} runs no ramp")
    return document.ramp, document.ramp_state
