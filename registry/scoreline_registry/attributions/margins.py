"""The margins of scores: what contributions add up to."""

from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.reason_file import Link
from scoreline_registry.attributions.trees import Float64

# The resolution of a float32 below 1: beyond it a probability has no finite log odds.
_EDGE = 2.0**-25


def margins_of(scores: npt.NDArray[Any], link: Link) -> Float64:
    """float64 [N]: the log odds of scores that are probabilities, moved away from 0 and 1, or the scores themselves."""
    exact: Float64 = scores.astype(np.float64)
    if link == "identity":
        return exact
    p = np.clip(exact, _EDGE, 1 - _EDGE)
    return np.log(p / (1 - p))


def resolution(scores: npt.NDArray[Any], link: Link) -> Float64:
    """float64 [N]: how far the margin of a float32 score can be from the margin that it was computed from.

    ONNX Runtime's sigmoid has an absolute error of about 1e-7, which is much in log odds where a score is near 0 or 1.
    """
    exact: Float64 = scores.astype(np.float64)
    if link == "identity":
        return 1e-4 * np.maximum(1, np.abs(exact))
    p = np.clip(exact, _EDGE, 1 - _EDGE)
    return 1e-4 + 1e-6 / (p * (1 - p))
