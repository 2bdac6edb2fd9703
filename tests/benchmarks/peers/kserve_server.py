"""KServe's own gRPC front before ONNX Runtime inline. Arguments: model.onnx, port.

Its server would listen on every interface and log each call; here it listens on the loopback one and is silent.
"""

import logging
import sys
from typing import Any

import onnxruntime as ort
import uvloop
from grpc import aio
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.logging import logger
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.server import GRPCServer
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

_THREADS = 4


class OnnxModel(Model):  # type: ignore[misc]
    """``features`` in, ``score`` out."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.ready = True

    def predict(self, payload: InferRequest, headers: Any = None, response_headers: Any = None) -> InferResponse:
        """Scores the rows of a call."""
        (scores,) = self._session.run(["score"], {"features": payload.inputs[0].as_numpy()})
        output = InferOutput("score", list(scores.shape), "FP32")
        output.set_data_from_numpy(scores)
        return InferResponse(payload.id, self.name, [output])


def _on_loopback(server: Any, address: str) -> int:
    return int(_add_insecure_port(server, address.replace("[::]", "127.0.0.1")))


if __name__ == "__main__":
    _add_insecure_port = aio.Server.add_insecure_port
    aio.Server.add_insecure_port = _on_loopback  # type: ignore[method-assign,assignment]
    logger.setLevel(logging.ERROR)
    models = ModelRepository()
    models.update(OnnxModel("lightgbm", sys.argv[1]))
    plane = DataPlane(models)
    unlimited = {"grpc_max_send_message_length": -1, "grpc_max_receive_message_length": -1}
    front = GRPCServer(int(sys.argv[2]), plane, ModelRepositoryExtension(models), unlimited)
    uvloop.run(front.start(_THREADS))
