"""The calls of the demo: clicks as a stream, decisions, and what offers would change."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

import scoreline
from scoreline import Decision, Entity, Event, FeatureKind, Scores, WhatIf
from scoreline_trainers.demo.churn.subscribers import PROFILE, Subscriber

POLICY, ROUTE = "churn", "churn"
ANOMALY = "anomaly_score"
CALLERS = 2

Value = str | float | bool | None
_Given = TypeVar("_Given")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Decided:
    """A subscriber with the decision about them, and the ``milliseconds`` that its caller waited."""

    subscriber: Subscriber
    decision: Decision
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A subscriber with what each offer would change, and the ``milliseconds`` that its caller waited."""

    subscriber: Subscriber
    result: WhatIf
    milliseconds: float

    @property
    def offer(self) -> str:
        """The offer of the highest net value; "none" where none is worth its cost."""
        best = self.result.best_single
        return best.interventions[0] if best is not None else "none"


class Calls:
    """Calls a server from a few threads."""

    def __init__(self, client: scoreline.Client) -> None:
        self._client = client
        self.failures: list[str] = []

    def record(self, events: Sequence[tuple[str, Event]]) -> float:
        """Records events; returns the seconds until all were kept."""
        begun = time.perf_counter()
        for name, event in events:
            self._client.record(PROFILE, name, event)
        refused = self._client.flush_events().refused
        self.failures += [f"an event was refused: {each}" for each in refused]
        return time.perf_counter() - begun

    def decide(self, people: Sequence[Subscriber], sent: Sequence[Mapping[str, Value]]) -> list[Decided]:
        """Decides for people with the features that are sent of them, one by one."""

        def ask(pair: tuple[Subscriber, Mapping[str, Value]]) -> Decided:
            begun = time.perf_counter()
            decision = self._client.decide(POLICY, pair[1], entity_id=pair[0].customer_id)
            return Decided(pair[0], decision, 1000 * (time.perf_counter() - begun))

        return self._answers(ask, list(zip(people, sent, strict=True)))

    def what_if(self, people: Sequence[Subscriber]) -> list[Compared]:
        """Compares the offers for people, one by one."""

        def ask(subscriber: Subscriber) -> Compared:
            begun = time.perf_counter()
            result = self._client.what_if(POLICY, subscriber.features, entity_id=subscriber.customer_id)
            return Compared(subscriber, result, 1000 * (time.perf_counter() - begun))

        return self._answers(ask, people)

    def numbers(self, people: Sequence[Subscriber]) -> list[dict[str, float]]:
        """The numbers that a model sees of each: those that are sent, and those of the profile that are known."""
        taken = {feature.name for feature in self._client.schema(ROUTE).features if feature.kind is FeatureKind.NUMBER}

        def ask(subscriber: Subscriber) -> dict[str, float]:
            known = {**self._client.profile(PROFILE, subscriber.customer_id).features, **subscriber.features}
            return {name: float(value) for name, value in known.items() if name in taken and value is not None}

        return self._answers(ask, people)

    def scores(self, people: Sequence[Subscriber], sent: Sequence[Mapping[str, Value]]) -> Scores:
        """The scores of people as they are sent, with the anomaly score of arms that have one."""
        pairs = zip(people, sent, strict=True)
        entities = [Entity(entity_id=each.customer_id, features=features) for each, features in pairs]
        scores = self._client.score_many(ROUTE, entities, extras=[ANOMALY])
        self.failures += [str(error) for error in scores.errors.values()]
        return scores

    def _answers(self, ask: Callable[[_Given], _Answer], given: Sequence[_Given]) -> list[_Answer]:
        """The answers of calls from a few threads, in order; a call that fails has none."""

        def tried(one: _Given) -> list[_Answer]:
            try:
                return [ask(one)]
            except scoreline.ScorelineError as error:
                self.failures.append(str(error))
                return []

        with ThreadPoolExecutor(CALLERS) as pool:
            return list(chain.from_iterable(pool.map(tried, given)))
