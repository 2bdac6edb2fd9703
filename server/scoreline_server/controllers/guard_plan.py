"""The guards of a route's ramp, made from its document."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.ramp import GuardLimit, Ramp, RampState
from scoreline_registry.routing.route import RouteDocument
from scoreline_server.controllers.guard import Guard, Limit
from scoreline_server.controllers.latency_guard import LatencyGuard
from scoreline_server.controllers.outcome_guard import OutcomeGuard
from scoreline_server.controllers.outcome_samples import OutcomeQuery
from scoreline_server.controllers.rate_guards import error_rate, missing_rate
from scoreline_server.controllers.score_guards import FlipRate, ScoreShift
from scoreline_server.controllers.segmented import Segmented
from scoreline_server.controllers.selection import Step
from scoreline_server.journal.format.times import DAY, nanoseconds_of

_Make = Callable[[Limit], Guard]


def step_of(document: RouteDocument, ramp: Ramp, state: RampState) -> Step:
    """The step in force of a route's ramp."""
    segments = [guard.by for guard in ramp.guards.limits.values() if guard.by]
    return Step(
        route=document.route,
        arm=ramp.arm,
        since=nanoseconds_of(state.since),
        revision=state.revision,
        segments=tuple(dict.fromkeys(segments)),
        paired=any(shadow.ref == ramp.arm for shadow in document.shadows),
    )


def guards_of(
    document: RouteDocument, ramp: Ramp, state: RampState, *, paired: bool, folders: Sequence[Path]
) -> list[Guard]:
    """The guards of one step, each with its part of the error of the whole ramp.

    Where the growing arm has all units there is nothing to compare it with: guards that compare rows are left out.
    Those of outcomes stay: they compare units of all steps.
    """
    makers: Mapping[str, _Make] = {
        "error_rate": error_rate,
        "p99_ms": LatencyGuard,
        "score_shift": partial(ScoreShift, paired=paired),
        "flip_rate": partial(FlipRate, paired=paired),
        "missing_rate": missing_rate,
    }
    limits = ramp.guards.limits
    alpha = ramp.alpha / len(ramp.steps_millionths) / max(len(limits) + len(ramp.guards.outcome), 1)
    alone = ramp.steps_millionths[state.step] == WHOLE
    of_rows = [
        _guard(makers[name], Limit(name, guard.limit, alpha, guard.rows, guard.against), guard.by)
        for name, guard in limits.items()
        if not (alone and compares(name, guard))
    ]
    return of_rows + [
        OutcomeGuard(
            Limit(f"outcome {metric}", guard.limit, alpha, guard.rows),
            ramp.arm,
            OutcomeQuery(tuple(folders), document.route, document.experiment, metric, _started(state)),
        )
        for metric, guard in ramp.guards.outcome.items()
        if document.experiment is not None
    ]


def _started(state: RampState) -> int:
    """When the ramp was last started, in ns since 1970, less a day for clocks of other hosts."""
    moves = [move.at for move in state.moves if move.move == "start"]
    return nanoseconds_of(moves[-1] if moves else state.since) - DAY


def compares(name: str, guard: GuardLimit) -> bool:
    """Whether a guard needs rows of another arm."""
    return guard.against == "others" or name in {"score_shift", "flip_rate"}


def _guard(make: _Make, limit: Limit, by: str | None) -> Guard:
    return Segmented(by, limit, make) if by else make(limit)
