"""Streams purchases to a server: decides at each, records those that were made, and reports what became of them."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import scoreline
from scoreline import Decision, Outcome
from scoreline_trainers.demo.guardian.cardholders import Cardholders, Purchase, waves

PROFILE = "spending-guardian"
POLICY, ROUTE = "guardian", "guardian"
REGRETTED, MONEY, DISMISSED = "regretted", "value", "dismissed"
CALLERS = 2


@dataclass(frozen=True, slots=True)
class Decided:
    """A purchase with the decision about it, and the ``milliseconds`` that its caller waited."""

    purchase: Purchase
    decision: Decision
    milliseconds: float

    @property
    def regretted(self) -> bool:
        """Whether the buyer regrets the purchase, after the action that was taken."""
        return self.purchase.regretted[self.decision.action]

    @property
    def avoided(self) -> bool:
        """Whether the action kept the buyer from a purchase that would have been regretted."""
        return self.purchase.regretted["none"] and not self.regretted

    def outcomes(self) -> Iterator[Outcome]:
        """What becomes of it: a regret, its cost, and whether a nudge was dismissed that nobody needed."""
        case = self.decision.decision_id
        yield Outcome(REGRETTED, float(self.regretted), prediction_id=case)
        yield Outcome(MONEY, -self.purchase.amount * self.regretted, prediction_id=case)
        if self.decision.action == "nudge" and not self.purchase.impulse:
            yield Outcome(DISMISSED, 1, prediction_id=case)


class Stream:
    """Sends purchases from a few threads, in the order of their times for each buyer."""

    def __init__(self, client: scoreline.Client, cardholders: Cardholders) -> None:
        self._client, self._cardholders = client, cardholders
        self.failures: list[str] = []

    def record_past(self) -> None:
        """Records the purchases before the simulated days."""
        self._record(self._cardholders.past)

    def day(self, purchases: Sequence[Purchase]) -> list[Decided]:
        """Decides at each purchase of a day, records those that were not stopped, and reports their outcomes."""
        decided: list[Decided] = []
        with ThreadPoolExecutor(CALLERS) as pool:
            for wave in waves(purchases):
                found = [each for each in pool.map(self._decide, wave) if each is not None]
                self._record([each.purchase for each in found if not each.avoided])
                decided += found
        outcomes = [outcome for each in decided for outcome in each.outcomes()]
        refused = self._client.report_outcomes(ROUTE, outcomes).refused
        self.failures += [f"an outcome was refused: {each.message}" for each in refused]
        return decided

    def _decide(self, purchase: Purchase) -> Decided | None:
        begun = time.perf_counter()
        try:
            decision = self._client.decide(
                POLICY,
                entity_id=purchase.customer_id,
                event=purchase.event,
                context=self._cardholders.contexts[purchase.customer_id],
                time=purchase.moment,
            )
        except scoreline.ScorelineError as error:
            self.failures.append(str(error))
            return None
        return Decided(purchase, decision, 1000 * (time.perf_counter() - begun))

    def _record(self, purchases: Sequence[Purchase]) -> None:
        for purchase in purchases:
            self._client.record(PROFILE, purchase.customer_id, purchase.event)
        refused = self._client.flush_events().refused
        self.failures += [f"an event was refused: {each}" for each in refused]
