"""The client for asyncio."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy.typing as npt

from scoreline.attempts import Attempts
from scoreline.batches import EntityBatch, batch_of
from scoreline.channels import Metadata, endpoint
from scoreline.client import DEFAULT_TIMEOUT_SECONDS, NO_CONTEXT, PARTS_IN_FLIGHT
from scoreline.entities import Columns, Entity, Steps, Value
from scoreline.flows import Ask, Flows, collect
from scoreline.grpc_transport import AioTransport
from scoreline.results import Score, Scores
from scoreline.retry import RetryPolicy
from scoreline.schema import RouteSchema
from scoreline.status import Health, ServerStatus
from scoreline.tls import TlsOptions
from scoreline.transport import AsyncTransport, Flow, run_async

_T = TypeVar("_T")


class AsyncClient:
    """Asks a Scoreline server for scores, from one asyncio event loop; make one per loop and keep it.

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
        transport: AsyncTransport | None = None,
    ) -> None:
        place = endpoint(target, tls=tls, metadata=metadata, connections=connections)
        self._transport = transport or AioTransport(place)
        self._flows = Flows(Attempts(timeout_seconds=timeout_seconds, retry=retry))
        self._parts_in_flight = PARTS_IN_FLIGHT * connections

    async def score(
        self,
        route: str,
        features: Mapping[str, Value],
        *,
        entity_id: str = "",
        sequence: Steps | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
        extras: Sequence[str] = (),
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Score:
        """Scores one entity, as Client.score does."""
        entity = Entity(entity_id=entity_id, features=features, sequence=sequence, context=context)
        ask = Ask(
            route=route,
            batch=EntityBatch((entity,)),
            extras=extras,
            request_id=request_id,
            timeout_seconds=timeout_seconds,
        )
        return await self._run(self._flows.score(ask))

    async def score_many(
        self,
        route: str,
        rows: Iterable[Entity] | Columns | Mapping[str, Any],
        *,
        entity_ids: Sequence[str] | npt.NDArray[Any] | None = None,
        sequences: npt.NDArray[Any] | Sequence[Steps | None] | None = None,
        lengths: npt.NDArray[Any] | Sequence[int] | None = None,
        contexts: Sequence[Mapping[str, Value]] | None = None,
        extras: Sequence[str] = (),
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Scores:
        """Scores any number of entities in their order, as Client.score_many does."""
        batch = batch_of(rows, entity_ids=entity_ids, sequences=sequences, lengths=lengths, contexts=contexts)
        ask = Ask(route=route, batch=batch, extras=extras, request_id=request_id, timeout_seconds=timeout_seconds)
        job = await self._run(self._flows.job(ask))
        return collect(await self._run_all(list(self._flows.parts(job))))

    async def schema(self, route: str, *, refresh: bool = False, timeout_seconds: float | None = None) -> RouteSchema:
        """What a route expects; asked for once, unless ``refresh``."""
        return await self._run(self._flows.schema(route, refresh=refresh, timeout_seconds=timeout_seconds))

    async def status(self, *, timeout_seconds: float | None = None) -> ServerStatus:
        """What the server has loaded, and why something is not."""
        return await self._run(self._flows.status(timeout_seconds=timeout_seconds))

    async def health(self, service: str = "", *, timeout_seconds: float | None = None) -> Health:
        """Whether the server, or one of its services, serves. Asked once, without retries."""
        return await self._run(self._flows.health(service, timeout_seconds=timeout_seconds))

    async def close(self) -> None:
        """Closes the connections; open calls raise ClosedError."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[_T]) -> _T:
        return await run_async(flow, self._transport)

    async def _run_all(self, flows: Sequence[Flow[_T]]) -> list[_T]:
        slots = asyncio.Semaphore(self._parts_in_flight)

        async def run_in_slot(flow: Flow[_T]) -> _T:
            async with slots:
                return await self._run(flow)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_in_slot(flow)) for flow in flows]
        return [task.result() for task in tasks]
