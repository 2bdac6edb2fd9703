"""The client for asyncio."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy.typing as npt

from scoreline.aio_deciding_client import AsyncDecidingClient
from scoreline.batching.asyncio_driver import AioCoalescer
from scoreline.batching.event_outcomes import OnRefused
from scoreline.batching.event_queue import MAX_QUEUED_EVENTS, EventQueue
from scoreline.batching.event_tasks import AioEventSender
from scoreline.batching.policy import OPEN_PER_CONNECTION
from scoreline.calls.call_options import CallOptions
from scoreline.calls.chunks import chunk_flows
from scoreline.calls.comparison_calls import ComparisonOptions, comparison_flow
from scoreline.calls.event_calls import forget_flow, profile_flow
from scoreline.calls.flows import Flows, schema_of_policy
from scoreline.calls.outcome_calls import report_flow
from scoreline.calls.retry import RetryPolicy
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.scores_builder import ScoresBuilder
from scoreline.calls.transport import AsyncTransport, Flow, run_async
from scoreline.channel.channels import Metadata, endpoint
from scoreline.channel.grpc_transport import AioTransport
from scoreline.channel.tls import TlsOptions
from scoreline.client import DEFAULT_TIMEOUT_SECONDS
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


class AsyncClient(AsyncDecidingClient):
    """Scores entities by a Scoreline server, on one asyncio event loop; make one per loop and keep it.

        async with scoreline.AsyncClient("scoring.internal:50051") as client:
            score = await client.score("credit", {"income": 4200.0, "status": "employed"}, entity_id="c-17")

    Options and methods are those of Client. A call that its caller cancels, by ``asyncio.timeout`` for example, ends
    with CancelledError and is never retried.
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
        transport: AsyncTransport | None = None,
    ) -> None:
        place = endpoint(target, tls=tls, metadata=metadata, connections=connections)
        self._transport = transport or AioTransport(place)
        self._flows = Flows(RetryingCalls(timeout_seconds=timeout_seconds, retry=retry))
        self._policies = Flows(self._flows.retrying, ask=schema_of_policy)
        self._most_open = OPEN_PER_CONNECTION * connections
        self._coalescer = AioCoalescer(self._flows, self._transport, max_open=self._most_open) if coalesce else None
        self._events = AioEventSender(
            self._flows.retrying,
            self._transport,
            queue=EventQueue(max_events=max_queued_events),
            on_refused=on_refused_events,
        )

    async def score(
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
        """Scores one entity, as Client.score does."""
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        options = CallOptions(
            route=route, extras=extras, request_id=request_id, timeout_seconds=timeout_seconds,
            reasons=reasons, language=language,
        )  # fmt: skip
        if self._coalescer is None or request_id is not None:
            return await self._run(self._flows.score(options, entity))
        return await self._coalescer.score(options, entity)

    async def score_many(
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
        """Scores any number of entities in their order, as Client.score_many does."""
        options = CallOptions(
            route=route, extras=extras, request_id=request_id, timeout_seconds=timeout_seconds,
            reasons=reasons, language=language,
        )  # fmt: skip
        given = row_chunks(
            rows, entity_ids=entity_ids, sequences=sequences, lengths=lengths,
            neighbors=neighbors, neighbor_counts=neighbor_counts, contexts=contexts, events=events,
        )  # fmt: skip
        await self._run(self._flows.schema(route, refresh=False, timeout_seconds=timeout_seconds))
        builder = ScoresBuilder(given.count)
        async for parts in self._each(chunk_flows(self._flows, options, given.chunks)):
            builder.add(parts)
        return builder.scores()

    async def record(
        self, profile: str, entity_id: EntityId, event: EventLike, *, timeout_seconds: float | None = None
    ) -> str:
        """Records an event of an entity, as Client.record does."""
        return await self._events.record(profile, entity_id, Event.of(event), timeout_seconds=timeout_seconds)

    async def flush_events(self, *, timeout_seconds: float | None = None) -> EventsReport:
        """Waits until every recorded event has its answer, as Client.flush_events does."""
        return await self._events.flush(timeout_seconds=timeout_seconds)

    async def profile(
        self,
        profile: str,
        entity_id: EntityId,
        *,
        time: Time | None = None,
        event: EventLike | None = None,
        timeout_seconds: float | None = None,
    ) -> EntityProfile:
        """Reads the profile of an entity, as Client.profile does."""
        return await self._run(
            profile_flow(
                self._flows.retrying, profile, entity_id, time=time, event=event, timeout_seconds=timeout_seconds
            )
        )

    async def forget(
        self, entity_id: EntityId, *, profile: str | None = None, timeout_seconds: float | None = None
    ) -> Forgotten:
        """Removes an entity from a profile or from all, as Client.forget does."""
        return await self._run(
            forget_flow(self._flows.retrying, entity_id, profile=profile, timeout_seconds=timeout_seconds)
        )

    async def report_outcomes(
        self, route: str, outcomes: Iterable[Outcome], *, timeout_seconds: float | None = None
    ) -> OutcomesReport:
        """Reports what became of scored entities, as Client.report_outcomes does."""
        return await self._run(report_flow(self._flows.retrying, route, outcomes, timeout_seconds=timeout_seconds))

    async def get_comparison(
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
        """Compares the arms and shadows of a route, as Client.get_comparison does."""
        options = ComparisonOptions(
            since, until, baseline, metrics, alpha, maturity_days, covariate, segments, cut_offs
        )
        return await self._run(comparison_flow(self._flows.retrying, route, options, timeout_seconds=timeout_seconds))

    async def schema(self, route: str, *, refresh: bool = False, timeout_seconds: float | None = None) -> RouteSchema:
        """The route's schema; fetched once, unless ``refresh``."""
        return await self._run(self._flows.schema(route, refresh=refresh, timeout_seconds=timeout_seconds))

    async def policy_schema(
        self, policy: str, *, refresh: bool = False, timeout_seconds: float | None = None
    ) -> RouteSchema:
        """The schema of a policy's route; fetched once, unless ``refresh``."""
        return await self._run(self._policies.schema(policy, refresh=refresh, timeout_seconds=timeout_seconds))

    async def status(self, *, timeout_seconds: float | None = None) -> ServerStatus:
        """The routes and models that the server has loaded, and why others are not."""
        return await self._run(self._flows.status(timeout_seconds=timeout_seconds))

    async def health(self, service: str = "", *, timeout_seconds: float | None = None) -> Health:
        """The health of the server, or of one of its services. Not retried."""
        return await self._run(self._flows.health(service, timeout_seconds=timeout_seconds))

    async def close(self) -> None:
        """Sends the events that are queued, then closes the connections, as Client.close does."""
        try:
            await self._events.close()
        finally:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An error of the block is not hidden by that of a flush.
        with suppress(ScorelineError) if error else nullcontext():
            await self.close()

    async def _run(self, flow: Flow[_T]) -> _T:
        return await run_async(flow, self._transport)

    async def _each(self, flows: Iterator[Flow[_T]]) -> AsyncIterator[_T]:
        """The results of flows in their order, a few of which are under way at once."""
        underway: deque[asyncio.Task[_T]] = deque()
        try:
            for flow in flows:
                if len(underway) == self._most_open:
                    yield await underway[0]
                    underway.popleft()
                underway.append(asyncio.create_task(self._run(flow)))
            for task in underway:
                yield await task
        finally:
            for task in underway:
                task.cancel()
            await asyncio.gather(*underway, return_exceptions=True)
