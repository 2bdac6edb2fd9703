"""An array that grows part by part in one piece of memory."""

from typing import Any

import numpy as np
import numpy.typing as npt

_LEAST = 1 << 16


class GrowingArray:
    """One array, appended to.

    A list of parts would leave as many holes when it is joined, which the next large array does not fit into: at ten
    million rows that costs as much memory again. Growing in place moves pages instead of copying them.
    """

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._data: npt.NDArray[Any] = np.zeros(0, dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, values: npt.NDArray[Any]) -> None:
        """Appends values [N], cast to the array's type."""
        end = self._count + len(values)
        if end > len(self._data):
            self._data.resize(max(_LEAST, end, len(self._data) * 17 // 16), refcheck=False)
        self._data[self._count : end] = values
        self._count = end

    def taken(self) -> npt.NDArray[Any]:
        """The array; this one is empty afterwards."""
        data, self._data = self._data, self._data[:0].copy()
        data.resize(self._count, refcheck=False)
        self._count = 0
        return data
