"""Three anomaly detectors over a decorrelated view of a row's numbers.

Everything is computed in double, natively and as nodes, so that no row is flagged by one side only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest as Forest
from threadpoolctl import threadpool_limits

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Batch, Bools, Float64
from scoreline_trainers.families.anomaly.isolation_forest import FittedIsolationForest
from scoreline_trainers.families.trees.tree_columns import TreeColumns
from scoreline_trainers.graph.tensor import Tensor

# Added to every variance, so that a change in a column that never varied is not infinitely unusual.
_RIDGE = 1e-4
# The least limit of a detector: where all rows are alike, every distance is 0.
_LEAST = 1e-6
# Where an anomaly score is cut: beyond, a float32 could not tell it to 1e-5.
LIMIT = 100.0
# Measures that differ by less are one, for a graph may be 1e-4 off; a limit is moved up by no more than a hundredth.
_TIE, _GAP = 1e-3, 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """K numbers less what the categories explain, decorrelated and with variance 1; missing values count as usual.

    Every number is in it twice, as it is and as sign(r) ln(1 + |r|) of the robust r = (x - centre) / spread: sums
    of numbers hold on the one scale, products on the other, and there heavy tails do not hide a small move.

    Attributes:
        centre, spread: float64 [K], the median and half the interquartile range.
        slopes, intercept: float64 [C, 2K] and [2K], of a ridge regression on the C one-hot columns.
        whitening: float64 [2K, 2K].
    """

    centre: Float64
    spread: Float64
    slopes: Float64
    intercept: Float64
    whitening: Float64

    @classmethod
    def fit(cls, numbers: Float64, known: Bools, given: Float64) -> Self:
        """Fits on what ``apply`` takes."""
        low, centre, high = np.quantile(numbers, (0.25, 0.5, 0.75), axis=0)
        spread = np.where(high > low, (high - low) / 2, 1.0)
        values = _on_both_scales(numbers, centre, spread)
        middle, base = given.mean(axis=0), values.mean(axis=0)
        apart = given - middle
        square = apart.T @ apart + _RIDGE * len(values) * np.eye(given.shape[1])
        slopes = np.linalg.solve(square, apart.T @ (values - base))
        left = (values - base - apart @ slopes) * np.tile(known, 2)
        variances, directions = np.linalg.eigh(left.T @ left / len(left))
        whitening = directions / np.sqrt(variances.clip(0) + _RIDGE)
        return cls(centre, spread, slopes, base - middle @ slopes, whitening)

    def apply(self, numbers: Float64, known: Bools, given: Float64) -> Float64:
        """float64 [N, 2K].

        Args:
            numbers: float64 [N, K], standardised, gaps filled.
            known: bool [N, K], False where a number was missing.
            given: float64 [N, C], the one-hot categories.
        """
        values = _on_both_scales(numbers, self.centre, self.spread)
        left = (values - given @ self.slopes - self.intercept) * np.tile(known, 2)
        seen: Float64 = left @ self.whitening
        return seen

    def nodes(self, numbers: Tensor, known: Tensor, given: Tensor | None) -> Tensor:
        """Graph nodes of ``apply``; ``given`` is None where there are no categories."""
        robust = (numbers - self.centre) / self.spread
        logarithm = robust.apply("Sign") * (abs(robust) + 1).apply("Log")
        left = numbers.concat(logarithm) - self.intercept
        if given is not None:
            left = left - given @ self.slopes
        return (left * known.concat(known).cast()) @ self.whitening


class Detector(Protocol):
    """A measure of anomaly, 0 or above; higher is more unusual."""

    @property
    def name(self) -> str:
        """A short description."""

    def apply(self, view: Float64) -> Float64:
        """float64 [N, K] -> [N]."""

    def nodes(self, view: Tensor) -> Tensor:
        """``apply`` as graph nodes: double [N, K] -> [N]."""


@dataclass(frozen=True, slots=True)
class Statistical:
    """Mahalanobis distance: in a view of variance 1, the distance from its middle."""

    name: str = "statistical"

    def apply(self, view: Float64) -> Float64:
        """float64 [N, K] -> [N]."""
        distance: Float64 = np.sqrt((view * view).sum(axis=1))
        return distance

    def nodes(self, view: Tensor) -> Tensor:
        """``apply`` as graph nodes."""
        return (view * view).sum().apply("Sqrt")


@dataclass(frozen=True, slots=True, eq=False)
class Distance:
    """Distance to the nearest of P prototypes, float64 [P, K]: the centres of clusters of training rows."""

    prototypes: Float64
    name: str = "distance"

    @classmethod
    def fit(cls, view: Float64, *, prototypes: int, seed: int) -> Self:
        """Fits the prototypes by k-means."""
        # On several threads the order of sums, and so the last digits, would change from run to run.
        with threadpool_limits(limits=1):
            means = KMeans(min(prototypes, len(np.unique(view, axis=0))), n_init=1, random_state=seed).fit(view)
        return cls(np.asarray(means.cluster_centers_, np.float64))

    def apply(self, view: Float64) -> Float64:
        """float64 [N, K] -> [N]."""
        squares = (view * view).sum(axis=1)[:, None] + (self.prototypes**2).sum(axis=1)
        nearest: Float64 = np.sqrt((squares - 2 * view @ self.prototypes.T).min(axis=1).clip(0))
        return nearest

    def nodes(self, view: Tensor) -> Tensor:
        """``apply`` as graph nodes."""
        lengths: Float64 = (self.prototypes**2).sum(axis=1)
        squares = (view * view).sum(keepdims=True) + lengths
        return (squares - view @ (2 * self.prototypes.T)).min().maximum(0).apply("Sqrt")


@dataclass(frozen=True, slots=True, eq=False)
class Isolation:
    """The anomaly score of an isolation forest, see ``isolation_forest``."""

    forest: FittedIsolationForest
    name: str = "isolation"

    @classmethod
    def fit(cls, view: Float64, *, trees: int, rows: int, seed: int) -> Self:
        """Grows ``trees`` trees, each on ``rows`` rows."""
        contract = InputContract(features=tuple(Feature(name=f"view_{place}") for place in range(view.shape[1])))
        columns = TreeColumns.of(contract.features, family="gan_hardened")
        forest = Forest(n_estimators=trees, max_samples=min(rows, len(view)), random_state=seed, n_jobs=1)
        forest.fit(view.astype(np.float32))
        return cls(FittedIsolationForest(contract, columns, forest))

    def apply(self, view: Float64) -> Float64:
        """float64 [N, K] -> [N]."""
        return self.forest.predict(Batch(features=view.astype(np.float32)))

    def nodes(self, view: Tensor) -> Tensor:
        """``apply`` as graph nodes."""
        graph = view.graph
        feeds = {"features": view.cast(np.float32).name}
        outputs = graph.embed(self.forest.to_onnx(), prefix=self.name, feeds=feeds)
        return Tensor(graph, outputs[SCORE].tensor, np.float32).cast()


@dataclass(frozen=True, slots=True, eq=False)
class Alarm:
    """Detectors that share one threshold: above 1, a row is flagged.

    Attributes:
        detectors: at least one.
        limits: float64, by detector: the measure that counts as 1.
    """

    detectors: Sequence[Detector]
    limits: Float64

    @classmethod
    def fit(cls, detectors: Sequence[Detector], view: Float64, *, false_positives: float) -> Self:
        """Sets the limits so that this share of ``view``, rows that no detector was fitted on, is flagged."""
        usual = 1 - false_positives
        measures = [detector.apply(view) for detector in detectors]
        alone = np.maximum([np.quantile(measure, usual) for measure in measures], _LEAST)
        highest = np.max([measure / limit for measure, limit in zip(measures, alone, strict=True)], axis=0)
        return cls(tuple(detectors), np.maximum(alone * _between_rows(highest, usual), _LEAST))

    def apply(self, view: Float64) -> Float64:
        """float64 [N, K] -> [N], the largest measure over its limit, at most ``LIMIT``."""
        pairs = zip(self.detectors, self.limits, strict=True)
        highest: Float64 = np.max([detector.apply(view) / limit for detector, limit in pairs], axis=0)
        return highest.clip(max=LIMIT)

    def nodes(self, view: Tensor) -> Tensor:
        """``apply`` as graph nodes: double [N, K] -> [N]."""
        measures = [
            detector.nodes(view) / float(limit) for detector, limit in zip(self.detectors, self.limits, strict=True)
        ]
        return measures[0].maximum(*measures[1:]).minimum(LIMIT)


def _between_rows(measures: Float64, share: float) -> float:
    """What this share of ``measures`` is not above, in the gap behind the highest of them.

    Rows of counts and flags are often alike to the last digit. On the limit itself, rounding would flag some of them.
    """
    limit = float(np.quantile(measures, share))
    above = measures[measures > limit * (1 + _TIE)]
    middle = (limit + float(above.min())) / 2 if len(above) else np.inf
    return min(middle, limit * (1 + _GAP))


def _on_both_scales(numbers: Float64, centre: Float64, spread: Float64) -> Float64:
    robust = (numbers - centre) / spread
    return np.concatenate([numbers, np.sign(robust) * np.log(np.abs(robust) + 1)], axis=1)
