"""Scores of the prefixes of histories: what the model said some steps before the end."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scoreline_trainers.data.batch import Batch, Float64

Predict = Callable[[Batch], Float64]

_BLOCK = 20_000


def prefix_scores(predict: Predict, batch: Batch, *, window: int) -> Float64:
    """float64 [N, window]: column k is each row's score k steps before the end of its history, NaN before its start.

    Features stay those of the end of the history: only steps are taken away. ``batch`` has a sequence.
    """
    if batch.lengths is None:
        raise ValueError("lead time needs rows with a sequence")
    rows = len(batch.lengths)
    found = np.full((rows, window), np.nan)
    for back in range(window):
        left = np.flatnonzero(batch.lengths > back)
        for start in range(0, len(left), _BLOCK):
            part = left[start : start + _BLOCK]
            earlier = batch.take(part)
            lengths = batch.lengths[part] - back
            found[part, back] = predict(replace(earlier, lengths=lengths))
    return found
