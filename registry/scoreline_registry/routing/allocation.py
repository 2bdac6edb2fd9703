"""Weights that follow outcomes (a bandit), as the registry stores them: the plan, and the last change."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.durations import Seconds
from scoreline_registry.routing.experiment import MetricName, UtcMoment
from scoreline_registry.routing.rules import Rule

MAX_ARM_FACTS = 100


class Allocation(FrozenModel):
    """The plan: the weights of the last rule follow ``metric``, at most every ``every_seconds``.

    ``floor_millionths`` is the least share of every arm, so that each keeps being measured.
    """

    by: Literal["thompson"] = "thompson"
    metric: MetricName
    every_seconds: Seconds
    floor_millionths: int = Field(default=WHOLE // 100, ge=1, le=WHOLE // 2)


class ArmEvidence(FrozenModel):
    """What the weight of one arm followed from: its count and mean so far, and the chance that it is the best."""

    arm: str = Field(max_length=200)
    count: int = Field(ge=0)
    mean: float | None = None
    chance_best: float | None = Field(default=None, ge=0, le=1)
    details: dict[str, JsonValue] = Field(default_factory=dict, max_length=50)


class AllocationState(FrozenModel):
    """The last change of weights. ``baseline`` is the last rule as it was written, before the first change."""

    changed_at: UtcMoment
    changes: int = Field(ge=1)
    baseline: Rule
    evidence: Annotated[tuple[ArmEvidence, ...], Field(max_length=MAX_ARM_FACTS)] = ()
