"""Columns from columns: ratios, crosses, bins, logarithms, limits, gaps filled, scales and one-hot.

A missing value stays missing unless an entry says otherwise. What is fitted comes from training rows alone.
"""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from scoreline_registry.documents.contract import Feature, FeatureName
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.engineering.base import FitContext, FittedStep, GraphColumns, Transformer, numbers, quantiles
from scoreline_trainers.graph.tensor import Tensor, concat

Names = tuple[FeatureName, ...]


class Ratio(Transformer):
    """``numerator / denominator``; ``zero`` where the denominator is 0, whatever the numerator, 0/0 too."""

    kind: Literal["ratio"]
    numerator: FeatureName
    denominator: FeatureName
    name: FeatureName | None = None
    zero: float = 0.0

    def fit(self, context: FitContext) -> FittedStep:
        """Fits nothing."""
        both = (self.numerator, self.denominator)
        context.check_numbers(both)

        def nodes(available: GraphColumns) -> Tensor:
            above, below = available.numbers(both[:1]), available.numbers(both[1:])
            defined = above / below.equal(0).where(1, below)
            # 0 * numerator keeps a missing numerator missing.
            return below.equal(0).where(above * 0 + self.zero, defined)

        return FittedStep(numbers([self.name or f"{self.numerator}_per_{self.denominator}"]), nodes)


class Cross(Transformer):
    """Two numbers: their product. Two categories: the pair as a category, named "a & b".

    A pair is missing where either category is, and "other" where either is.
    """

    kind: Literal["cross"]
    columns: tuple[FeatureName, FeatureName]
    name: FeatureName | None = None

    def fit(self, context: FitContext) -> FittedStep:
        """Fits nothing: a pair's vocabulary is every pair of names."""
        name = self.name or "_x_".join(self.columns)
        if context.feature(self.columns[0]).kind == "number":
            context.check_numbers(self.columns)
            return FittedStep(numbers([name]), self._product)
        first, second = (context.category(column).vocabulary for column in self.columns)
        pairs = tuple(f"{a} & {b}" for a in first for b in second)

        def nodes(available: GraphColumns) -> Tensor:
            a, b = (available.numbers([column]) for column in self.columns)
            other = (a >= len(first)).cast() + (b >= len(second)).cast() > 0
            return (a + b).isnan().where(np.nan, other.where(len(pairs), a * len(second) + b))

        return FittedStep((Feature(name=name, kind="category", vocabulary=pairs),), nodes)

    def _product(self, available: GraphColumns) -> Tensor:
        return available.numbers(self.columns[:1]) * available.numbers(self.columns[1:])


class Bins(Transformer):
    """The number of edges that are not above the value: 0 below the first edge, k from the k-th on.

    Give ``edges``, ascending, or ``count``: then the edges are the training rows' quantiles at 1/count, 2/count, ...;
    equal ones become one.
    """

    kind: Literal["bins"]
    column: FeatureName
    name: FeatureName | None = None
    edges: tuple[float, ...] = ()
    count: int | None = Field(default=None, ge=2, le=1000)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.edges) == (self.count is not None):
            raise ValueError("give either 'edges' or 'count'")
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("'edges' ascend, each once")
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits the edges where only their number is given."""
        edges = np.asarray(self.edges) if self.count is None else self._quantile_edges(context, self.count)
        context.check_numbers([self.column])
        return FittedStep(
            numbers([self.name or f"{self.column}_bin"]),
            lambda available: counted(available.numbers([self.column]), edges),
        )

    def _quantile_edges(self, context: FitContext, count: int) -> Float64:
        return np.unique(quantiles(context.numbers([self.column])[:, 0], np.arange(1, count) / count))


class Log1p(Transformer):
    """``sign(x) * ln(1 + |x|)``, so that negative amounts have a logarithm too.

    Computed as Goldberg does (What Every Computer Scientist Should Know About Floating-Point Arithmetic, theorem 4),
    exact for tiny values.
    """

    kind: Literal["log1p"]
    columns: Names = Field(min_length=1)

    def fit(self, context: FitContext) -> FittedStep:
        """Fits nothing."""
        context.check_numbers(self.columns)

        def nodes(available: GraphColumns) -> Tensor:
            values = available.numbers(self.columns)
            return values.apply("Sign") * log1p(abs(values))

        return FittedStep(numbers([f"{column}_log1p" for column in self.columns]), nodes)


class Clip(Transformer):
    """The value moved into [low, high]; or into the training rows' quantiles ``shares``, low and high."""

    kind: Literal["clip"]
    columns: Names = Field(min_length=1)
    low: float | None = None
    high: float | None = None
    shares: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = self.low is not None or self.high is not None
        if given == (self.shares is not None):
            raise ValueError("give 'low', 'high' or both, or else 'shares'")
        low, high = self.shares or (self.low, self.high)
        if low is not None and high is not None and low > high:
            raise ValueError("low is above high")
        if self.shares is not None and not 0 <= self.shares[0] <= self.shares[1] <= 1:
            raise ValueError("'shares' are two from 0 to 1")
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits the limits where shares are given."""
        values = context.numbers(self.columns)
        low, high = self._limits(values)

        def nodes(available: GraphColumns) -> Tensor:
            given = available.numbers(self.columns)
            # Max and Min pass NaN on.
            return given.maximum(low).minimum(high)

        return FittedStep(numbers([f"{column}_clipped" for column in self.columns]), nodes)

    def _limits(self, values: Float64) -> tuple[Float64, Float64]:
        if self.shares is not None:
            low, high = np.array([quantiles(column, self.shares) for column in values.T]).T
            return low, high
        width = values.shape[1]
        low = np.full(width, -np.inf if self.low is None else self.low)
        return low, np.full(width, np.inf if self.high is None else self.high)


class Impute(Transformer):
    """A missing value becomes the training rows' median, 0 where none is known, or ``value``.

    ``flag`` adds a column that is 1 where the value was missing, else 0.
    """

    kind: Literal["impute"]
    columns: Names = Field(min_length=1)
    by: Literal["median", "constant"] = "median"
    value: float | None = None
    flag: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.by == "constant") != (self.value is not None):
            raise ValueError("'value' goes with by: constant")
        return self

    def fit(self, context: FitContext) -> FittedStep:
        """Fits the medians."""
        values = context.numbers(self.columns)
        medians = [quantiles(column, [0.5])[0] for column in values.T]
        fill = np.array(medians) if self.value is None else np.full(len(self.columns), self.value)
        names = [f"{column}_imputed" for column in self.columns]
        flags = [f"{column}_missing" for column in self.columns] if self.flag else []

        def nodes(available: GraphColumns) -> Tensor:
            given = available.numbers(self.columns)
            filled = given.isnan().where(fill, given)
            return filled.concat(given.isnan().cast()) if self.flag else filled

        return FittedStep(numbers(names + flags), nodes)


class Scale(Transformer):
    """``(x - centre) / scale`` with, from the training rows:

    - standard: mean and population standard deviation,
    - min_max: minimum and range, so that training rows come to [0, 1],
    - robust: median and interquartile range.

    A column that does not vary by that measure is only centred.
    """

    kind: Literal["scale"]
    columns: Names = Field(min_length=1)
    by: Literal["standard", "min_max", "robust"] = "standard"

    def fit(self, context: FitContext) -> FittedStep:
        """Fits centres and scales."""
        values = context.numbers(self.columns)
        centre, scale = np.array([self._measure(column[~np.isnan(column)]) for column in values.T]).T
        centre, divisor = np.asarray(centre), np.where(scale > 0, scale, 1.0)

        def nodes(available: GraphColumns) -> Tensor:
            return (available.numbers(self.columns) - centre) / divisor

        return FittedStep(numbers([f"{column}_scaled" for column in self.columns]), nodes)

    def _measure(self, values: Float64) -> tuple[float, float]:
        if not len(values):
            return 0.0, 0.0
        if self.by == "standard":
            # The mean of equal numbers may round, and would leave a deviation of almost zero.
            return float(values.mean()), float(values.std()) if values.min() < values.max() else 0.0
        shares = (0, 0, 1) if self.by == "min_max" else (0.5, 0.25, 0.75)
        centre, low, high = quantiles(values, shares)
        return float(centre), float(high - low)


class OneHot(Transformer):
    """A category as one 0/1 column per name and one for other names; all are 0 where it is missing."""

    kind: Literal["one_hot"]
    columns: Names = Field(min_length=1)

    def fit(self, context: FitContext) -> FittedStep:
        """Fits nothing: the vocabulary is the contract's."""
        features = [context.category(column) for column in self.columns]
        names = [
            name
            for feature in features
            for name in (*(f"{feature.name}={name}" for name in feature.vocabulary), f"{feature.name} other")
        ]

        def nodes(available: GraphColumns) -> Tensor:
            return concat([_one_hot(available.numbers([each.name]), len(each.vocabulary)) for each in features])

        return FittedStep(numbers(names), nodes)


def counted(values: Tensor, edges: Float64) -> Tensor:
    """double [N, 1] -> [N, 1]: how many of the edges are not above the value; NaN for NaN."""
    count = (values >= edges).cast().sum(1).unsqueeze(1)
    return values.isnan().where(np.nan, count)


def log1p(values: Tensor) -> Tensor:
    """ln(1 + x) of double x >= 0."""
    above = values + 1
    # Where 1 + x rounds to 1, the logarithm is x itself.
    tiny = above.equal(1)
    return tiny.where(values, above.apply("Log") * values / tiny.where(1, above - 1))


def _one_hot(codes: Tensor, size: int) -> Tensor:
    return codes.minimum(size).equal(np.arange(size + 1)).cast()
