"""The bootstrap: standard errors of figures from rows, or whole units, drawn with replacement.

Efron, Annals of Statistics 7 (1979); Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8,
for units with several rows. A draw is the count of each row in it, so that a figure of weighted rows gives its value in
every draw at once, without copying rows.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from scoreline_trainers.data.batch import Float64, Int64

DRAWS = 200

_CELLS = 250_000
"""Counts that are held at a time: 2 MB, which stay in a processor's cache."""

_MOST_CELLS = 20_000_000
"""Draws times rows. Larger tables get fewer draws: their intervals are narrow."""

_FEWEST_DRAWS = 50

Statistic = Callable[[Float64], Mapping[str, Float64]]
"""Takes counts [B, N] of N rows in B draws, gives figures [B] by name."""


def standard_errors(
    statistic: Statistic, rows: int, *, units: Int64 | None = None, draws: int = DRAWS, seed: int = 0
) -> dict[str, float]:
    """The standard deviation of each figure over the draws; NaN where fewer than two draws give it."""
    if draws < 2 or rows < 2:
        return {}
    blocks = [statistic(counts) for counts in draw_counts(rows, units=units, draws=draws, seed=seed)]
    return {name: _deviation(np.concatenate([block[name] for block in blocks])) for name in blocks[0]}


def draw_counts(rows: int, *, units: Int64 | None = None, draws: int = DRAWS, seed: int = 0) -> Iterator[Float64]:
    """Blocks of counts float64 [B, N]: how often each row is in each of ``draws`` draws of as many units as there are.

    There are as many draws as are ``affordable``.
    """
    numbers = np.arange(rows) if units is None else np.unique(units, return_inverse=True)[1]
    drawn = int(numbers.max()) + 1
    draws = affordable(draws, rows)
    draw = np.random.default_rng(seed)
    block = max(1, _CELLS // rows)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        chosen = draw.integers(0, drawn, (size, drawn)) + drawn * np.arange(size)[:, None]
        counts = np.bincount(chosen.ravel(), minlength=size * drawn).reshape(size, drawn).astype(np.float64)
        yield counts if units is None else counts[:, numbers]


def affordable(draws: int, rows: int) -> int:
    """``draws``, or fewer above 100,000 rows, but at least 50."""
    return min(draws, max(_FEWEST_DRAWS, _MOST_CELLS // rows))


def _deviation(values: Float64) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
