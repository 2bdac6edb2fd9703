"""Runs a graph as the server does: ONNX Runtime, one thread."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from scoreline_trainers.data.batch import Batch, Float32


class OnnxScorer:
    """One ONNX Runtime session on one thread.

    Raises:
        onnxruntime.capi.onnxruntime_pybind11_state.Fail: and its siblings, where the bytes are no loadable model.
    """

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Only errors: what a graph does wrong is found by the gate, not by a reader of stderr.
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    @property
    def outputs(self) -> Sequence[str]:
        """The names of the outputs in the graph's order."""
        return tuple(output.name for output in self._session.get_outputs())

    @property
    def inputs(self) -> Sequence[str]:
        """The names of the inputs in the graph's order."""
        return tuple(each.name for each in self._session.get_inputs())

    def fetch(self, outputs: Sequence[str], feeds: Mapping[str, npt.NDArray[Any]]) -> Sequence[Any]:
        """Some outputs of any graph: arrays, or what ONNX Runtime makes of values that are no tensors."""
        return list(self._session.run(list(outputs), dict(feeds)))

    def run(self, batch: Batch) -> Mapping[str, Float32]:
        """Every output by name, ``score`` float32 [N] among them."""
        values = self._session.run(None, dict(batch.feeds()))
        return dict(zip(self.outputs, values, strict=True))

    def score(self, batch: Batch) -> Float32:
        """float32 [N]."""
        return np.asarray(self._session.run(["score"], dict(batch.feeds()))[0])
