"""What one would write by hand: grpcio's thread pool with ONNX Runtime inline. Arguments: model.onnx, port."""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import onnxruntime as ort

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc


class Servicer(rpc.ScoringServiceServicer):
    """Answers packed calls by one model: no routes, journal, metrics or checks."""

    def __init__(self, model: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def Score(self, request: pb.ScoreRequest, context: grpc.ServicerContext) -> pb.ScoreResponse:  # noqa: N802
        """Scores the rows of a call."""
        rows = np.frombuffer(request.packed.numbers, "<f4").reshape(len(request.packed.entity_ids), -1)
        (scores,) = self._session.run(["score"], {"features": rows})
        return pb.ScoreResponse(packed=pb.PackedScores(scores=scores.tobytes()))


server = grpc.server(ThreadPoolExecutor(8))
rpc.add_ScoringServiceServicer_to_server(Servicer(sys.argv[1]), server)  # type: ignore[abstract]
server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
server.start()
server.wait_for_termination()
