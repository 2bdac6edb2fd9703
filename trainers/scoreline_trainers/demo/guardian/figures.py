"""The figures of the demo: how well impulse buys are found, what was done about them, and what it saved. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scoreline import Decision
from scoreline_trainers.demo.guardian.stream import Decided
from scoreline_trainers.demo.serving import Served
from scoreline_trainers.synthetic.guardian import AVOIDED

NO_ACTION = "none"
ANY = "any action"
QUIET = "quiet_hours"
RULE = "impulse"
"""The rule of the policy for purchases above its cut."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Purchases above the policy's cut beside those that were planted as impulse buys.

    Attributes:
        precision: share of those above the cut that are impulse buys.
        recall: share of the impulse buys that are above the cut.
        false_alarms: share of those above the cut that are none.
        alarms_among_usual: share of the other purchases that are above the cut.
    """

    purchases: int
    impulse_buys: int
    flagged: int
    precision: float
    recall: float
    false_alarms: float
    alarms_among_usual: float

    @classmethod
    def of(cls, decided: Sequence[Decided]) -> "Detection":
        """Of decided purchases; a share of nothing is 0."""
        impulse = np.array([each.purchase.impulse for each in decided], np.bool_)
        flagged = np.array([each.decision.rule == RULE for each in decided], np.bool_)
        hits, alarms = int((impulse & flagged).sum()), int(flagged.sum())
        return cls(
            purchases=len(decided),
            impulse_buys=int(impulse.sum()),
            flagged=alarms,
            precision=_share(hits, alarms),
            recall=_share(hits, int(impulse.sum())),
            false_alarms=_share(alarms - hits, alarms),
            alarms_among_usual=_share(alarms - hits, int((~impulse).sum())),
        )


@dataclass(frozen=True, slots=True)
class Interventions:
    """What was done.

    Attributes:
        taken: how often each action was taken.
        withheld: how often each action was kept from the control.
        suppressed: how often each limit forbade an action.
        languages: messages by language.
        acted_on_control: actions that the control got, which must be none.
    """

    taken: Mapping[str, int]
    withheld: Mapping[str, int]
    suppressed: Mapping[str, int]
    languages: Mapping[str, int]
    acted_on_control: int

    @classmethod
    def of(cls, decided: Sequence[Decided]) -> "Interventions":
        """Of decided purchases."""
        decisions = [each.decision for each in decided]
        return cls(
            taken=_counts(each.action for each in decisions if each.acts),
            withheld=_counts(each.withheld_action for each in decisions if each.withheld_action not in ("", "none")),
            suppressed=_counts(limit.limit for each in decisions for limit in each.suppressed),
            languages=_counts(each.language for each in decisions if each.message),
            acted_on_control=sum(each.is_control and each.acts for each in decisions),
        )


@dataclass(frozen=True, slots=True)
class Money:
    """The money of the buyers.

    Attributes:
        spent: on all purchases that were made.
        regretted: on those that were regretted.
        saved: on purchases that an intervention stopped and that would have been regretted.
        costs: of the interventions.
        saved_a_year: per cardholder who may get interventions.
    """

    spent: float
    regretted: float
    saved: float
    costs: float
    saved_a_year: float

    @classmethod
    def of(cls, decided: Sequence[Decided], *, weeks: int) -> "Money":
        """Of the decided purchases of some weeks."""
        treated = {each.purchase.customer_id for each in decided if not each.decision.is_control}
        saved = sum(each.purchase.amount for each in decided if each.avoided)
        return cls(
            spent=round(sum(each.purchase.amount for each in decided if not each.avoided), 2),
            regretted=round(sum(each.purchase.amount for each in decided if each.regretted), 2),
            saved=round(saved, 2),
            costs=round(sum(each.decision.cost for each in decided), 2),
            saved_a_year=round(_share(saved, len(treated)) * 52 / weeks, 2),
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of an action on the rate of regrets, against the control.

    Attributes:
        value, low, high: the difference of rates with its interval, as the server's journal has it, for the one look
            at the end.
        always_valid: the interval that holds at every look, or why there is none.
        truth: the same from the outcomes of all actions, which only the simulation knows.
    """

    action: str
    value: float
    low: float
    high: float
    always_valid: tuple[float, float] | str
    truth: float


@dataclass(frozen=True, slots=True)
class GuardianReport:
    """The result of the demo; ``problems`` is empty where no call failed and the control got no action."""

    cardholders: int
    weeks: int
    detection: Detection
    interventions: Interventions
    money: Money
    effects: tuple[Effect, ...]
    decide_p50_ms: float
    decide_p99_ms: float
    example: str
    server: Served | None
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)


def known_effect(decided: Sequence[Decided], action: str) -> float:
    """By how much an action changes the rate of regrets of the treated cases in which it, or ANY, ranked first.

    A limit may have forbidden it in some of them, as in what the control is compared with.
    """
    changes = [
        each.regretted - each.purchase.regretted[NO_ACTION]
        for each in decided
        if not each.decision.is_control and _first(each.decision) in _named(action)
    ]
    return _share(sum(changes), len(changes))


def problems_of(decided: Sequence[Decided], interventions: Interventions, failures: Sequence[str]) -> tuple[str, ...]:
    """What must not be."""
    found = [f"{len(failures)} calls failed, such as: {failures[0]}"] if failures else []
    if interventions.acted_on_control:
        found.append(f"the control got {interventions.acted_on_control} actions")
    unknown = {each.decision.action for each in decided} - set(AVOIDED)
    found += [f"an action that the policy does not have: {name}" for name in sorted(unknown)]
    return tuple(found)


def _named(action: str) -> Collection[str]:
    return AVOIDED.keys() - {NO_ACTION} if action == ANY else (action,)


def _first(decision: Decision) -> str:
    """The action that ranked first; one that quiet hours forbid is not ranked."""
    refused = [each.action for each in decision.suppressed if each.kind != QUIET]
    return refused[0] if refused else decision.action


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
