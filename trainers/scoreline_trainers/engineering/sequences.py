"""Columns from histories: velocity, momentum, volatility, stability, rolling statistics, lags and trends.

Each makes one column per step feature and window, named <step>_<what>_<window>. A window W holds the last W real steps,
all of them where the history is shorter; missing steps are left out. A window that knows no step gives a missing value;
one that knows a single step, or only equal ones, gives 0 for whatever measures change. Standard deviations are
population ones, so that one step has a deviation. Time is counted in steps, forward.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from scoreline_registry.documents.contract import MAX_SEQUENCE_LENGTH, FeatureName
from scoreline_trainers.engineering.base import FitContext, FittedStep, GraphColumns, Transformer, numbers
from scoreline_trainers.engineering.windows import Recent, Span, Windowed
from scoreline_trainers.graph.tensor import Tensor, concat

Width = Annotated[int, Field(ge=1, le=MAX_SEQUENCE_LENGTH)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1)]
Statistic = Literal["mean", "median", "std", "cv", "skew", "kurtosis"]


class _OverWindows(Transformer):
    """One column per measure, step feature and window. ``steps`` are all step features where none is named."""

    over_steps: ClassVar[bool] = True

    steps: tuple[FeatureName, ...] = ()
    windows: Widths

    @property
    def measures(self) -> tuple[str, ...]:
        """What is measured; the columns are named after it."""
        return (self.kind,)

    def fit(self, context: FitContext) -> FittedStep:
        """Fits nothing."""
        steps = context.steps(self.steps)
        names = [f"{step}_{measure}_{window}" for measure in self.measures for step in steps for window in self.windows]

        def nodes(available: GraphColumns) -> Tensor:
            return concat([block.apply("Flatten", axis=1) for block in self._blocks(available, steps)])

        return FittedStep(numbers(names), nodes)

    @abstractmethod
    def _blocks(self, available: GraphColumns, steps: tuple[str, ...]) -> Sequence[Tensor]:
        """double [N, S, K] for each measure."""

    def _recent(self, available: GraphColumns, steps: tuple[str, ...]) -> Windowed:
        recent = Recent.within(available, steps, max(self.windows))
        return recent.windows([(0, window) for window in self.windows])


class Velocity(_OverWindows):
    """Mean change per step: (newest known - oldest known) / steps between them."""

    kind: Literal["velocity"]
    windows: Widths = (7, 14, 30, 60, 90)

    def _blocks(self, available: GraphColumns, steps: tuple[str, ...]) -> Sequence[Tensor]:
        return [self._recent(available, steps).rate()]


class Momentum(_OverWindows):
    """How the last W steps compare with the W before them: (a - b) / (|a| + |b|) for their means a and b.

    Within [-1, 1]; 0 where both means are 0; missing where either window knows no step, as in a history of at most W.
    The relative difference of two values is Lance and Williams' (The Computer Journal 9, 1966), with its sign.
    """

    kind: Literal["momentum"]
    windows: Widths = (7, 14, 30)

    def _blocks(self, available: GraphColumns, steps: tuple[str, ...]) -> Sequence[Tensor]:
        recent = Recent.within(available, steps, 2 * max(self.windows))
        now = recent.windows([(0, window) for window in self.windows]).mean()
        before = recent.windows([(window, 2 * window) for window in self.windows]).mean()
        size = abs(now) + abs(before)
        return [(now - before) / size.equal(0).where(1, size)]


class Volatility(_OverWindows):
    """Standard deviation of the changes from one step to the next, where both are known and within the window.

    0 where fewer than two changes are known. Source: Hull, Options, Futures, and Other Derivatives, on estimating
    volatility from historical data; of differences, not log returns, since amounts may be 0.
    """

    kind: Literal["volatility"]
    windows: Widths = (30, 60, 90)

    def _blocks(self, available: GraphColumns, steps: tuple[str, ...]) -> Sequence[Tensor]:
        recent = Recent.within(available, steps, max(self.windows))
        spans: list[Span] = [(0, window) for window in self.windows]
        changes = recent.changes().windows([(0, window - 1) for window in self.windows])
        deviation = changes.empty().where(0, changes.std())
        return [recent.windows(spans).empty().where(np.nan, deviation)]


class Stability(_OverWindows):
    """|mean| / (|mean| + standard deviation): 1 where nothing varies, zeros too, towards 0 the more it does.

    The same as 1 / (1 + coefficient of variation), defined where the mean is 0.
    """

    kind: Literal["stability"]
    windows: Widths = (60, 90, 180)

    def _blocks(self, available: GraphColumns, steps: tuple[str, ...]) -> Sequence[Tensor]:
        window = self._recent(available, steps)
        size, deviation = abs(window.mean()), window.std()
        both = size + deviation
        # NaN is not 0, and goes through the division.
        return [deviation.equal(0).where(1, size / both.equal(0).where(1, both))]


class Trend(_OverWindows):
    """The slope of the least squares line through the known steps, per step; 0 where nothing varies."""

    kind: Literal["trend"]
    windows: Widths = (7, 14, 30, 60, 90)

    def _blocks(self, available: GraphColumns, steps: tuple[str, ...]) -> Sequence[Tensor]:
        return [self._recent(available, steps).slope()]


class Rolling(_OverWindows):
    """Statistics of the last W steps, named <step>_<statistic>_<window>.

    - mean, and median: the mean of the two middle values of an even number,
    - std: of the population,
    - cv: std / |mean|; 0 where nothing varies, missing where the mean alone is 0,
    - skew: m3 / m2^(3/2), and kurtosis: m4 / m2^2 - 3; both 0 where nothing varies. These are g1 and g2 of Joanes and
      Gill, Comparing Measures of Sample Skewness and Kurtosis (The Statistician 47, 1998).
    """

    kind: Literal["rolling"]
    windows: Widths = (7, 14, 30, 60, 90, 180)
    statistics: tuple[Statistic, ...] = Field(default=("mean", "median", "std", "cv", "skew", "kurtosis"), min_length=1)

    @property
    def measures(self) -> tuple[str, ...]:
        """The statistics."""
        return self.statistics

    def _blocks(self, available: GraphColumns, steps: tuple[str, ...]) -> Sequence[Tensor]:
        window = self._recent(available, steps)
        return [STATISTICS[statistic](window) for statistic in self.statistics]


class Lag(Transformer):
    """The value ``lags`` steps before the newest one; missing where the history is shorter or the value is missing."""

    over_steps: ClassVar[bool] = True

    kind: Literal["lag"]
    steps: tuple[FeatureName, ...] = ()
    lags: tuple[Annotated[int, Field(ge=0, lt=MAX_SEQUENCE_LENGTH)], ...] = Field(default=(1, 7, 14, 30), min_length=1)

    def fit(self, context: FitContext) -> FittedStep:
        """Fits nothing."""
        steps = context.steps(self.steps)
        names = [f"{step}_lag_{lag}" for step in steps for lag in self.lags]

        def nodes(available: GraphColumns) -> Tensor:
            at = Recent.at(available, steps, self.lags)
            return at.known.where(at.values, np.nan).apply("Flatten", axis=1)

        return FittedStep(numbers(names), nodes)


def _cv(window: Windowed) -> Tensor:
    deviation, size = window.std(), abs(window.mean())
    defined = size.equal(0).where(np.nan, deviation / size.equal(0).where(1, size))
    return deviation.equal(0).where(0, defined)


STATISTICS: Mapping[str, Callable[[Windowed], Tensor]] = {
    "mean": Windowed.mean,
    "median": Windowed.median,
    "std": Windowed.std,
    "cv": _cv,
    "skew": Windowed.skewness,
    "kurtosis": Windowed.kurtosis,
}
