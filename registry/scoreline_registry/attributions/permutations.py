"""Sampled Shapley values of any function: antithetic permutations against single reference rows.

Each pair of walks draws a reference row and an order of the sources. One walk turns the reference row into the other
row source by source in that order, the other in the reverse order; what a source changes when its turn comes is a draw
of its Shapley value. One pair is exact for functions whose interactions have order two at most.

Sources: Castro, Gómez and Tejada, Polynomial calculation of the Shapley value based on sampling (Computers and
Operations Research 36, 2009); Mitchell et al., Sampling permutations for Shapley value estimation (JMLR 23, 2022).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.trees import Bools, Float64

Indices = npt.NDArray[np.intp]

Mixture = Callable[[Indices, Indices, Bools], Float64]
"""(explained row, reference row, bool [M, players]: which sources are the explained row's) -> margins float64 [M]."""

_AT_ONCE = 4096


class Sampled(NamedTuple):
    """Shapley values of rows with their standard errors, float64 [N, players] both."""

    values: Float64
    errors: Float64


def sampled_values(
    mixture: Mixture, margins: Float64, reference_margins: Float64, *, players: int, pairs: int, seed: int = 0
) -> Sampled:
    """The values of each row; they total its margin minus the mean margin of the whole reference.

    Where the drawn reference rows have another mean than all, the difference is shared by the sources in proportion to
    the variances of their values.

    Args:
        mixture: what is explained.
        margins: float64 [N], of the rows.
        reference_margins: float64 [B].
        players: how many sources there are, at least one.
        pairs: of walks for each row, at least two.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    rows, base = len(margins), float(reference_margins.mean())
    draws = np.zeros((rows, pairs, players))
    drawn = np.stack([draw.permutation(len(reference_margins)) for _ in range(rows)]) if rows else np.zeros((0, 1), int)
    for pair in range(pairs):
        reference = drawn[:, pair % drawn.shape[1]]
        orders = np.argsort(draw.random((rows, players)), axis=1)
        ends = reference_margins[reference], margins
        for order in (orders, orders[:, ::-1]):
            draws[:, pair] += _walk(mixture, order, reference, ends) / 2
    return _settled(draws, margins - base)


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """Antithetic walks that are drawn once and taken by every row, so that equal rows get equal values.

    Attributes:
        order: [2 pairs, players], the second half the reverse of the first.
        reference: [2 pairs], the reference row of each.
        rows: how many reference rows there are.
    """

    order: Indices
    reference: Indices
    rows: int

    @classmethod
    def drawn(cls, players: int, rows: int, *, pairs: int, seed: int = 0) -> "Walks":
        """Draws at least two pairs; each takes another reference row while there are enough."""
        draw = np.random.default_rng(seed)
        order = np.argsort(draw.random((pairs, players)), axis=1)
        reference = draw.permutation(rows)[np.arange(pairs) % rows]
        return cls(np.concatenate([order, order[:, ::-1]]), np.tile(reference, 2), rows)

    @property
    def evaluations(self) -> int:
        """Mixtures that one row takes."""
        walks, players = self.order.shape
        return int(walks * (players - 1))

    def values(self, mixture: Mixture, margins: Float64, reference_margins: Float64) -> Sampled:
        """The values of N rows, as ``sampled_values`` gives them."""
        walks, players = self.order.shape
        rank = np.argsort(self.order, axis=1)
        chosen = (rank[:, None, :] < np.arange(1, players)[:, None]).reshape(-1, players)
        reference = np.repeat(self.reference, players - 1)
        draws = np.zeros((len(margins), walks // 2, players))
        for row, margin in enumerate(margins.tolist()):
            between = _in_parts(mixture, np.full(len(chosen), row), reference, chosen).reshape(walks, players - 1)
            ends = reference_margins[self.reference], np.full(walks, margin)
            steps = np.diff(np.column_stack([ends[0], between, ends[1]]), axis=1)
            draws[row] = np.take_along_axis(steps, rank, axis=1).reshape(2, -1, players).mean(axis=0)
        return _settled(draws, margins - reference_margins.mean())


def _settled(draws: Float64, distances: Float64) -> Sampled:
    """The means of draws [N, pairs, players] and their standard errors, moved so that they total the distances [N]."""
    values = draws.mean(axis=1)
    variance = draws.var(axis=1, ddof=1) / draws.shape[1]
    rest = distances - values.sum(axis=1)
    return Sampled(values + _shares(variance) * rest[:, None], np.sqrt(variance))


def _walk(mixture: Mixture, order: Indices, reference: Indices, ends: tuple[Float64, Float64]) -> Float64:
    """float64 [N, players]: what each source changed when its turn came."""
    rows, players = order.shape
    rank = np.argsort(order, axis=1)
    chosen = rank[:, None, :] < np.arange(1, players)[:, None]
    between = _in_parts(
        mixture,
        np.repeat(np.arange(rows), players - 1),
        np.repeat(reference, players - 1),
        chosen.reshape(-1, players),
    ).reshape(rows, players - 1)
    steps = np.diff(np.column_stack([ends[0], between, ends[1]]), axis=1)
    changes: Float64 = np.take_along_axis(steps, rank, axis=1)
    return changes


def _in_parts(mixture: Mixture, rows: Indices, reference: Indices, chosen: Bools) -> Float64:
    parts = [slice(start, start + _AT_ONCE) for start in range(0, len(rows), _AT_ONCE)]
    margins = [mixture(rows[part], reference[part], chosen[part]) for part in parts]
    return np.concatenate(margins) if margins else np.zeros(0)


def _shares(variance: Float64) -> Float64:
    """Rows that total 1: in proportion to the variances, or equal where there are none."""
    total = variance.sum(axis=1, keepdims=True)
    equal = np.full_like(variance, 1 / variance.shape[1])
    shares: Float64 = np.divide(variance, total, out=equal, where=total > 0)
    return shares
