"""Requests by hand, and what a failed call says."""

from collections.abc import Mapping, Sequence

import grpc
import numpy as np
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from scoreline.v1 import scoring_pb2 as pb


def value(raw: float | str | bool | None) -> pb.Value:
    """A value as a caller would write it."""
    if raw is None:
        return pb.Value()
    if isinstance(raw, bool):
        return pb.Value(flag=raw)
    return pb.Value(text=raw) if isinstance(raw, str) else pb.Value(number=raw)


def entity(
    entity_id: str = "", *, steps: Sequence[Mapping[str, float]] = (), neighbors: Sequence[Mapping[str, float]] = (),
    context: Mapping[str, float | str | bool] | None = None, **features: float | str | bool | None,
) -> pb.Entity:  # fmt: skip
    """One entity in the named form."""
    return pb.Entity(
        entity_id=entity_id,
        features={name: value(raw) for name, raw in features.items()},
        sequence=pb.Sequence(steps=[pb.Step(features=step) for step in steps]) if steps else None,
        context={name: value(raw) for name, raw in (context or {}).items()},
        neighbors=[pb.Neighbor(features=neighbor) for neighbor in neighbors],
    )


def named(*entities: pb.Entity, route: str = "credit", extras: Sequence[str] = ()) -> pb.ScoreRequest:
    """A request in the named form."""
    return pb.ScoreRequest(route=route, entities=entities, extras=extras)


def packed(
    digest: str, numbers: Sequence[Sequence[float]], *, ids: Sequence[str] | None = None, route: str = "credit"
) -> pb.ScoreRequest:
    """A request in the packed form, numbers only."""
    block = np.array(numbers, "<f4")
    return pb.ScoreRequest(
        route=route,
        packed=pb.PackedEntities(
            schema_digest=digest,
            entity_ids=[f"u{row}" for row in range(len(block))] if ids is None else ids,
            numbers=block.tobytes(),
        ),
    )


def reason_of(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """The code of a failed call and the reason of its one ErrorInfo."""
    status = rpc_status.from_call(error)
    assert status is not None, f"{error} carries no details"
    (detail,) = status.details
    info = error_details_pb2.ErrorInfo()
    assert detail.Unpack(info)
    assert info.domain == "scoreline"
    assert isinstance(error, grpc.Call)
    return error.code(), info.reason
