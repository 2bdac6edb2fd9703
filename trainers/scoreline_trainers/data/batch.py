"""Rows as a graph takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N rows in the standard graph signature; at least one of ``features``, ``sequence`` and ``neighbors`` is there.

    Attributes:
        features: float32 [N, F], numbers as they are, categories as codes, NaN where missing.
        sequence: float32 [N, T, S], oldest step first; what stands after a row's length is padding of any value.
        lengths: int64 [N], how many of the T steps count, at least 1. Set exactly where ``sequence`` is.
        neighbors: float32 [N, K, G]; what stands where the mask is False is padding of any value.
        neighbor_mask: bool [N, K], True where a neighbour is; a row may have none. Set exactly where ``neighbors`` is.

    Raises:
        ValueError: shapes or dtypes that the signature does not have.
    """

    features: Float32 | None = None
    sequence: Float32 | None = None
    lengths: Int64 | None = None
    neighbors: Float32 | None = None
    neighbor_mask: Bools | None = None

    def __post_init__(self) -> None:
        if self.features is None and self.sequence is None and self.neighbors is None:
            raise ValueError("a batch has features, a sequence, neighbors or several of them")
        if (self.sequence is None) != (self.lengths is None):
            raise ValueError("a sequence and its lengths come together")
        if (self.neighbors is None) != (self.neighbor_mask is None):
            raise ValueError("neighbors and their mask come together")
        _check("features", self.features, np.float32, 2)
        _check("sequence", self.sequence, np.float32, 3)
        _check("lengths", self.lengths, np.int64, 1)
        _check("neighbors", self.neighbors, np.float32, 3)
        _check("neighbor_mask", self.neighbor_mask, np.bool_, 2)
        if len({len(array) for array in self.feeds().values()}) != 1:
            raise ValueError("the parts of a batch have different numbers of rows")
        if self.sequence is not None and not _within(self.lengths, self.sequence.shape[1]):
            raise ValueError("lengths run from 1 to the sequence's T")
        if self.neighbors is not None and self.neighbors.shape[:2] != self.neighborhood[1].shape:
            raise ValueError("neighbors and their mask have the same K")

    def __len__(self) -> int:
        return len(next(iter(self.feeds().values())))

    @property
    def table(self) -> Float32:
        """``features``, for models that cannot do without. Raises ValueError where there are none."""
        if self.features is None:
            raise ValueError("this model takes features, and the batch has none")
        return self.features

    @property
    def history(self) -> tuple[Float32, Int64]:
        """``sequence`` and ``lengths``, for models that cannot do without. Raises ValueError where there are none."""
        if self.sequence is None or self.lengths is None:
            raise ValueError("this model takes a sequence, and the batch has none")
        return self.sequence, self.lengths

    @property
    def neighborhood(self) -> tuple[Float32, Bools]:
        """``neighbors`` and ``neighbor_mask``, for models that need them. Raises ValueError where there are none."""
        if self.neighbors is None or self.neighbor_mask is None:
            raise ValueError("this model takes neighbors, and the batch has none")
        return self.neighbors, self.neighbor_mask

    def feeds(self) -> Mapping[str, npt.NDArray[Any]]:
        """The arrays that are there by the name of the graph input they feed."""
        names = ("features", "sequence", "lengths", "neighbors", "neighbor_mask")
        return {name: array for name in names if (array := getattr(self, name)) is not None}

    def take(self, rows: Rows | slice) -> "Batch":
        """The given rows, in the given order; T and K stay."""
        return Batch(**{name: array[rows] for name, array in self.feeds().items()})

    def replace(self, **parts: npt.NDArray[Any]) -> "Batch":
        """The same rows with some parts exchanged."""
        return Batch(**{**self.feeds(), **parts})


def _within(lengths: Int64 | None, steps: int) -> bool:
    return lengths is None or not len(lengths) or (int(lengths.min()) >= 1 and int(lengths.max()) <= steps)


def _check(name: str, array: npt.NDArray[Any] | None, dtype: type[np.generic], rank: int) -> None:
    if array is not None and (array.dtype != dtype or array.ndim != rank):
        raise ValueError(
            f"{name} is {np.dtype(dtype).name} of rank {rank}, not {array.dtype.name} of rank {array.ndim}"
        )


def concatenate(batches: "list[Batch]") -> Batch:
    """All rows of batches that have the same parts, T and K, one after another."""
    parts = batches[0].feeds().keys()
    return Batch(**{part: np.concatenate([batch.feeds()[part] for batch in batches]) for part in parts})
