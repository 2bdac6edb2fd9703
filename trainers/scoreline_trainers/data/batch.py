"""Batches of rows in the standard graph signature, and the array types that this package shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.ragged import RAGGED_KINDS, RaggedKind
from scoreline_registry.documents.signature import SIGNATURE, GraphInput

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
RowIndices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """N rows in the standard graph signature; at least one of ``features``, ``sequence`` and ``neighbors`` is there.

    Attributes:
        features: float32 [N, F], numbers as they are, categories as codes, NaN where missing.
        sequence: float32 [N, T, S], oldest step first; after a row's length comes padding of any value.
        lengths: int64 [N], how many of the T steps count, at least 1. Set exactly where ``sequence`` is.
        neighbors: float32 [N, K, G]; where the mask is False it is padding of any value.
        neighbor_mask: bool [N, K], True where a neighbor is; a row may have none. Set exactly where ``neighbors`` is.

    Raises:
        ValueError: shapes or dtypes that the signature does not have.
    """

    features: Float32 | None = None
    sequence: Float32 | None = None
    lengths: Int64 | None = None
    neighbors: Float32 | None = None
    neighbor_mask: Bools | None = None

    def __post_init__(self) -> None:
        feeds = self.feeds()
        if not feeds:
            raise ValueError("a batch has features, a sequence, neighbors or several of them")
        for kind in RAGGED_KINDS:
            if (kind.name in feeds) != (kind.presence in feeds):
                raise ValueError(f"{kind.name} and {kind.presence} come together")
        for name, array in feeds.items():
            _check(SIGNATURE[name], array)
        if len({len(array) for array in feeds.values()}) != 1:
            raise ValueError("the parts of a batch have different numbers of rows")
        if self.sequence is not None and not _within(self.lengths, self.sequence.shape[1]):
            raise ValueError("lengths run from 1 to the sequence's T")
        if self.neighbors is not None and self.neighbors.shape[:2] != self.neighborhood[1].shape:
            raise ValueError("neighbors and their mask have the same K")

    def __len__(self) -> int:
        return len(next(iter(self.feeds().values())))

    @property
    def table(self) -> Float32:
        """``features``, for models that need them. Raises ValueError where there are none."""
        if self.features is None:
            raise ValueError("this model takes features, and the batch has none")
        return self.features

    @property
    def history(self) -> tuple[Float32, Int64]:
        """``sequence`` and ``lengths``, for models that need them. Raises ValueError where there are none."""
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
        """The arrays of this batch, by the name of the graph input that each feeds."""
        return {name: array for name in SIGNATURE if (array := getattr(self, name)) is not None}

    @property
    def kinds(self) -> tuple[RaggedKind, ...]:
        """The ragged inputs that are there."""
        return tuple(kind for kind in RAGGED_KINDS if getattr(self, kind.name) is not None)

    def items(self, kind: RaggedKind) -> tuple[Float32, Bools]:
        """One ragged input: its padded items float32 [N, M, W], and which of them are there, bool [N, M].

        Raises ValueError where there is none.
        """
        items, presence = getattr(self, kind.name), getattr(self, kind.presence)
        if items is None:
            raise ValueError(f"this model takes {kind.noun}, and the batch has none")
        return items, presence if kind.masked else np.arange(items.shape[1]) < presence[:, None]

    def with_items(self, kind: RaggedKind, items: Float32, present: Bools) -> "Batch":
        """The same rows with other items of one ragged input. Those of a sequence are the first of each row."""
        return self.replace(**item_arrays(kind, items, present))

    def take(self, rows: RowIndices | slice) -> "Batch":
        """The given rows, in the given order; T and K stay."""
        return Batch(**{name: array[rows] for name, array in self.feeds().items()})

    def replace(self, **parts: npt.NDArray[Any]) -> "Batch":
        """The same rows with some arrays replaced."""
        return Batch(**{**self.feeds(), **parts})


def _within(lengths: Int64 | None, steps: int) -> bool:
    return lengths is None or not len(lengths) or (int(lengths.min()) >= 1 and int(lengths.max()) <= steps)


def item_arrays(kind: RaggedKind, items: Float32, present: Bools) -> dict[str, npt.NDArray[Any]]:
    """The two graph inputs of one ragged input; ``present`` bool [N, M] says which items are there."""
    return {kind.name: items, kind.presence: present if kind.masked else present.sum(axis=1, dtype=np.int64)}


INPUT_DTYPES: Mapping[str, type[np.generic]] = {"FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_}


def _check(put: GraphInput, array: npt.NDArray[Any]) -> None:
    dtype, rank = np.dtype(INPUT_DTYPES[put.datatype]), len(put.shape)
    if array.dtype != dtype or array.ndim != rank:
        raise ValueError(f"{put.name} is {dtype.name} of rank {rank}, not {array.dtype.name} of rank {array.ndim}")


def stretched(batch: Batch, inputs: InputContract) -> Batch:
    """The same rows with as many places in each ragged input as its contract allows."""
    for ragged in inputs.ragged:
        if ragged.kind in batch.kinds:
            items, present = batch.items(ragged.kind)
            more = (0, max(ragged.max_items - items.shape[1], 0))
            padded = np.pad(items, ((0, 0), more, (0, 0)))
            batch = batch.with_items(ragged.kind, padded, np.pad(present, ((0, 0), more)))
    return batch


def concatenate(batches: "list[Batch]") -> Batch:
    """All rows of batches that have the same parts, T and K, one after another."""
    parts = batches[0].feeds().keys()
    return Batch(**{part: np.concatenate([batch.feeds()[part] for batch in batches]) for part in parts})
