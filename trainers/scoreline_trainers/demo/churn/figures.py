"""The figures of the demo: newcomers, clicks, offers and attacks. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.demo.churn.calls import Compared, Decided
from scoreline_trainers.demo.churn.subscribers import Subscriber
from scoreline_trainers.demo.serving import Served
from scoreline_trainers.evaluation.metrics import auc

NO_OFFER = "none"
ATTACKED = "attacked"
"""The rule of the policy for rows that an arm's detectors flag."""
MONTHS, COSTS = 12.0, {"none": 0.0, "discount_10": 0.6, "upgrade": 0.4}
"""What a customer who stays is worth and what each offer costs, in monthly fees, as the policy has them."""


@dataclass(frozen=True, slots=True)
class Arm:
    """How one arm scores the subscribers that it gets.

    Attributes:
        auc: of leaving without an offer; None where all leave or all stay.
        p99_ms: that the callers of Decide waited.
    """

    arm: str
    subscribers: int
    newcomers: int
    auc: float | None
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Clicks:
    """The stream of events: how many were kept, and how many a second."""

    past: int
    live: int
    live_per_second: float


@dataclass(frozen=True, slots=True)
class Offers:
    """What-if over the wavering subscribers.

    Attributes:
        scenarios: interventions that were scored.
        recommended: how often each offer is the best.
        worth: what the recommended offers are worth by the true responses, less their cost, beside no offers at all.
        worth_of_one: the same of the best single offer for everybody.
        scenario_p50_ms, scenario_p99_ms: of a scenario, where its call is divided by its scenarios.
        call_p99_ms: of a call.
    """

    subscribers: int
    scenarios: int
    recommended: Mapping[str, int]
    worth: float
    worth_of_one: float
    scenario_p50_ms: float
    scenario_p99_ms: float
    call_p99_ms: float


@dataclass(frozen=True, slots=True)
class Attacks:
    """Invented numbers beside honest ones.

    Attributes:
        detected: share of the attacks that the policy flags.
        false_alarms: share of the honest subscribers that it flags.
        auc: of the anomaly score, attacks against honest ones.
        p50_ms, p99_ms: of Decide with the flag.
    """

    sent: int
    detected: float
    false_alarms: float
    auc: float | None
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class ChurnReport:
    """The result of the demo; ``problems`` is empty where no call failed and the control got no action."""

    subscribers: int
    clicks: Clicks
    arms: tuple[Arm, ...]
    actions: Mapping[str, int]
    offers: Offers
    attacks: Attacks
    server: Served | None
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


def arms_of(decided: Sequence[Decided]) -> tuple[Arm, ...]:
    """The arms by name."""
    by_arm: dict[str, list[Decided]] = {}
    for each in decided:
        if each.decision.score is not None:
            by_arm.setdefault(each.decision.score.arm, []).append(each)
    return tuple(_arm(name, found) for name, found in sorted(by_arm.items()))


def actions_of(decided: Sequence[Decided]) -> dict[str, int]:
    """How often each action was taken."""
    return dict(sorted(Counter(each.decision.action for each in decided).items()))


def offers_of(compared: Sequence[Compared]) -> Offers:
    """What what-if recommends, and what that is worth."""
    counts = [max(1, len(each.result.scenarios)) for each in compared]
    each_ms = [one.milliseconds / count for one, count in zip(compared, counts, strict=True)]
    single = [sum(_worth(one.subscriber, offer) for one in compared) for offer in COSTS]
    return Offers(
        subscribers=len(compared),
        scenarios=sum(len(each.result.scenarios) for each in compared),
        recommended=dict(sorted(Counter(each.offer for each in compared).items())),
        worth=round(sum(_worth(each.subscriber, each.offer) for each in compared), 2),
        worth_of_one=round(max(single, default=0.0), 2),
        scenario_p50_ms=_percentile(each_ms, 50),
        scenario_p99_ms=_percentile(each_ms, 99),
        call_p99_ms=_percentile([each.milliseconds for each in compared], 99),
    )


def attacks_of(honest: Sequence[Decided], sent: Sequence[Decided], usual: Float64, moved: Float64) -> Attacks:
    """How attacks are told from honest subscribers; ``usual`` and ``moved`` are their anomaly scores."""
    waits = [each.milliseconds for each in sent]
    known = [usual[~np.isnan(usual)], moved[~np.isnan(moved)]]
    label = np.repeat([0, 1], [len(known[0]), len(known[1])]).astype(np.int8)
    return Attacks(
        sent=len(sent),
        detected=_flagged(sent),
        false_alarms=_flagged(honest),
        auc=_auc(label, np.concatenate(known)),
        p50_ms=_percentile(waits, 50),
        p99_ms=_percentile(waits, 99),
    )


def _arm(name: str, decided: Sequence[Decided]) -> Arm:
    label = np.array([each.subscriber.churned[NO_OFFER] for each in decided], np.int8)
    score = np.array([each.decision.score.score if each.decision.score else np.nan for each in decided])
    return Arm(
        arm=name,
        subscribers=len(decided),
        newcomers=sum(each.subscriber.is_new for each in decided),
        auc=_auc(label, score),
        p99_ms=_percentile([each.milliseconds for each in decided], 99),
    )


def _auc(label: Any, score: Float64) -> float | None:
    return round(auc(label, score), 4) if 0 < int(label.sum()) < len(label) else None


def _worth(subscriber: Subscriber, offer: str) -> float:
    """What an offer is worth by the true responses, in money, less its cost."""
    fee = float(subscriber.features["monthly_fee"])
    kept = int(subscriber.churned[NO_OFFER]) - int(subscriber.churned[offer])
    return fee * (MONTHS * kept - COSTS[offer])


def _flagged(decided: Sequence[Decided]) -> float:
    return float(np.mean([each.decision.rule == ATTACKED for each in decided])) if decided else 0.0


def _percentile(values: Sequence[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 2) if values else 0.0
