"""Triton as PyPI ships it: its C++ front before a Python backend. Arguments: model.onnx, port for gRPC, for HTTP."""

import sys

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

_options = ort.SessionOptions()
_options.intra_op_num_threads = 1
_session = ort.InferenceSession(sys.argv[1], _options, providers=["CPUExecutionProvider"])


@batch  # type: ignore[untyped-decorator]
def score(features: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Scores the rows that Triton batched."""
    (scores,) = _session.run(["score"], {"features": features})
    return [scores.reshape(-1, 1)]


if __name__ == "__main__":
    config = TritonConfig(
        grpc_address="127.0.0.1", grpc_port=int(sys.argv[2]), http_address="127.0.0.1", http_port=int(sys.argv[3]),
        allow_metrics=False,
    )  # fmt: skip
    with Triton(config=config) as triton:
        triton.bind(
            model_name="lightgbm",
            infer_func=score,
            inputs=[Tensor(name="features", dtype=np.float32, shape=(30,))],
            outputs=[Tensor(name="score", dtype=np.float32, shape=(1,))],
            config=ModelConfig(max_batch_size=128, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
            strict=False,
        )
        triton.serve()
