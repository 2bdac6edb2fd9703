"""An external graph run unchanged: the reference that the wrapped graph is compared with.

What the wrapper does in the graph is done here in numpy, so that a mistake in either is a difference.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_registry.documents.signature import FEATURES, SCORE
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.publishing.datatypes import DATATYPES, DTYPES
from scoreline_trainers.publishing.inputs import InputSource
from scoreline_trainers.publishing.outputs import OutputSource
from scoreline_trainers.publishing.running import fetched, opened

MISSING_NAME = ""
"""What a string input gets for a missing category; no vocabulary has it."""

OTHER_NAME = "__other__"
"""What a string input gets for a name outside its vocabulary."""

Array = npt.NDArray[Any]


def category_names(feature: Feature) -> tuple[str, ...]:
    """The strings of a category's codes: its vocabulary, then any other name, then a missing one."""
    return (*feature.vocabulary, OTHER_NAME, MISSING_NAME)


class SourceModel:
    """The native model that the gate compares with.

    Raises:
        UnfitError: here or later, where ONNX Runtime cannot open or run it.
    """

    def __init__(
        self, model: bytes, inputs: InputContract, sources: Sequence[InputSource], outputs: Mapping[str, OutputSource]
    ) -> None:
        """Opens a graph; ``outputs`` are compared, by the names that the wrapped graph gives them."""
        self._scorer = opened(model)
        self._features, self._sources, self._wanted = inputs.features, sources, outputs

    @property
    def batch(self) -> int | None:
        """How many rows the graph takes at once, where it is written for one number of them."""
        return next((source.batch for source in self._sources if source.batch is not None), None)

    def __call__(self, batch: Batch) -> Mapping[str, Float64]:
        """Every output for N rows: float64 [N, ...]."""
        found = {name: self._output(output, values) for (name, output), values in self._outputs(batch).items()}
        found[SCORE] = found[SCORE].reshape(-1)
        return {name: np.asarray(values, np.float64) for name, values in found.items()}

    def shapes(self, batch: Batch) -> Mapping[str, tuple[int, ...]]:
        """The shape of each output for these rows, before a column is taken."""
        return {name: _table(output, values).shape for (name, output), values in self._outputs(batch).items()}

    def _output(self, output: OutputSource, values: Any) -> Array:
        table = _table(output, values)
        if output.column is not None:
            return table[:, output.column]
        return table

    def _outputs(self, batch: Batch) -> Mapping[tuple[str, OutputSource], Any]:
        wanted = list(self._wanted.items())
        names = [each.output for _, each in wanted]
        if self.batch is None:
            return dict(zip(wanted, fetched(self._scorer, names, self._feeds(batch)), strict=True))
        parts = [fetched(self._scorer, names, self._feeds(part)) for part in _parts(batch, self.batch)]
        joined = [_joined(values, len(batch)) for values in zip(*parts, strict=True)]
        return dict(zip(wanted, joined, strict=True))

    def _feeds(self, batch: Batch) -> Mapping[str, Array]:
        return {source.name: self._feed(source, batch) for source in self._sources}

    def _feed(self, source: InputSource, batch: Batch) -> Array:
        dtype = DTYPES[DATATYPES[source.elem_type]]
        if source.part != FEATURES:
            return batch.feeds()[source.part].astype(dtype)
        table = batch.table[:, list(source.columns)]
        if source.elem_type == TensorProto.STRING:
            names = [self._names(column, table[:, at]) for at, column in enumerate(source.columns)]
            table = np.stack(names, axis=1)
        return (table if source.rank == 2 else table.reshape(-1)).astype(dtype)

    def _names(self, column: int, codes: npt.NDArray[np.float32]) -> Array:
        names = np.array(category_names(self._features[column]), np.object_)
        missing = np.isnan(codes)
        return np.asarray(names[np.where(missing, len(names) - 1, np.nan_to_num(codes)).astype(np.intp)])


def _table(output: OutputSource, values: Any) -> Array:
    """An output as numbers; ONNX Runtime gives what a ZipMap makes as one mapping for each row."""
    if not output.classes:
        return np.asarray(values)
    return np.array([[row[name] for name in output.classes] for row in values], np.float32)


def _parts(batch: Batch, size: int) -> list[Batch]:
    """Batches of exactly ``size`` rows; the last one is filled up with its first row."""
    starts = range(0, len(batch), size)
    rows = [np.arange(start, start + size) for start in starts]
    return [batch.take(np.where(these < len(batch), these, these[0])) for these in rows]


def _joined(parts: Sequence[Any], rows: int) -> Any:
    if isinstance(parts[0], list):
        return [row for part in parts for row in part][:rows]
    return np.concatenate([np.asarray(part) for part in parts])[:rows]
