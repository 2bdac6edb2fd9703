"""Columns that marketing and risk people know by name: RFM, engagement, lifecycle stage and value tier."""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from scoreline_registry.documents.contract import FeatureName
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.engineering.base import FitContext, FittedStep, GraphColumns, Transformer, numbers, quantiles
from scoreline_trainers.engineering.tabular import counted, log1p
from scoreline_trainers.graph.tensor import Tensor


class RFM(Transformer):
    """Recency, frequency and monetary scores from 1 to ``bins``, and their weighted mean.

    Each score is 1 + the number of edges that are not above the value, and the edges are the training rows' quantiles
    at 1/bins, 2/bins, ...; recency counts the other way round, so that the most recent customers score ``bins``. A
    missing value has no score, and the mean is over the scores there are; missing where there is none. The columns are
    <name>_recency, <name>_frequency, <name>_monetary and <name>.

    Source: Hughes, Strategic Database Marketing, 1994, chapter 3 (quintiles by sorting).
    """

    kind: Literal["rfm"]
    recency: FeatureName
    frequency: FeatureName
    monetary: FeatureName
    name: FeatureName = "rfm"
    bins: int = Field(default=5, ge=2, le=100)
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        _check_weights(self.weights)
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits the edges."""
        columns = (self.recency, self.frequency, self.monetary)
        shares = np.arange(1, self.bins) / self.bins
        edges = [quantiles(values, shares) for values in context.numbers(columns).T]

        def nodes(available: GraphColumns) -> Tensor:
            r, f, m = (counted(available.numbers([name]), its) + 1 for name, its in zip(columns, edges, strict=True))
            scores = (r * -1 + (self.bins + 1)).concat(f, m)
            return scores.concat(weighted_mean(scores, self.weights))

        parts = [f"{self.name}_{part}" for part in ("recency", "frequency", "monetary")]
        return FittedStep(numbers([*parts, self.name]), nodes)


class Engagement(Transformer):
    """The weighted mean, 0 to 1, of scaled columns: opens, clicks, visits, sessions and so on.

    ``channels`` maps each column to its weight. Each is scaled by the training rows' minimum and maximum and cut to
    [0, 1]: "min_max" as ``(x - min) / (max - min)``, "log" as ``ln(1 + x - min) / ln(1 + max - min)``; 0 where they did
    not vary. A missing column is left out of the mean; all missing is missing.
    """

    kind: Literal["engagement"]
    channels: dict[FeatureName, float] = Field(min_length=1)
    name: FeatureName = "engagement"
    scaling: Literal["min_max", "log"] = "min_max"

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        _check_weights(tuple(self.channels.values()))
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits minima and maxima."""
        columns = tuple(self.channels)
        low, high = np.array([quantiles(values, (0, 1)) for values in context.numbers(columns).T]).T
        reach = np.log1p(high - low) if self.scaling == "log" else high - low

        def nodes(available: GraphColumns) -> Tensor:
            given = available.numbers(columns)
            above = (given - low).maximum(0)
            scaled = (log1p(above) if self.scaling == "log" else above) / np.where(reach > 0, reach, np.inf)
            return weighted_mean(scaled.minimum(1), tuple(self.channels.values()))

        return FittedStep(numbers([self.name]), nodes)


class _Stages(Transformer):
    """An ordinal code: 0 from the first stage's start on and below it, 1 from the second's, and so on."""

    column: FeatureName
    name: FeatureName

    def _coded(self, starts: Float64) -> FittedStep:
        return FittedStep(numbers([self.name]), lambda available: counted(available.numbers([self.column]), starts[1:]))


class Lifecycle(_Stages):
    """The stage that ``column`` has reached, as 0, 1, 2, ...: ``stages`` maps names to where each starts, ascending.

    What is below the first start is in the first stage; missing stays missing.
    """

    kind: Literal["lifecycle"]
    name: FeatureName = "lifecycle"
    stages: dict[FeatureName, float] = Field(default={"new": 0, "growing": 3, "mature": 12, "loyal": 36}, min_length=2)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        _check_ascending(tuple(self.stages.values()))
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits nothing."""
        context.check_numbers([self.column])
        return self._coded(np.array(list(self.stages.values())))


class ValueTier(_Stages):
    """The tier of ``column``, as 0, 1, 2, ...: ``tiers`` maps names, ascending, to the share of training rows below.

    A value equal to a cut-off is in the upper tier; missing stays missing.
    """

    kind: Literal["value_tier"]
    name: FeatureName = "value_tier"
    tiers: dict[FeatureName, float] = Field(
        default={"bronze": 0, "silver": 0.5, "gold": 0.8, "platinum": 0.95}, min_length=2
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        shares = tuple(self.tiers.values())
        _check_ascending(shares)
        if shares[0] != 0 or shares[-1] >= 1:
            raise ValueError("the first tier starts at 0 and every other below 1")
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits the cut-offs."""
        values = context.numbers([self.column])[:, 0]
        return self._coded(quantiles(values, tuple(self.tiers.values())))


def weighted_mean(values: Tensor, weights: tuple[float, ...]) -> Tensor:
    """double [N, K] -> [N, 1]: over what is not NaN; NaN where everything is."""
    weight = values.isnan().where(0, values.like(weights))
    return (values.isnan().where(0, values) * weights).sum(1, keepdims=True) / weight.sum(1, keepdims=True)


def _check_weights(weights: tuple[float, ...]) -> None:
    if min(weights) <= 0:
        raise ValueError("every weight is above 0")


def _check_ascending(starts: tuple[float, ...]) -> None:
    if list(starts) != sorted(set(starts)):
        raise ValueError("starts ascend, each once")
