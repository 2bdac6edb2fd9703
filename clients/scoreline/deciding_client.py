"""The methods of the client for threads that decide: actions by policies, what-if and recourse."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
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


class DecidingClient(ABC):
    """The base of Client with its calls of DecisionService."""

    _flows: Flows
    _policies: Flows

    @abstractmethod
    def _run(self, flow: Flow[_T]) -> _T:
        """The result of a flow."""

    @abstractmethod
    def _each(self, flows: Iterator[Flow[_T]]) -> Iterator[_T]:
        """The results of flows in their order."""

    def decide(
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
        """Scores one entity and decides what to do about it by a policy.

            decision = client.decide("guardian", entity_id="c-17", event={"type": "purchase", "amount": 89.9})

        The entity is given as for ``score``. ``reasons`` is how many reasons of the score to return, ``language`` that
        of message and reasons, and ``channel`` the one that the caller can act on; without them the policy says.
        ``trace`` asks how each rule decided. ``time`` is that of the decision where it is not now, for rehearsals on
        past events: limits and quiet hours go by it. ``request_id`` is the same on every retry, so that the limits of
        the policy are taken once; give one of your own where you repeat a call yourself within ten minutes.

        Where the server's store of limits does not answer, actions that have limits are not taken and stand in
        ``suppressed`` with kind "unreachable", unless the policy lets them act. Raises what ``score`` raises.
        """
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        call = CallOptions(route=policy, request_id=request_id, timeout_seconds=timeout_seconds)
        options = DecideOptions(call=call, reasons=reasons, language=language, channel=channel, trace=trace, time=time)
        return self._run(decide_flow(self._policies, options, entity))

    def decide_many(
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
        """Decides for any number of entities, given as for ``score_many``, and answers in their order.

        The rows are cut into calls of at most 256. What fails stays in its place, as a Decision with its ``error``;
        only when no call at all got through is the first error raised.
        """
        call = CallOptions(route=policy, request_id=request_id, timeout_seconds=timeout_seconds)
        options = DecideOptions(call=call, reasons=reasons, language=language, channel=channel, trace=trace, time=time)
        given = row_chunks(
            rows, entity_ids=entity_ids, sequences=sequences, lengths=lengths,
            neighbors=neighbors, neighbor_counts=neighbor_counts, contexts=contexts, events=events,
        )  # fmt: skip
        self._run(self._policies.schema(policy, refresh=False, timeout_seconds=timeout_seconds))
        return in_order(chain.from_iterable(self._each(decide_flows(self._policies, options, given.chunks))))

    def what_if(
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
        """Compares what interventions would change for one entity: alone, together, and the best within a budget.

            found = client.what_if("churn", {"monthly_fee": 70.0}, entity_id="c-17", budget=20.0)

        The entity is given as for ``score``. ``interventions`` names those of the policy, by default all; ``ad_hoc``
        adds others, such as ``{"discount": {"multiply": {"monthly_fee": 0.9}, "cost": 5}}``; ``scenarios`` are sets to
        score together. ``most`` is how many the best set may have. ``benefit`` is the worth of a change of the score by
        one and ``goal`` the wanted direction, by default as the policy says. ``path`` asks for the steps to the best
        set. Nothing is journaled. Raises what ``score`` raises.
        """
        call = what_if_call(
            policy, interventions=interventions, ad_hoc=ad_hoc, scenarios=scenarios, budget=budget, most=most,
            benefit=benefit, goal=goal, path=path,
        )  # fmt: skip
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        return self._run(change_flow(self._policies, call, entity, timeout_seconds))

    def what_if_many(
        self, policy: str, entities: Sequence[Entity], *, timeout_seconds: float | None = None, **asked: Any
    ) -> list[WhatIf]:
        """Compares interventions for entities in their order; takes what ``what_if`` takes beside the entity.

        What fails stays in its place, as a WhatIf with its ``error``.
        """
        call = what_if_call(policy, **asked)
        return self._run(changes_flow(self._policies, call, entities, timeout_seconds))

    def recourse(
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
        """Finds the cheapest changes of one entity's inputs that reach a band, or a score.

            found = client.recourse(route="credit", features={"income": 900.0, "debt": 4000.0}, band="low")

        The entity is given as for ``score``. What may change is as the ``policy`` says, or the contracts of the
        ``route``'s models. ``most`` ways are returned, 3 by default, each with ``most_changes`` changes at most, 4 by
        default; ``fixed`` names further features that stay. Every way is proven by the model that serves. Nothing is
        journaled. Raises what ``score`` raises.
        """
        call = recourse_call(
            policy=policy, route=route, band=band, at_most=at_most, at_least=at_least, most=most,
            most_changes=most_changes, fixed=fixed, engine=engine,
        )  # fmt: skip
        entity = Entity(
            entity_id=entity_id, features=features, sequence=sequence, neighbors=neighbors, context=context, event=event
        )
        flows = self._flows if policy is None else self._policies
        return self._run(change_flow(flows, call, entity, timeout_seconds))

    def recourse_many(
        self,
        entities: Sequence[Entity],
        *,
        policy: str | None = None,
        route: str | None = None,
        timeout_seconds: float | None = None,
        **asked: Any,
    ) -> list[Recourse]:
        """Finds changes for entities in their order; takes what ``recourse`` takes beside the entity.

        What fails stays in its place, as a Recourse with its ``error``.
        """
        call = recourse_call(policy=policy, route=route, **asked)
        flows = self._flows if policy is None else self._policies
        return self._run(changes_flow(flows, call, entities, timeout_seconds))
