"""The methods of the client for asyncio that decide: actions by policies, what-if and recourse."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy.typing as npt

from scoreline.calls.call_options import CallOptions
from scoreline.calls.change_calls import AdHoc, Goal, change_flow, changes_flow, recourse_call, what_if_call
from scoreline.calls.decision_calls import DecideOptions, decide_flow, decide_flows, in_order
from scoreline.calls.flows import Flows
from scoreline.calls.transport import Flow
from scoreline.decoding.changes import Recourse, WhatIf
from scoreline.decoding.decisions import Decision
from scoreline.encoding.entities import NO_CONTEXT, NO_FEATURES, Entity, EntityId, Steps, Value
from scoreline.encoding.events import EventLike
from scoreline.encoding.row_chunks import RowsLike, row_chunks
from scoreline.encoding.tables import Column
from scoreline.fields import Time

_T = TypeVar("_T")


class AsyncDecidingClient(ABC):
    """The base of AsyncClient with its calls of DecisionService."""

    _flows: Flows
    _policies: Flows

    @abstractmethod
    async def _run(self, flow: Flow[_T]) -> _T:
        """The result of a flow."""

    @abstractmethod
    def _each(self, flows: Iterator[Flow[_T]]) -> AsyncIterator[_T]:
        """The results of flows in their order."""

    async def decide(
        self,
        policy: str,
        features: Mapping[str, Value] = NO_FEATURES,
        *,
        entity_id: EntityId = "",
        sequence: Steps | None = None,
        neighbors: Steps | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
        event: EventLike | None = None,
        reasons: int = 0,
        language: str = "",
        channel: str = "",
        trace: bool = False,
        time: Time | None = None,
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Decision:
        """Decides for one entity, as Client.decide does."""
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        call = CallOptions(route=policy, request_id=request_id, timeout_seconds=timeout_seconds)
        options = DecideOptions(call=call, reasons=reasons, language=language, channel=channel, trace=trace, time=time)
        return await self._run(decide_flow(self._policies, options, entity))

    async def decide_many(
        self,
        policy: str,
        rows: RowsLike,
        *,
        entity_ids: str | Column | None = None,
        sequences: npt.NDArray[Any] | Sequence[Steps | None] | None = None,
        lengths: npt.NDArray[Any] | Sequence[int] | None = None,
        neighbors: npt.NDArray[Any] | Sequence[Steps | None] | None = None,
        neighbor_counts: npt.NDArray[Any] | Sequence[int] | None = None,
        contexts: Sequence[Mapping[str, Value]] | None = None,
        events: Sequence[EventLike | None] | None = None,
        reasons: int = 0,
        language: str = "",
        channel: str = "",
        trace: bool = False,
        time: Time | None = None,
        request_id: str | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Decision]:
        """Decides for any number of entities in their order, as Client.decide_many does."""
        call = CallOptions(route=policy, request_id=request_id, timeout_seconds=timeout_seconds)
        options = DecideOptions(call=call, reasons=reasons, language=language, channel=channel, trace=trace, time=time)
        given = row_chunks(
            rows, entity_ids=entity_ids, sequences=sequences, lengths=lengths,
            neighbors=neighbors, neighbor_counts=neighbor_counts, contexts=contexts, events=events,
        )  # fmt: skip
        await self._run(self._policies.schema(policy, refresh=False, timeout_seconds=timeout_seconds))
        flows = decide_flows(self._policies, options, given.chunks)
        return in_order([row async for rows in self._each(flows) for row in rows])

    async def what_if(
        self,
        policy: str,
        features: Mapping[str, Value] = NO_FEATURES,
        *,
        entity_id: EntityId = "",
        sequence: Steps | None = None,
        neighbors: Steps | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
        event: EventLike | None = None,
        interventions: Sequence[str] = (),
        ad_hoc: AdHoc | None = None,
        scenarios: Sequence[Sequence[str]] = (),
        budget: float | None = None,
        most: int | None = None,
        benefit: float | None = None,
        goal: Goal | None = None,
        path: bool = False,
        timeout_seconds: float | None = None,
    ) -> WhatIf:
        """Compares interventions for one entity, as Client.what_if does."""
        call = what_if_call(
            policy, interventions=interventions, ad_hoc=ad_hoc, scenarios=scenarios, budget=budget, most=most,
            benefit=benefit, goal=goal, path=path,
        )  # fmt: skip
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        return await self._run(change_flow(self._policies, call, entity, timeout_seconds))

    async def what_if_many(
        self, policy: str, entities: Sequence[Entity], *, timeout_seconds: float | None = None, **asked: Any
    ) -> list[WhatIf]:
        """Compares interventions for entities in their order, as Client.what_if_many does."""
        call = what_if_call(policy, **asked)
        return await self._run(changes_flow(self._policies, call, entities, timeout_seconds))

    async def recourse(
        self,
        policy: str | None = None,
        features: Mapping[str, Value] = NO_FEATURES,
        *,
        route: str | None = None,
        entity_id: EntityId = "",
        sequence: Steps | None = None,
        neighbors: Steps | None = None,
        context: Mapping[str, Value] = NO_CONTEXT,
        event: EventLike | None = None,
        band: str | None = None,
        at_most: float | None = None,
        at_least: float | None = None,
        most: int | None = None,
        most_changes: int | None = None,
        fixed: Sequence[str] = (),
        engine: str = "",
        timeout_seconds: float | None = None,
    ) -> Recourse:
        """Finds the cheapest changes that reach a target, as Client.recourse does."""
        call = recourse_call(
            policy=policy, route=route, band=band, at_most=at_most, at_least=at_least, most=most,
            most_changes=most_changes, fixed=fixed, engine=engine,
        )  # fmt: skip
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        flows = self._flows if policy is None else self._policies
        return await self._run(change_flow(flows, call, entity, timeout_seconds))

    async def recourse_many(
        self,
        entities: Sequence[Entity],
        *,
        policy: str | None = None,
        route: str | None = None,
        timeout_seconds: float | None = None,
        **asked: Any,
    ) -> list[Recourse]:
        """Finds changes for entities in their order, as Client.recourse_many does."""
        call = recourse_call(policy=policy, route=route, **asked)
        flows = self._flows if policy is None else self._policies
        return await self._run(changes_flow(flows, call, entities, timeout_seconds))
