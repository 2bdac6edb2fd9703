"""Shapley values of one leaf: the game that decision trees are sums of.

A row x and a reference row z are mixed: the sources in a coalition come from x, all others from z. A leaf of value v is
reached exactly where no source in the coalition fails one of the leaf's tests with x's value and no other source fails
one with z's. With P the sources that only z fails and Q those that only x fails, p and q of them, and where no source
fails with both, the Shapley value of the game is

    v (p - 1)! q! / (p + q)!    for a source in P,    -v p! (q - 1)! / (p + q)!    for a source in Q,

and 0 for all others. The interaction index of a pair is v (p - 2)! q! / (p + q - 1)! for two of P,
v p! (q - 2)! / (p + q - 1)! for two of Q and -v (p - 1)! (q - 1)! / (p + q - 1)! for one of each.

Sources: Lundberg et al., From local explanations to global understanding with explainable AI for trees (Nature Machine
Intelligence 2, 2020), interventional TreeSHAP; Nadel and Wettenstein, From decision trees to Boolean logic: a fast and
unified SHAP algorithm (arXiv:2511.09376); Grabisch and Roubens, An axiomatic approach to the concept of interaction
among players in cooperative games (1999).

Rows are given by their masks: bit k is set where the leaf's source k fails.
"""

from functools import lru_cache
from math import factorial

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.trees import Float64

Masks = npt.NDArray[np.uint64]

MOST_SOURCES = 64
"""Different sources on one path from a root to a leaf: a mask has a bit for each."""


def leaf_values(rows: Masks, reference: Masks, counts: Float64, sources: int) -> Float64:
    """The mean Shapley values of a leaf of value 1: float64 [M, sources].

    Args:
        rows: uint64 [M].
        reference: uint64 [U], without repetitions.
        counts: float64 [U], share of the reference rows with each mask.
        sources: how many bits count.
    """
    gain, loss, row_bits, reference_bits = _terms(rows, reference, counts, sources)
    values: Float64 = gain @ reference_bits - loss.sum(axis=1, keepdims=True) * row_bits
    return values


def leaf_interactions(rows: Masks, reference: Masks, counts: Float64, sources: int) -> Float64:
    """The mean interaction indices of a leaf of value 1: float64 [M, sources, sources], 0 on the diagonal."""
    alive = ((rows[:, None] & reference) == 0) * counts
    failed, passed = np.bitwise_count(rows), np.bitwise_count(reference)
    both_p, both_q, mixed = (table[passed, failed[:, None]] * alive for table in _pair_weights(sources))
    row_bits, reference_bits = _bits(rows, sources), _bits(reference, sources)
    pairs: Float64 = (both_p[:, None, :] * reference_bits.T) @ reference_bits
    pairs += both_q.sum(axis=1)[:, None, None] * row_bits[:, :, None] * row_bits[:, None]
    crossed = (mixed @ reference_bits)[:, :, None] * row_bits[:, None]
    pairs -= crossed + crossed.transpose(0, 2, 1)
    pairs[:, np.arange(sources), np.arange(sources)] = 0
    return pairs


@lru_cache
def gains_and_losses(sources: int) -> tuple[Float64, Float64]:
    """(p - 1)! q! / (p + q)! and p! (q - 1)! / (p + q)!, by p and q up to ``sources``; 0 where p or q is 0."""
    gains = np.zeros((sources + 1, sources + 1))
    for p in range(1, sources + 1):
        for q in range(sources + 1):
            gains[p, q] = factorial(p - 1) * factorial(q) / factorial(p + q)
    return gains, gains.T.copy()


@lru_cache
def _pair_weights(sources: int) -> tuple[Float64, Float64, Float64]:
    both, mixed = np.zeros((2, sources + 1, sources + 1))
    for p in range(1, sources + 1):
        for q in range(sources + 1):
            below = factorial(p + q - 1)
            both[p, q] = factorial(p - 2) * factorial(q) / below if p > 1 else 0
            mixed[p, q] = factorial(p - 1) * factorial(q - 1) / below if q else 0
    return both, both.T.copy(), mixed


def _terms(rows: Masks, reference: Masks, counts: Float64, sources: int) -> tuple[Float64, Float64, Float64, Float64]:
    alive = ((rows[:, None] & reference) == 0) * counts
    only_row, only_reference = np.bitwise_count(rows)[:, None], np.bitwise_count(reference)
    gains, losses = gains_and_losses(sources)
    gain, loss = gains[only_reference, only_row] * alive, losses[only_reference, only_row] * alive
    return gain, loss, _bits(rows, sources), _bits(reference, sources)


def _bits(masks: Masks, sources: int) -> Float64:
    """float64 [M, sources], 0 or 1."""
    return (masks[:, None] >> np.arange(sources, dtype=np.uint64) & np.uint64(1)).astype(np.float64)
