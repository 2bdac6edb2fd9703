"""Sampled Shapley values of any function: antithetic permutations against single reference rows.

Each pair of walks draws a reference row and an order of the sources. One walk turns the reference row into the other
row source by source in that order, the other in the reverse order; what a source changes when its turn comes is a draw
of its Shapley value. One pair is exact for functions whose interactions have order two at most.

Sources: Castro, Gómez and Tejada, Polynomial calculation of the Shapley value based on sampling (Computers and
Operations Research 36, 2009); Mitchell et al., Sampling permutations for Shapley value estimation (JMLR 23, 2022).
"""

from collections.abc import Callable
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
    values = draws.mean(axis=1)
    variance = draws.var(axis=1, ddof=1) / pairs
    rest = margins - base - values.sum(axis=1)
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
