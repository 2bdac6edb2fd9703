"""The client for threads."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy.typing as npt

from scoreline.batching.event_outcomes import OnRefused
from scoreline.batching.event_queue import MAX_QUEUED_EVENTS, EventQueue
from scoreline.batching.event_threads import EventSender
from scoreline.batching.policy import OPEN_PER_CONNECTION
from scoreline.batching.threading_driver import Coalescer
from scoreline.calls.call_options import CallOptions
from scoreline.calls.chunks import chunk_flows
from scoreline.calls.comparison_calls import ComparisonOptions, comparison_flow
from scoreline.calls.event_calls import forget_flow, profile_flow
from scoreline.calls.flows import Flows, schema_of_policy
from scoreline.calls.outcome_calls import report_flow
from scoreline.calls.retry import RetryPolicy
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.scores_builder import ScoresBuilder
from scoreline.calls.transport import Flow, Transport, run
from scoreline.channel.channels import Metadata, endpoint
from scoreline.channel.grpc_transport import GrpcTransport
from scoreline.channel.tls import TlsOptions
from scoreline.deciding_client import DecidingClient
from scoreline.decoding.profiles import EntityProfile, EventsReport, Forgotten
from scoreline.decoding.results import Score, Scores
from scoreline.encoding.entities import NO_CONTEXT, NO_FEATURES, Entity, EntityId, Steps, Value
from scoreline.encoding.events import Event, EventLike
from scoreline.encoding.row_chunks import RowsLike, row_chunks
from scoreline.encoding.tables import Column
from scoreline.errors import ScorelineError
from scoreline.fields import Time
from scoreline.outcomes import Outcome, OutcomesReport
from scoreline.schema import RouteSchema
from scoreline.status import Health, ServerStatus

_T = TypeVar("_T")

DEFAULT_TIMEOUT_SECONDS = 5.0


class Client(DecidingClient):
    """Scores entities by a Scoreline server. Safe for threads; make one per process and keep it.

        with scoreline.Client("scoring.internal:50051") as client:
            score = client.score("credit", {"income": 4200.0, "status": "employed"}, entity_id="c-17")

    ``target`` is a host, host:port or gRPC target; without it SCORELINE_SERVER or 127.0.0.1:50051. The first call
    connects. Every call ends within ``timeout_seconds``, its retries included. ``metadata`` is sent with every call.
    Several ``connections`` spread the load over a server's worker processes. A ``transport`` replaces gRPC.
    ``on_refused_events`` is given recorded events that the server did not keep, on a thread of the client.

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
        max_queued_events: int = MAX_QUEUED_EVENTS,
        on_refused_events: OnRefused | None = None,
        transport: Transport | None = None,
    ) -> None:
        place = endpoint(target, tls=tls, metadata=metadata, connections=connections)
        self._transport = transport or GrpcTransport(place)
        self._flows = Flows(RetryingCalls(timeout_seconds=timeout_seconds, retry=retry))
        self._policies = Flows(self._flows.retrying, ask=schema_of_policy)
        self._most_open = OPEN_PER_CONNECTION * connections
        self._coalescer = Coalescer(self._flows, self._transport, max_open=self._most_open) if coalesce else None
        self._events = EventSender(
            self._flows.retrying,
            self._transport,
            queue=EventQueue(max_events=max_queued_events),
            on_refused=on_refused_events,
        )

    def score(
        self,
        route: str,
        features: Mapping[str, Value] = NO_FEATURES,
        *,
        entity_id: EntityId = "",
        sequence: Steps | None = None,
        neighbors: Steps | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
        event: EventLike | None = None,
        extras: Sequence[str] = (),
        reasons: int = 0,
        language: str = "",
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Score:
        """Scores one entity.

        A feature that is absent, None or NaN is missing; a flag counts as 1 or 0. ``sequence`` is a mapping per step,
        oldest first, or an array [T, S]; ``neighbors`` a mapping per neighbour, or an array [K, G]. ``context`` holds
        facts that rules read. ``extras`` names extra outputs. ``event`` is the event at hand, for routes that read
        profiles: it is compared with the entity's past, and its fields are features; it is not recorded. ``reasons``
        is how many of the inputs that moved the score most to return, from 0 to 20, in words of ``language``.
        ``request_id`` is the same on every retry, so that the journal's readers count the call once.

        Raises EntityFailedError when the server cannot score this entity, InvalidRequestError for unknown names and
        wrong types (before anything is sent), and the other errors of ``scoreline.errors``.
        """
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        options = CallOptions(
            route=route, extras=extras, request_id=request_id, timeout_seconds=timeout_seconds,
            reasons=reasons, language=language,
        )  # fmt: skip
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
        events: Sequence[EventLike | None] | None = None,
        extras: Sequence[str] = (),
        reasons: int = 0,
        language: str = "",
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Scores:
        """Scores any number of entities, given one by one or as columns (see Columns), and answers in their order.

        The rows are cut into calls of at most 1,024 rows (64 with ``reasons``) and 4 MiB, two of which are open per
        connection.
        ``timeout_seconds`` is each call's. With more than one call, their request ids are ``request_id``, a dash and
        the first row.

        What fails stays in its place: ``errors`` of the result has an EntityFailedError for a row that the server could
        not score, and for all rows of a call that failed after its retries the call's error. Only when no call at all
        got through is that error raised. InvalidRequestError for rows that no route could take is raised before
        anything is sent.
        """
        options = CallOptions(
            route=route, extras=extras, request_id=request_id, timeout_seconds=timeout_seconds,
            reasons=reasons, language=language,
        )  # fmt: skip
        given = row_chunks(
            rows, entity_ids=entity_ids, sequences=sequences, lengths=lengths,
            neighbors=neighbors, neighbor_counts=neighbor_counts, contexts=contexts, events=events,
        )  # fmt: skip
        self._run(self._flows.schema(route, refresh=False, timeout_seconds=timeout_seconds))
        builder = ScoresBuilder(given.count)
        for parts in self._each(chunk_flows(self._flows, options, given.chunks)):
            builder.add(parts)
        return builder.scores()

    def record(
        self, profile: str, entity_id: EntityId, event: EventLike, *, timeout_seconds: float | None = None
    ) -> str:
        """Records an event of an entity: queues it, sends it with others behind the scenes, and returns its id.

            client.record("spending", "c-17", {"type": "purchase", "amount": 42.0, "category": "food"})

        An event without a time happened now; one without an id gets a new one, with which it is sent again after a
        failed call, so that nothing counts twice. It is kept for certain once ``flush_events`` returns. Where
        ``max_queued_events`` wait for their answer, this waits for room until the timeout.

        Raises InvalidRequestError for values that no profile takes, and OverloadedError with reason EVENT_QUEUE_FULL.
        What the server refuses is given to ``on_refused_events`` and to the next report.
        """
        return self._events.record(profile, entity_id, Event.of(event), timeout_seconds=timeout_seconds)

    def flush_events(self, *, timeout_seconds: float | None = None) -> EventsReport:
        """Waits until every event that was recorded before has its answer, and returns what became of them.

        The report is of all events since the last one. Raises the error of the last call, or DeadlineError, when that
        takes longer than the timeout: the events stay queued and are sent again, so flush again later.
        """
        return self._events.flush(timeout_seconds=timeout_seconds)

    def profile(
        self,
        profile: str,
        entity_id: EntityId,
        *,
        time: Time | None = None,
        event: EventLike | None = None,
        timeout_seconds: float | None = None,
    ) -> EntityProfile:
        """Reads the features that a profile declares of an entity, as of a time or now.

        ``event`` is an event at hand, which is compared with the past and not recorded. Events that are still queued
        here are not in it: flush first. Raises InvalidRequestError for a time before what is stored.
        """
        return self._run(
            profile_flow(
                self._flows.retrying, profile, entity_id, time=time, event=event, timeout_seconds=timeout_seconds
            )
        )

    def forget(
        self, entity_id: EntityId, *, profile: str | None = None, timeout_seconds: float | None = None
    ) -> Forgotten:
        """Removes an entity from a profile, or from all and the journal; says what else still holds data of it."""
        return self._run(forget_flow(self._flows.retrying, entity_id, profile=profile, timeout_seconds=timeout_seconds))

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

    def policy_schema(self, policy: str, *, refresh: bool = False, timeout_seconds: float | None = None) -> RouteSchema:
        """The schema of a policy's route; fetched once, unless ``refresh``."""
        return self._run(self._policies.schema(policy, refresh=refresh, timeout_seconds=timeout_seconds))

    def status(self, *, timeout_seconds: float | None = None) -> ServerStatus:
        """The routes and models that the server has loaded, and why others are not."""
        return self._run(self._flows.status(timeout_seconds=timeout_seconds))

    def health(self, service: str = "", *, timeout_seconds: float | None = None) -> Health:
        """The health of the server, or of one of its services. Not retried."""
        return self._run(self._flows.health(service, timeout_seconds=timeout_seconds))

    def close(self) -> None:
        """Sends the events that are queued, then closes the connections; open calls raise ClosedError.

        Raises what ``flush_events`` raises; events that are not sent by then are lost.
        """
        try:
            self._events.close()
        finally:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An error of the block is not hidden by that of a flush.
        with suppress(ScorelineError) if error else nullcontext():
            self.close()

    def _run(self, flow: Flow[_T]) -> _T:
        return run(flow, self._transport)

    def _each(self, flows: Iterator[Flow[_T]]) -> Iterator[_T]:
        """The results of flows in their order, a few of which are under way at once."""
        first, second = next(flows, None), next(flows, None)
        if first is None or second is None:
            if first is not None:
                yield self._run(first)
            return
        with ThreadPoolExecutor(self._most_open, thread_name_prefix="scoreline") as pool:
            underway: deque[Future[_T]] = deque()
            for flow in chain((first, second), flows):
                if len(underway) == self._most_open:
                    yield underway.popleft().result()
                underway.append(pool.submit(self._run, flow))
            for future in underway:
                yield future.result()
