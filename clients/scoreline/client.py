"""The client for threads."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar

import numpy.typing as npt

from scoreline.batching.policy import OPEN_PER_CONNECTION
from scoreline.batching.threading_driver import Coalescer
from scoreline.calls.call_options import CallOptions
from scoreline.calls.chunks import ChunkFlow, ScoredRows, chunk_flows
from scoreline.calls.comparison_calls import ComparisonOptions, comparison_flow
from scoreline.calls.flows import Flows
from scoreline.calls.outcome_calls import report_flow
from scoreline.calls.retry import RetryPolicy
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.scores_builder import ScoresBuilder
from scoreline.calls.transport import Flow, Transport, run
from scoreline.channel.channels import Metadata, endpoint
from scoreline.channel.grpc_transport import GrpcTransport
from scoreline.channel.tls import TlsOptions
from scoreline.decoding.results import Score, Scores
from scoreline.encoding.entities import Entity, EntityId, Steps, Value
from scoreline.encoding.row_chunks import RowsLike, row_chunks
from scoreline.encoding.tables import Column
from scoreline.outcomes import Outcome, OutcomesReport, Time
from scoreline.schema import RouteSchema
from scoreline.status import Health, ServerStatus

_T = TypeVar("_T")

DEFAULT_TIMEOUT_SECONDS = 5.0
NO_CONTEXT: Mapping[str, Value] = MappingProxyType({})


class Client:
    """Scores entities by a Scoreline server. Safe for threads; make one per process and keep it.

        with scoreline.Client("scoring.internal:50051") as client:
            score = client.score("credit", {"income": 4200.0, "status": "employed"}, entity_id="c-17")

    ``target`` is a host, host:port or gRPC target; without it SCORELINE_SERVER or 127.0.0.1:50051. The first call
    connects. Every call ends within ``timeout_seconds``, its retries included. ``metadata`` is sent with every call.
    Several ``connections`` spread the load over a server's worker processes. A ``transport`` replaces gRPC.

    Features are given by name and checked against the route's schema, which the client fetches once, and again when the
    server says that it changed. Every method raises a ScorelineError.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        tls: TlsOptions | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        metadata: Metadata = (),
        connections: int = 1,
        coalesce: bool = True,
        transport: Transport | None = None,
    ) -> None:
        place = endpoint(target, tls=tls, metadata=metadata, connections=connections)
        self._transport = transport or GrpcTransport(place)
        self._flows = Flows(RetryingCalls(timeout_seconds=timeout_seconds, retry=retry))
        self._most_open = OPEN_PER_CONNECTION * connections
        self._coalescer = Coalescer(self._flows, self._transport, max_open=self._most_open) if coalesce else None

    def score(
        self,
        route: str,
        features: Mapping[str, Value],
        *,
        entity_id: EntityId = "",
        sequence: Steps | None = None,
        neighbors: Steps | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
        extras: Sequence[str] = (),
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Score:
        """Scores one entity.

        A feature that is absent, None or NaN is missing; a flag counts as 1 or 0. ``sequence`` is a mapping per step,
        oldest first, or an array [T, S]; ``neighbors`` a mapping per neighbour, or an array [K, G]. ``context`` holds
        facts that rules read. ``extras`` names extra outputs.
        ``request_id`` is the same on every retry, so that the journal's readers count the call once.

        Raises EntityFailedError when the server cannot score this entity, InvalidRequestError for unknown names and
        wrong types (before anything is sent), and the other errors of ``scoreline.errors``.
        """
        entity = Entity(entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context)
        options = CallOptions(route=route, extras=extras, request_id=request_id, timeout_seconds=timeout_seconds)
        if self._coalescer is None or request_id is not None:
            return self._run(self._flows.score(options, entity))
        return self._coalescer.score(options, entity)

    def score_many(
        self,
        route: str,
        rows: RowsLike,
        *,
        entity_ids: str | Column | None = None,
        sequences: npt.NDArray[Any] | Sequence[Steps | None] | None = None,
        lengths: npt.NDArray[Any] | Sequence[int] | None = None,
        neighbors: npt.NDArray[Any] | Sequence[Steps | None] | None = None,
        neighbor_counts: npt.NDArray[Any] | Sequence[int] | None = None,
        contexts: Sequence[Mapping[str, Value]] | None = None,
        extras: Sequence[str] = (),
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Scores:
        """Scores any number of entities, given one by one or as columns (see Columns), and answers in their order.

        The rows are cut into calls of at most 1,024 rows and 4 MiB, two of which are open per connection.
        ``timeout_seconds`` is each call's. With more than one call, their request ids are ``request_id``, a dash and
        the first row.

        What fails stays in its place: ``errors`` of the result has an EntityFailedError for a row that the server could
        not score, and for all rows of a call that failed after its retries the call's error. Only when no call at all
        got through is that error raised. InvalidRequestError for rows that no route could take is raised before
        anything is sent.
        """
        options = CallOptions(route=route, extras=extras, request_id=request_id, timeout_seconds=timeout_seconds)
        given = row_chunks(
            rows, entity_ids=entity_ids, sequences=sequences, lengths=lengths,
            neighbors=neighbors, neighbor_counts=neighbor_counts, contexts=contexts,
        )  # fmt: skip
        self._run(self._flows.schema(route, refresh=False, timeout_seconds=timeout_seconds))
        builder = ScoresBuilder(given.count)
        self._gather(chunk_flows(self._flows, options, given.chunks), builder)
        return builder.scores()

    def report_outcomes(
        self, route: str, outcomes: Iterable[Outcome], *, timeout_seconds: float | None = None
    ) -> OutcomesReport:
        """Reports what became of scored entities: any number of outcomes, kept on the server's disk when this returns.

            client.report_outcomes("credit", [Outcome("default", 1, prediction_id=score.prediction_id)])

        They are sent in their order, in calls of at most 10,000; ``timeout_seconds`` is each call's. Calls are retried,
        and all of it may be reported again after an error: of outcomes with one name and one prediction id, or one
        unit and window, the last counts. An outcome that the server refuses is in ``refused`` of the result. A call
        that fails raises its error, whose metadata has as ``accepted`` how many outcomes were kept before.
        """
        return self._run(report_flow(self._flows.retrying, route, outcomes, timeout_seconds=timeout_seconds))

    def get_comparison(
        self,
        route: str,
        *,
        since: Time | None = None,
        until: Time | None = None,
        baseline: str = "",
        metrics: Sequence[str] = (),
        alpha: float | None = None,
        maturity_days: float | None = None,
        covariate: str = "",
        segments: Sequence[str] = (),
        cut_offs: Sequence[float] = (),
        timeout_seconds: float | None = None,
    ) -> dict[str, Any]:
        """Compares the arms and shadows of a route by the journal and the outcomes of the server's host.

            report = client.get_comparison("credit", metrics=["default:rate:decrease"])

        The result is the JSON document of docs/reference/comparison.md. What is not given is taken from the route's
        ``experiment`` section. ``metrics`` are OUTCOME[/DENOMINATOR][:KIND[:DIRECTION]], the first one primary;
        ``segments`` and ``covariate`` are "feature.NAME" or "context.KEY". ``timeout_seconds`` is 60 by default.
        """
        options = ComparisonOptions(
            since, until, baseline, metrics, alpha, maturity_days, covariate, segments, cut_offs
        )
        return self._run(comparison_flow(self._flows.retrying, route, options, timeout_seconds=timeout_seconds))

    def schema(self, route: str, *, refresh: bool = False, timeout_seconds: float | None = None) -> RouteSchema:
        """The route's schema; fetched once, unless ``refresh``."""
        return self._run(self._flows.schema(route, refresh=refresh, timeout_seconds=timeout_seconds))

    def status(self, *, timeout_seconds: float | None = None) -> ServerStatus:
        """The routes and models that the server has loaded, and why others are not."""
        return self._run(self._flows.status(timeout_seconds=timeout_seconds))

    def health(self, service: str = "", *, timeout_seconds: float | None = None) -> Health:
        """The health of the server, or of one of its services. Not retried."""
        return self._run(self._flows.health(service, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        """Closes the connections; open calls raise ClosedError."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[_T]) -> _T:
        return run(flow, self._transport)

    def _gather(self, flows: Iterator[ChunkFlow], builder: ScoresBuilder) -> None:
        first, second = next(flows, None), next(flows, None)
        if first is None or second is None:
            builder.add([] if first is None else self._run(first))
            return
        with ThreadPoolExecutor(self._most_open, thread_name_prefix="scoreline") as pool:
            underway: deque[Future[Sequence[ScoredRows]]] = deque()
            for flow in chain((first, second), flows):
                if len(underway) == self._most_open:
                    builder.add(underway.popleft().result())
                underway.append(pool.submit(self._run, flow))
            for future in underway:
                builder.add(future.result())
