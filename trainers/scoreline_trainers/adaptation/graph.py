"""Reads the heads and states of a published graph, and replaces its heads."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.errors import AdaptError
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.heads.record import HEADS, STATES


@dataclass(frozen=True, slots=True, eq=False)
class HeadedGraph:
    """A graph with one set of heads; engineered columns may come before them, a calibrator behind.

    Attributes:
        model: as published.
        path: prefix of the names of the heads and their states.
    """

    model: onnx.ModelProto
    path: str

    @classmethod
    def read(cls, data: bytes, *, subject: str) -> Self:
        """From the bytes of ``model.onnx``. Raises AdaptError about ``subject`` where there is not one set of heads."""
        model = onnx.load_model_from_string(data)
        found = [tensor.name for tensor in model.graph.initializer if tensor.name.rpartition("/")[2] == HEADS]
        if len(found) != 1:
            raise AdaptError(subject, f"has {len(found)} sets of heads in its graph, not one: train it again")
        return cls(model, found[0].removesuffix(HEADS))

    @property
    def heads(self) -> Float64:
        """float64 [S + 1, H + 1], the last is the fallback head."""
        return numpy_helper.to_array(self._initializer(self.model)).astype(np.float64)

    def states(self, batch: Batch) -> Float64:
        """float64 [N, H], computed by ONNX Runtime as a server does."""
        model, name = self._copy(), f"{self.path}{STATES}"
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", None]))
        values = OnnxScorer(model.SerializeToString()).fetch([name], batch.feeds())
        return np.asarray(values[0]).astype(np.float64)

    def with_heads(self, heads: Float64) -> bytes:
        """The bytes of the same graph with other heads; how many there are may change."""
        model = self._copy()
        tensor = self._initializer(model)
        tensor.CopyFrom(numpy_helper.from_array(heads.astype(np.float32), tensor.name))
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

    def _copy(self) -> onnx.ModelProto:
        copy = onnx.ModelProto()
        copy.CopyFrom(self.model)
        return copy

    def _initializer(self, model: onnx.ModelProto) -> onnx.TensorProto:
        return next(tensor for tensor in model.graph.initializer if tensor.name == f"{self.path}{HEADS}")
