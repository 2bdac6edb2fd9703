"""Asking a running server what it serves. gRPC is imported here alone, and only when a server is asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from scoreline_registry.commands.options import Failure

_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Serving:
    """One version in a server: "ready", "failed" or "unspecified", and why it was refused."""

    state: str
    problem: str


def served_versions(address: str) -> Mapping[tuple[str, int], Serving]:
    """Every version that the server at ``address`` loaded or refused, by model and number. Raises Failure."""
    try:
        import grpc

        from scoreline.v1 import scoring_pb2, scoring_pb2_grpc
    except ModuleNotFoundError as error:
        raise Failure(f"--server needs {error.name}: pip install 'scoreline[cli]'") from error
    try:
        with grpc.insecure_channel(address) as channel:
            stub = scoring_pb2_grpc.StatusServiceStub(channel)
            status = stub.GetStatus(scoring_pb2.GetStatusRequest(), timeout=_TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        raise Failure(f"the server at {address} did not answer: {error.details()}") from error
    state_name = scoring_pb2.ModelState.Name
    return {
        (model.model, model.version): Serving(
            state_name(model.state).removeprefix("MODEL_STATE_").lower(), model.problem
        )
        for model in status.models
    }
