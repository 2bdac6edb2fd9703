"""The sections ``outcomes``, ``experiment``, ``ramp`` and ``allocate`` of a route as people write them."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.routing.allocation import Allocation
from scoreline_registry.routing.bucketing import millionths
from scoreline_registry.routing.durations import Duration
from scoreline_registry.routing.experiment import MAX_METRICS, Experiment, Metric, MetricName, Outcomes
from scoreline_registry.routing.ramp import (
    MAX_STEPS,
    AmountLimit,
    GuardLimit,
    Guards,
    Ramp,
    ShareLimit,
    check_ascending,
)
from scoreline_registry.routing.rules import Ref
from scoreline_registry.routing.strict_spec import Percent, Strict


class OutcomesSpec(Outcomes, Strict):
    """How many days the outcomes of a row may take."""

    @property
    def document(self) -> Outcomes:
        """What the registry stores."""
        return Outcomes.model_validate(self.model_dump())


class MetricSpec(Metric, Strict):
    """A figure per arm, computed from one kind of outcome."""


class ExperimentSpec(Experiment, Strict):
    """The plan of an experiment; its metrics by name."""

    metrics: dict[MetricName, MetricSpec] = Field(min_length=1, max_length=MAX_METRICS)  # type: ignore[assignment]

    @property
    def document(self) -> Experiment:
        """What the registry stores."""
        return Experiment.model_validate(self.model_dump())


class LimitSpec(GuardLimit, Strict):
    """The limit of one guard."""


class ShareLimitSpec(ShareLimit, Strict):
    """The limit of a share."""


class AmountLimitSpec(AmountLimit, Strict):
    """A limit above 0."""


class GuardsSpec(Guards, Strict):
    """The limits at which a ramp goes back."""

    error_rate: ShareLimitSpec | None = None
    p99_ms: AmountLimitSpec | None = None
    score_shift: AmountLimitSpec | None = None
    flip_rate: ShareLimitSpec | None = None
    missing_rate: ShareLimitSpec | None = None
    outcome: dict[MetricName, LimitSpec] = Field(default_factory=dict)  # type: ignore[assignment]


class RampSpec(Strict):
    """An arm that grows by steps of percent, each held for a while."""

    arm: Ref
    steps: Annotated[tuple[Percent, ...], AfterValidator(check_ascending)] = Field(min_length=1, max_length=MAX_STEPS)
    hold: Duration
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    prove: bool = False
    guards: GuardsSpec = GuardsSpec()

    @property
    def document(self) -> Ramp:
        """What the registry stores."""
        return Ramp(
            arm=self.arm,
            steps_millionths=tuple(map(millionths, self.steps)),
            hold_seconds=self.hold,
            alpha=self.alpha,
            prove=self.prove,
            guards=Guards.model_validate(self.guards.model_dump()),
        )


class AllocationSpec(Strict):
    """Weights that follow a metric, with a floor in percent for every arm."""

    by: str = "thompson"
    metric: MetricName
    every: Duration
    floor: Percent = Decimal(1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.by != "thompson":
            raise ValueError(f"by: unknown method {self.by!r}; use 'thompson'")
        if not 0 < self.floor <= 50:
            raise ValueError(f"floor: {self.floor.normalize():f} is not above 0 and at most 50 percent")
        return self

    @property
    def document(self) -> Allocation:
        """What the registry stores."""
        return Allocation(metric=self.metric, every_seconds=self.every, floor_millionths=millionths(self.floor))
