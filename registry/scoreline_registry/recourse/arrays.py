"""The arrays of recourse, and float32 next to a number."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Bools: TypeAlias = npt.NDArray[np.bool_]
Float32: TypeAlias = npt.NDArray[np.float32]
Float64: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]
Choices: TypeAlias = npt.NDArray[np.int32]
"""int32 [N, levers]: the index of each lever's new value, -1 where it stays as it is."""

Score: TypeAlias = Callable[[Float32], npt.NDArray[np.floating]]
"""The scores [N] of rows float32 [N, F] as a model takes them."""


def not_below(value: float) -> np.float32:
    """The smallest float32 that is not below a number."""
    near = _nearest(value)
    return near if float(near) >= value else np.nextafter(near, np.float32(np.inf))


def not_above(value: float) -> np.float32:
    """The largest float32 that is not above a number."""
    near = _nearest(value)
    return near if float(near) <= value else np.nextafter(near, np.float32(-np.inf))


def _nearest(value: float) -> np.float32:
    with np.errstate(over="ignore"):
        return np.float32(value)


def narrowed(values: Float64) -> Float32:
    """Numbers as float32; what is beyond it becomes infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
