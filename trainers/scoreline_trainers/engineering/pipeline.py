"""The ``engineered`` list as a pipeline: fitted entry by entry, run on batches, and put in front of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from pydantic import ValidationError

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.engineering.base import FitContext, FittedStep, GraphColumns, Transformer
from scoreline_trainers.errors import DataError
from scoreline_trainers.family import Fitted
from scoreline_trainers.graph.builder import Extra, GraphBuilder, joined
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.graph.tensor import concat, graph_input

COLUMNS = "columns"
# The graph that a model file such as a booster's text needs in front of it.
FEATURES_FILE = "features.onnx"

# Windows are many times larger than what they are made of: so few rows stay in the processor's cache.
_ROWS = 64
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class FeaturePipeline:
    """A fitted list of entries.

    Attributes:
        raw: the contract of what callers send.
        inputs: the contract of what the model behind it takes: the raw columns, then what each entry makes.
        entries: in order.
        scorer: runs the graph.
    """

    raw: InputContract
    inputs: InputContract
    entries: tuple[FittedStep, ...]
    scorer: OnnxScorer

    @classmethod
    def fit(
        cls, entries: Sequence[Transformer], data: Dataset, *, keep_features: bool = True, keep_sequence: bool = False
    ) -> "FeaturePipeline":
        """Fits every entry from ``data`` and what the entries before it make.

        Args:
            entries: as written.
            data: training rows.
            keep_features: the raw columns stay columns of the model behind.
            keep_sequence: the model behind takes the history too.

        Raises:
            DataError: an entry reads what is not there, or two columns have one name.
        """
        training, everything = _TrainingColumns(data), data.inputs
        for entry in entries:
            training.entries.append(entry.fit(FitContext(everything, training.column)))
            everything = _extended(everything, training.entries[-1])
        fitted = training.entries
        features = everything.features[0 if keep_features else len(data.inputs.features) :]
        inputs = InputContract(
            features=features, sequence=data.inputs.sequence if keep_sequence else None, neighbors=data.inputs.neighbors
        )
        model = _graph(data.inputs, fitted, given=slice(0 if keep_features else 1, None))
        return cls(data.inputs, inputs, tuple(fitted), OnnxScorer(model.SerializeToString()))

    @property
    def made(self) -> int:
        """How many columns the entries make."""
        return sum(len(entry.columns) for entry in self.entries)

    @property
    def keeps_features(self) -> bool:
        """The model's columns start with the raw ones."""
        return len(self.inputs.features) > self.made

    def graph(self) -> onnx.ModelProto:
        """The model whose one output ``columns`` is float32 [N, F + what the entries make], without F if not kept."""
        return _graph(self.raw, self.entries, given=slice(0 if self.keeps_features else 1, None))

    def apply(self, batch: Batch) -> Batch:
        """The rows as inputs of the model behind the pipeline."""
        sequence, lengths = (batch.sequence, batch.lengths) if self.inputs.sequence else (None, None)
        return Batch(_run(self.scorer, batch), sequence, lengths, batch.neighbors, batch.neighbor_mask)

    def dataset(self, data: Dataset) -> Dataset:
        """The rows to train on."""
        return replace(data, inputs=self.inputs, batch=self.apply(data.batch))


@dataclass(frozen=True, slots=True, eq=False)
class Engineered(Fitted):
    """A model with the nodes of a pipeline in front of it."""

    pipeline: FeaturePipeline
    model: Fitted

    def predict(self, batch: Batch) -> Float64:
        """The model's score of what the pipeline's graph computes, float64 [N]."""
        return self.model.predict(self.pipeline.apply(batch))

    def to_onnx(self) -> onnx.ModelProto:
        """One graph of both."""
        return joined(
            self.pipeline.graph(), self.model.to_onnx(), inputs=self.pipeline.raw, feeds={"features": COLUMNS}
        )

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The extra outputs of the model behind the pipeline."""
        return self.model.extras(self.pipeline.apply(batch))

    def tolerances(self) -> Mapping[str, float]:
        """The tolerances of the model behind the pipeline."""
        return self.model.tolerances()

    def edges(self) -> Mapping[int, Float32]:
        """The model's edges in raw columns, if it gets them; edges in engineered columns are left out."""
        width = len(self.pipeline.raw.features) if self.pipeline.keeps_features else 0
        return {column: values for column, values in self.model.edges().items() if column < width}

    def describe(self) -> Mapping[str, str | int | float]:
        """The model's facts, and how many columns are made."""
        return {**self.model.describe(), "engineered columns": self.pipeline.made}

    def files(self) -> Mapping[str, bytes]:
        """The model's files, and the graph that makes their columns."""
        files = self.model.files()
        return {**files, FEATURES_FILE: self.pipeline.graph().SerializeToString()} if files else {}


@dataclass(slots=True, eq=False)
class _TrainingColumns:
    """Columns of the training rows as entries are added; one that is made is run by ONNX Runtime once it is read."""

    data: Dataset
    entries: list[FittedStep] = field(default_factory=list)
    _blocks: dict[int, Float32] = field(default_factory=dict)

    def column(self, name: str) -> Float32:
        """float32 [M]."""
        for index, feature in enumerate(self.data.inputs.features):
            if feature.name == name:
                return self.data.batch.table[:, index]
        entry, index = next(
            (entry, names.index(name))
            for entry, names in enumerate([feature.name for feature in made.columns] for made in self.entries)
            if name in names
        )
        return self._block(entry)[:, index]

    def _block(self, entry: int) -> Float32:
        if entry not in self._blocks:
            model = _graph(self.data.inputs, self.entries[: entry + 1], given=slice(entry + 1, None))
            self._blocks[entry] = _run(OnnxScorer(model.SerializeToString()), self.data.batch)
        return self._blocks[entry]


def _extended(inputs: InputContract, entry: FittedStep) -> InputContract:
    """With this entry's columns behind the features."""
    try:
        return InputContract(
            features=(*inputs.features, *entry.columns), sequence=inputs.sequence, neighbors=inputs.neighbors
        )
    except ValidationError as error:
        raise DataError("", f"'engineered' cannot add its columns: {error.errors()[0]['msg']}") from error


def _graph(inputs: InputContract, entries: Sequence[FittedStep], *, given: slice) -> onnx.ModelProto:
    """The model whose output ``columns`` are some of the raw columns, as block 0, and of the entries' blocks."""
    graph = GraphBuilder(inputs)
    steps = inputs.sequence.features if inputs.sequence else ()
    available = GraphColumns(graph, {name: index for index, name in enumerate(steps)})
    blocks = [(graph_input(graph, "features"), inputs.features)]
    available.add(*blocks[0])
    for entry in entries:
        finite = entry.nodes(available).maximum(-_LARGEST).minimum(_LARGEST)
        blocks.append((finite.cast(np.float32), entry.columns))
        available.add(*blocks[-1])
    tensors, columns = zip(*((tensor, columns) for tensor, columns in blocks[given] if columns), strict=True)
    return graph.build_outputs({COLUMNS: Extra(concat(tensors).name, (sum(map(len, columns)),))})


def _run(scorer: OnnxScorer, batch: Batch) -> Float32:
    """float32 [N, columns]."""
    parts = [batch.take(slice(start, start + _ROWS)) for start in range(0, max(len(batch), 1), _ROWS)]
    return np.concatenate([scorer.run(part)[COLUMNS] for part in parts])
