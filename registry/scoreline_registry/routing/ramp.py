"""A guarded ramp of one arm of a route, as the registry stores it: the plan, and where it stands.

``ramping`` has the moves.
"""

from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, JsonValue, model_validator

from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.durations import Seconds
from scoreline_registry.routing.experiment import Fact, MetricName, UtcMoment
from scoreline_registry.routing.rules import Ref, Rule

MAX_STEPS = 50
MAX_MOVES = 50
MAX_EVIDENCE = 50

RampStatus: TypeAlias = Literal["running", "paused", "aborted", "rolled_back", "done"]
RampMoveName: TypeAlias = Literal["start", "advance", "finish", "roll_back", "pause", "resume", "abort"]
Verdict: TypeAlias = Literal["continue", "pass", "breach"]

Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(gt=0)]


def check_ascending(steps: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns steps that are above 0 and ascend; raises ValueError for others."""
    if steps and steps[0] <= 0:
        raise ValueError("the first step is above 0 percent")
    for position, (before, after) in enumerate(pairwise(steps), start=1):
        if after <= before:
            raise ValueError(f"the steps must ascend, such as [1, 5, 25, 50, 100]: step {position + 1} does not")
    return steps


def observed_by(guard: str) -> str:
    """What a guard counts, by its name as evidence has it: batches, calls, units, or units with an outcome."""
    if guard.startswith("outcome"):
        return "units with the outcome"
    return {"error_rate": "batches", "p99_ms": "calls"}.get(guard, "units")


class GuardLimit(OmitDefaults):
    """The limit of one guard; a number alone is a limit with the defaults.

    Attributes:
        limit: the largest value that is kept.
        against: "limit" for the arm's own value, "others" for its difference from the other arms at the same time.
        by: a fact of a row, in each of whose segments the guard holds as well; None for all rows alone.
        rows: observations of the arm that a step waits for before it may pass; 0 does not wait.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"by"})

    limit: float = Field(ge=0)
    against: Literal["limit", "others"] = "limit"
    by: Fact | None = None
    rows: int = Field(default=200, ge=0, le=1_000_000_000)

    @model_validator(mode="before")
    @classmethod
    def _number(cls, raw: object) -> object:
        return {"limit": raw} if isinstance(raw, int | float) else raw

    @property
    def written(self) -> float | dict[str, Any]:
        """The number alone where the rest is as by default."""
        given = self.model_dump(mode="json", exclude_defaults=True, include=set(GuardLimit.model_fields))
        return self.limit if given.keys() <= {"limit"} else {"limit": self.limit, **given}


class ShareLimit(GuardLimit):
    """The limit of a share, 0 to 1."""

    limit: Share


class AmountLimit(GuardLimit):
    """A limit above 0."""

    limit: Amount


class Guards(FrozenModel):
    """The limits of the arm that grows; None is not looked at.

    Attributes:
        error_rate: the highest share of its rows that fail or that the fallback answers, 0 to 1.
        p99_ms: the highest 99th percentile of a call's milliseconds, from its arrival until it is scored.
        score_shift: the largest difference of mean scores from those of the other arms, in either direction.
        flip_rate: the largest share of units that fall into another band of scores, 0 to 1.
        missing_rate: the highest share of units of which an input is missing, 0 to 1.
        outcome: by metric of the route's experiment, the largest change for the worse, in the metric's unit.
    """

    error_rate: ShareLimit | None = None
    p99_ms: AmountLimit | None = None
    score_shift: AmountLimit | None = None
    flip_rate: ShareLimit | None = None
    missing_rate: ShareLimit | None = None
    outcome: dict[MetricName, GuardLimit] = Field(default_factory=dict)

    @property
    def limits(self) -> dict[str, GuardLimit]:
        """The guards of rows by name, in order; without those of outcomes."""
        guards = {name: getattr(self, name) for name in Guards.model_fields if name != "outcome"}
        return {name: guard for name, guard in guards.items() if guard is not None}

    @property
    def written(self) -> dict[str, Any]:
        """The guards as people write them."""
        outcome = {metric: guard.written for metric, guard in self.outcome.items()}
        return {name: guard.written for name, guard in self.limits.items()} | ({"outcome": outcome} if outcome else {})


class Ramp(FrozenModel):
    """The plan of a ramp: ``arm`` grows by ``steps`` in every rule that lists it, each held for ``hold_seconds``.

    ``alpha`` is the chance that the guards together stop an arm that keeps all limits, however often they look. With
    ``prove`` a step passes only once every guard's bound rules out that its limit is exceeded.
    """

    arm: Ref
    steps_millionths: Annotated[tuple[int, ...], AfterValidator(check_ascending)] = Field(
        min_length=1, max_length=MAX_STEPS
    )
    hold_seconds: Seconds
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    prove: bool = False
    guards: Guards = Guards()

    @model_validator(mode="after")
    def _of_the_whole(self) -> Self:
        if self.steps_millionths[-1] > WHOLE:
            raise ValueError("the last step is at most 100 percent")
        return self

    @property
    def last_step(self) -> int:
        """The index of the last step."""
        return len(self.steps_millionths) - 1


class GuardEvidence(FrozenModel):
    """The figures of one guard when it was evaluated.

    ``value`` has the always-valid interval from ``low`` to ``high``, None where a side is open. ``rows`` are those of
    the growing arm. ``segment`` is such as "context.channel = web", "" for all rows. ``details`` are more facts.
    """

    guard: str = Field(max_length=200)
    verdict: Verdict
    limit: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = Field(default=0, ge=0)
    segment: str = Field(default="", max_length=300)
    method: str = Field(default="", max_length=300)
    details: dict[str, JsonValue] = Field(default_factory=dict, max_length=50)


Evidence = Annotated[tuple[GuardEvidence, ...], Field(max_length=MAX_EVIDENCE)]


class RampMove(OmitDefaults):
    """One move of a ramp: what was done when, the step in force after it, and the evidence that led to it."""

    OMITTED: ClassVar[frozenset[str]] = frozenset({"evidence"})

    move: RampMoveName
    at: UtcMoment
    step: int = Field(ge=0)
    evidence: Evidence = ()


class RampState(FrozenModel):
    """Where a ramp stands.

    Attributes:
        status: "running" and "paused" have the weights of the step, "done" those of the last one, "aborted" (by a
            person) and "rolled_back" (by a guard) those from before the ramp.
        step: the index of the step in force, or of the one at which the ramp ended.
        since: when the step, or after a pause its rest, began.
        revision: the first revision of that step; guards look at rows that were scored by it or a later one.
        baseline: the route's rules before the ramp, to which an abort returns bit for bit.
        moves: the last moves with their evidence, oldest first.
    """

    status: RampStatus
    step: int = Field(ge=0)
    since: UtcMoment
    revision: int = Field(default=0, ge=0)
    baseline: tuple[Rule, ...]
    moves: Annotated[tuple[RampMove, ...], Field(max_length=MAX_MOVES)] = ()

    @property
    def active(self) -> bool:
        """Whether the weights are the ramp's to change: it is running or paused."""
        return self.status in {"running", "paused"}
