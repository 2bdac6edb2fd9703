"""A real gRPC server with a model that anyone can compute: the sum of what it was sent."""

import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import grpc
import numpy as np
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from scoreline import RouteSchema
from scoreline.v1 import profiles_pb2, profiles_pb2_grpc, scoring_pb2_grpc
from scoreline.v1 import scoring_pb2 as pb
from tests.waiting import PATIENCE_SECONDS

Failure = Callable[[grpc.ServicerContext], None]


def make_schema(
    *,
    numbers: Sequence[str] = ("income", "age"),
    categories: Sequence[str] = ("status",),
    steps: Sequence[str] = (),
    neighbors: Sequence[str] = (),
    digest: str = "layout-1",
    max_entities: int = 1024,
) -> pb.GetSchemaResponse:
    """A schema as the server sends it."""
    return pb.GetSchemaResponse(
        route="credit",
        revision=7,
        schema_digest=digest,
        features=[
            *(pb.Feature(name=name, kind=pb.FEATURE_KIND_NUMBER) for name in numbers),
            *(pb.Feature(name=name, kind=pb.FEATURE_KIND_CATEGORY) for name in categories),
        ],
        sequence=pb.SequenceSchema(features=steps, max_length=90) if steps else None,
        unit="entity_id",
        extras=["members"],
        max_entities=max_entities,
        neighbors=pb.NeighborSchema(features=neighbors, max_neighbors=16) if neighbors else None,
    )


def route_schema(**options: Any) -> RouteSchema:
    """The same as the client sees it."""
    return RouteSchema.from_message(make_schema(**options))


def fail(
    code: grpc.StatusCode, reason: str = "", *, retry_after: float | None = None, text: str = "told to", **facts: str
) -> Failure:
    """A failure with an ErrorInfo, and a RetryInfo where ``retry_after`` seconds are given."""
    details = [error_details_pb2.ErrorInfo(reason=reason, domain="scoreline", metadata=facts or {"fact": "value"})]
    if retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=timedelta(seconds=retry_after)))
    packed = []
    for detail in details:
        packed.append(Packed())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=text, details=packed)

    def abort(context: grpc.ServicerContext) -> None:
        context.abort_with_status(rpc_status.to_status(status))

    return abort


def hold(context: grpc.ServicerContext) -> None:
    """Leaves a call without an answer until its caller has ended it or its time is over."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        assert ended.wait(PATIENCE_SECONDS)


@dataclass(repr=False)
class Ledger(profiles_pb2_grpc.ProfileServiceServicer):
    """Keeps events by profile, entity and id; ``plan`` holds what the next calls do first, ``lost`` how many answers
    of calls whose events were kept do not arrive.

    Events of a negative amount are refused, those of the type "late" are late.
    """

    plan: deque[Failure | None] = field(default_factory=deque)
    lost: int = 0
    calls: list[profiles_pb2.RecordEventsRequest] = field(default_factory=list)
    kept: dict[tuple[str, str, str], pb.Event] = field(default_factory=dict)
    reads: list[profiles_pb2.GetEntityProfileRequest] = field(default_factory=list)
    profile: profiles_pb2.GetEntityProfileResponse = field(default_factory=profiles_pb2.GetEntityProfileResponse)
    forgotten: list[profiles_pb2.ForgetEntityRequest] = field(default_factory=list)

    def RecordEvents(  # noqa: N802
        self, request: profiles_pb2.RecordEventsRequest, context: grpc.ServicerContext
    ) -> profiles_pb2.RecordEventsResponse:
        self.calls.append(request)
        failure = self.plan.popleft() if self.plan else None
        if failure is not None:
            failure(context)
        answer = profiles_pb2.RecordEventsResponse()
        for index, each in enumerate(request.events):
            self._record(request.profile, index, each, answer)
        if self.lost:
            self.lost -= 1
            fail(grpc.StatusCode.UNAVAILABLE)(context)
        return answer

    def _record(
        self, profile: str, index: int, each: profiles_pb2.EntityEvent, answer: profiles_pb2.RecordEventsResponse
    ) -> None:
        key = (profile, each.entity_id, each.event.id)
        if each.event.fields["amount"].number < 0:
            answer.errors.add(index=index, reason="INVALID_EVENT", message="amount: not so", field="amount")
        elif each.event.type == "late":
            answer.late_indices.append(index)
        elif key in self.kept:
            answer.repeated_indices.append(index)
        else:
            self.kept[key] = each.event
            answer.kept_count += 1

    def RecordEventStream(self, requests: object, context: object) -> Iterator[profiles_pb2.RecordEventStreamResponse]:  # noqa: N802
        raise NotImplementedError

    def GetEntityProfile(  # noqa: N802
        self, request: profiles_pb2.GetEntityProfileRequest, context: grpc.ServicerContext
    ) -> profiles_pb2.GetEntityProfileResponse:
        self.reads.append(request)
        return self.profile

    def ForgetEntity(  # noqa: N802
        self, request: profiles_pb2.ForgetEntityRequest, context: grpc.ServicerContext
    ) -> profiles_pb2.ForgetEntityResponse:
        self.forgotten.append(request)
        return profiles_pb2.ForgetEntityResponse(profiles=["spending"], remaining=["the journal keeps its rows"])


@dataclass(repr=False)
class Sums(scoring_pb2_grpc.ScoringServiceServicer, scoring_pb2_grpc.StatusServiceServicer):
    """Scores are sums; ``plan`` holds what the next calls of Score and ReportOutcomes do first (None: nothing)."""

    schema: pb.GetSchemaResponse = field(default_factory=make_schema)
    plan: deque[Failure | None] = field(default_factory=deque)
    requests: list[pb.ScoreRequest] = field(default_factory=list)
    reports: list[pb.ReportOutcomesRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    schema_calls: int = 0
    most_at_once: int = 0
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def GetSchema(self, request: pb.GetSchemaRequest, context: grpc.ServicerContext) -> pb.GetSchemaResponse:  # noqa: N802
        self.schema_calls += 1
        if request.route != self.schema.route:
            fail(grpc.StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND", text=f"no route {request.route}")(context)
        return self.schema

    def GetStatus(self, request: pb.GetStatusRequest, context: grpc.ServicerContext) -> pb.GetStatusResponse:  # noqa: N802
        return pb.GetStatusResponse(
            revision=7,
            routes=[pb.RouteStatus(route="credit", adopted_revision=6, problem="credit@2 is damaged")],
            models=[
                pb.ModelStatus(model="credit", version=1, state=pb.MODEL_STATE_READY, row_microseconds=12.5),
                pb.ModelStatus(model="credit", version=2, state=pb.MODEL_STATE_FAILED, problem="a byte differs"),
            ],
            server_version="0.1.0",
            problem="revision 8 is damaged",
        )

    def ReportOutcomes(  # noqa: N802
        self, request: pb.ReportOutcomesRequest, context: grpc.ServicerContext
    ) -> pb.ReportOutcomesResponse:
        self.reports.append(request)
        failure = self.plan.popleft() if self.plan else None
        if failure is not None:
            failure(context)
        wrong = [pb.OutcomeError(index=n, reason="INVALID", message="no") for n, one in enumerate(request.outcomes)
                 if one.value < 0]  # fmt: skip
        unknown = {one.prediction_id for one in request.outcomes if one.value > 1e6}
        return pb.ReportOutcomesResponse(
            accepted=len(request.outcomes) - len(wrong), errors=wrong, unknown=sorted(unknown), unchecked=not unknown
        )

    def Score(self, request: pb.ScoreRequest, context: grpc.ServicerContext) -> pb.ScoreResponse:  # noqa: N802
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.requests.append(request)
            self.metadata.append(dict(context.invocation_metadata()))
            failure = self.plan.popleft() if self.plan else None
        try:
            if failure is not None:
                failure(context)
            if request.route != self.schema.route:
                fail(grpc.StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND", text=f"no route {request.route}")(context)
            if request.packed.schema_digest != self.schema.schema_digest:
                fail(grpc.StatusCode.FAILED_PRECONDITION, "STALE_SCHEMA")(context)
            return self._answer(request)
        finally:
            with self._lock:
                self._at_once -= 1

    def GetAssignment(self, request: object, context: object) -> pb.GetAssignmentResponse:  # noqa: N802
        raise NotImplementedError

    def ScoreStream(self, requests: object, context: object) -> Iterator[pb.ScoreStreamResponse]:  # noqa: N802
        raise NotImplementedError

    def _answer(self, request: pb.ScoreRequest) -> pb.ScoreResponse:
        packed = request.packed
        count = len(packed.entity_ids)
        bad = [row for row, entity_id in enumerate(packed.entity_ids) if entity_id.startswith("bad")]
        scores = sums(packed)
        scores[bad] = np.nan
        reasons = np.where(np.isnan(scores), 0, pb.REASON_SPLIT).astype("u1")
        extras = []
        if "members" in request.extras:
            rows = np.arange(0, count, 2, dtype="<i4")
            values = np.stack([scores[rows], -scores[rows]], axis=1).astype("<f4")
            tensor = pb.Tensor(shape=values.shape, data=values.tobytes())
            extras = [pb.ExtraColumn(name="members", rows=rows.tobytes(), values=tensor)]
        return pb.ScoreResponse(
            revision=self.schema.revision,
            call_id=bytes(range(12)),
            packed=pb.PackedScores(
                scores=scores.tobytes(),
                served=[pb.ServedArm(model="credit", version=3, arm="credit@champion", model_digest="ab" * 32)],
                served_index=np.zeros(count, "<u2").tobytes(),
                reasons=reasons.tobytes(),
                bands=["low", "high"],
                band_index=np.where(scores > 100, 1, np.where(scores > 0, 0, 65535)).astype("<u2").tobytes(),
                points=np.where(scores > 0, scores * 2, np.nan).astype("<f8").tobytes(),
                quality=np.tile(np.array([1, 2, 3, 4], "<u2"), (count, 1)).tobytes(),
                extras=extras,
                errors=[
                    pb.EntityError(
                        row=row,
                        code=3,
                        reason="MISSING_FEATURE",
                        message="'age' is required",
                        metadata={"feature": "age"},
                    )
                    for row in bad
                ],
            ),
        )


def sums(packed: pb.PackedEntities) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """What the server answers: present numbers, ten times the length of each category, a hundred times the steps,
    a thousand times the neighbours.
    """
    count = len(packed.entity_ids)
    numbers = np.frombuffer(packed.numbers, "<f4").reshape(count, -1)
    codes = np.frombuffer(packed.categories, "<i4").reshape(count, -1)
    words = np.array([*(len(word) for word in packed.dictionary), 0], np.float32)
    scores = np.nansum(numbers, axis=1) + 10 * words[codes].sum(axis=1)
    for factor, values, counts in (
        (100, packed.steps, packed.lengths),
        (1000, packed.neighbors, packed.neighbor_counts),
    ):
        items = np.frombuffer(counts, "<i4")
        if items.any():
            totals = np.nansum(np.frombuffer(values, "<f4").reshape(int(items.sum()), -1), axis=1)
            scores += factor * np.bincount(np.repeat(np.arange(count), items), totals, minlength=count)
    answer: np.ndarray[Any, np.dtype[np.float32]] = scores.astype("<f4")
    return answer


@dataclass(repr=False)
class Running:
    """A server that listens on ``target``."""

    sums: Sums
    target: str
    server: grpc.Server


@contextmanager
def outage(port: int) -> Iterator[Callable[[], int]]:
    """Breaks off every connection to a port in the place of a server; the number of those is what it yields."""
    broken_off = 0

    def serve() -> None:
        nonlocal broken_off
        while True:
            connection, _ = listener.accept()
            with connection:
                if done.is_set():
                    return
                broken_off += 1

    done = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield lambda: broken_off
        finally:
            done.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def start(sums: Sums, *, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> Running:
    """Starts a server on loopback; port 0 takes a free one."""
    server = grpc.server(futures.ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
    profiles_pb2_grpc.add_ProfileServiceServicer_to_server(sums.ledger, server)
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(sums, server)
    scoring_pb2_grpc.add_StatusServiceServicer_to_server(sums, server)
    state = health.HealthServicer()
    state.set("", health_pb2.HealthCheckResponse.SERVING)
    state.set("scoreline.v1.ScoringService", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    address = f"127.0.0.1:{port}"
    bound = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    return Running(sums, f"127.0.0.1:{bound}", server)
