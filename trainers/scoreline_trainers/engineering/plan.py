"""The whole ``engineered`` list: learned entry by entry, run on batches, and put in front of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from pydantic import ValidationError

from scoreline_registry.contract import InputContract
from scoreline_trainers.batch import Batch, Float32, Float64
from scoreline_trainers.dataset import Dataset
from scoreline_trainers.engineering.base import Known, Learned, Scope, Transformer
from scoreline_trainers.errors import DataError
from scoreline_trainers.families.base import Fitted
from scoreline_trainers.graph import Extra, GraphBuilder, joined
from scoreline_trainers.scorer import OnnxScorer

COLUMNS = "columns"
# The graph that a model file such as a booster's text needs in front of it.
FEATURES_FILE = "features.onnx"

_ROWS = 2048
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A learned list.

    Attributes:
        raw: the contract of what callers send.
        inputs: the contract of what the model behind it takes: the raw columns, then what each entry makes.
        entries: in order.
        scorer: runs the graph.
    """

    raw: InputContract
    inputs: InputContract
    entries: tuple[Learned, ...]
    scorer: OnnxScorer

    @classmethod
    def learn(
        cls, entries: Sequence[Transformer], data: Dataset, *, keep_features: bool = True, keep_sequence: bool = False
    ) -> "Plan":
        """Learns every entry from ``data`` and what the entries before it make.

        Args:
            entries: as written.
            data: training rows.
            keep_features: the raw columns stay columns of the model behind.
            keep_sequence: the model behind takes the history too.

        Raises:
            DataError: an entry reads what is not there, or two columns have one name.
        """
        known, learned = Known(data.inputs, data.batch), []
        for entry in entries:
            learned.append(entry.learn(known))
            known = _extended(known, learned[-1])
        features = known.inputs.features[0 if keep_features else len(data.inputs.features) :]
        inputs = InputContract(features=features, sequence=data.inputs.sequence if keep_sequence else None)
        model = _graph(data.inputs, learned, keep_features=keep_features)
        return cls(data.inputs, inputs, tuple(learned), OnnxScorer(model.SerializeToString()))

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
        return _graph(self.raw, self.entries, keep_features=self.keeps_features)

    def apply(self, batch: Batch) -> Batch:
        """The rows as the model behind takes them."""
        sequence, lengths = (batch.sequence, batch.lengths) if self.inputs.sequence else (None, None)
        return Batch(_run(self.scorer, batch), sequence, lengths)

    def dataset(self, data: Dataset) -> Dataset:
        """The rows to train on."""
        return replace(data, inputs=self.inputs, batch=self.apply(data.batch))


@dataclass(frozen=True, slots=True, eq=False)
class Engineered(Fitted):
    """A model with the nodes of a plan in front of it."""

    plan: Plan
    model: Fitted

    def predict(self, batch: Batch) -> Float64:
        """The model's score of what the plan's graph computes, float64 [N]."""
        return self.model.predict(self.plan.apply(batch))

    def to_onnx(self) -> onnx.ModelProto:
        """One graph of both."""
        return joined(self.plan.graph(), self.model.to_onnx(), inputs=self.plan.raw, feeds={"features": COLUMNS})

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The model's."""
        return self.model.extras(self.plan.apply(batch))

    def tolerances(self) -> Mapping[str, float]:
        """The model's."""
        return self.model.tolerances()

    def edges(self) -> Mapping[int, Float32]:
        """Those of raw columns that the model sees as they are."""
        width = len(self.plan.raw.features) if self.plan.keeps_features else 0
        return {column: values for column, values in self.model.edges().items() if column < width}

    def describe(self) -> Mapping[str, str | int | float]:
        """The model's facts, and how many columns are made."""
        return {**self.model.describe(), "engineered columns": self.plan.made}

    def files(self) -> Mapping[str, bytes]:
        """The model's files, and the graph that makes their columns."""
        files = self.model.files()
        return {**files, FEATURES_FILE: self.plan.graph().SerializeToString()} if files else {}


def _extended(known: Known, entry: Learned) -> Known:
    """What later entries may read, with this entry's columns run by ONNX Runtime."""
    try:
        inputs = known.inputs.model_copy(update={"features": (*known.inputs.features, *entry.columns)})
        inputs = InputContract.model_validate(inputs.model_dump())
    except ValidationError as error:
        raise DataError("", f"'engineered' cannot add its columns: {error.errors()[0]['msg']}") from error
    model = _graph(known.inputs, [entry], keep_features=bool(known.inputs.features))
    columns = _run(OnnxScorer(model.SerializeToString()), known.batch)
    return Known(inputs, Batch(columns, known.batch.sequence, known.batch.lengths))


def _graph(inputs: InputContract, entries: Sequence[Learned], *, keep_features: bool) -> onnx.ModelProto:
    graph = GraphBuilder(inputs)
    steps = inputs.sequence.features if inputs.sequence else ()
    scope = Scope(graph, {name: index for index, name in enumerate(steps)})
    scope.add("features", inputs.features)
    parts = ["features"] if keep_features and inputs.features else []
    for entry in entries:
        made = entry.nodes(scope)
        finite = made.apply("Max", -_LARGEST).apply("Min", _LARGEST)
        parts.append(graph.cast(finite.name, onnx.TensorProto.FLOAT))
        scope.add(parts[-1], entry.columns)
    width = sum(len(entry.columns) for entry in entries) + (len(inputs.features) if keep_features else 0)
    return graph.build_outputs({COLUMNS: Extra(graph.add("Concat", *parts, axis=1), (width,))})


def _run(scorer: OnnxScorer, batch: Batch) -> Float32:
    """float32 [N, columns], some rows at a time: windows take much memory."""
    parts = [batch.take(slice(start, start + _ROWS)) for start in range(0, max(len(batch), 1), _ROWS)]
    return np.concatenate([scorer.run(part)[COLUMNS] for part in parts])
