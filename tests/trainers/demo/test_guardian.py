"""The figures of the guardian's demo, from purchases whose outcome under every action is known."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from scoreline import Decision
from scoreline.decoding.decisions import Suppression
from scoreline_trainers.demo.guardian.cardholders import Cardholders, Purchase, waves
from scoreline_trainers.demo.guardian.figures import ANY, Detection, Interventions, Money, known_effect, problems_of
from scoreline_trainers.demo.guardian.stream import Decided

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def purchase(name: str = "h1", *, amount: float = 100.0, impulse: bool = True, pause: bool = False) -> Purchase:
    """A purchase that is regretted without an action; ``pause`` says whether a pause leaves it regretted."""
    regretted = {"none": impulse, "nudge": impulse, "pause": impulse and pause}
    return Purchase(f"p-{name}", name, NOON, amount, "games", "card", impulse, regretted)


def decided(
    bought: Purchase, action: str = "none", *, rule: str = "impulse", withheld: str = "", **said: object
) -> Decided:
    decision = Decision(
        decision_id="0-0",
        action=action,
        rule=rule,
        is_control=bool(withheld),
        withheld_action=withheld,
        **said,  # type: ignore[arg-type]
    )
    return Decided(bought, decision, 4.0)


def test_precision_and_recall_are_of_purchases_above_the_cut() -> None:
    usual = purchase("h2", impulse=False)
    found = Detection.of(
        [
            decided(purchase(), "pause"),
            decided(purchase("h3"), withheld="pause"),
            decided(purchase("h4"), rule="otherwise"),
            decided(usual, "nudge"),
            decided(usual, rule="otherwise"),
        ]
    )
    assert (found.purchases, found.impulse_buys, found.flagged) == (5, 3, 3)
    assert (found.precision, found.recall) == pytest.approx((2 / 3, 2 / 3))
    assert (found.false_alarms, found.alarms_among_usual) == pytest.approx((1 / 3, 1 / 2))


def test_what_is_saved_are_regrets_that_an_action_avoided() -> None:
    every = [
        decided(purchase(amount=100.0), "pause", cost=0.5),
        decided(purchase("h2", amount=50.0, pause=True), "pause", cost=0.5),
        decided(purchase("h3", amount=30.0), withheld="pause"),
    ]
    money = Money.of(every, weeks=4)
    assert (money.saved, money.regretted, money.spent, money.costs) == (100.0, 80.0, 80.0, 1.0)
    assert money.saved_a_year == pytest.approx(100 / 2 * 13)


def test_the_known_effect_is_of_treated_cases_in_which_the_action_ranked_first() -> None:
    refused = (Suppression("pause", "pauses", "frequency"),)
    quiet = (Suppression("nudge", "night", "quiet_hours"),)
    every = [
        decided(purchase(), "pause", suppressed=quiet),
        decided(purchase("h2"), "nudge", suppressed=refused),
        decided(purchase("h3"), withheld="pause"),
        decided(purchase("h4"), "nudge"),
    ]
    assert known_effect(every, "pause") == pytest.approx(-0.5)
    assert known_effect(every, "nudge") == 0
    assert known_effect(every, ANY) == pytest.approx(-1 / 3)
    assert known_effect([], "pause") == 0


def test_an_action_on_the_control_is_a_problem() -> None:
    every = [decided(purchase(), "pause", withheld="pause")]
    interventions = Interventions.of(every)
    assert interventions.acted_on_control == 1
    assert problems_of(every, interventions, []) == ("the control got 1 actions",)
    assert problems_of([], Interventions.of([]), ["no route"]) == ("1 calls failed, such as: no route",)


def test_waves_keep_the_order_of_each_buyer() -> None:
    day = [purchase(name) for name in ("a", "b", "a", "c", "a", "b")]
    parts = list(waves(day))
    assert [[each.customer_id for each in part] for part in parts] == [["a", "b", "c"], ["a", "b"], ["a"]]
    assert [id(each) for part in parts for each in part if each.customer_id == "a"] == [
        id(each) for each in day if each.customer_id == "a"
    ]


def test_the_last_weeks_are_streamed_and_all_before_them_is_past() -> None:
    last = date(2026, 11, 20)
    people = Cardholders.drawn(30, weeks=2, last_day=last, seed=1)
    begin = datetime(2026, 11, 7, tzinfo=UTC)
    assert len(people.days) == 14
    assert all(each.moment < begin for each in people.past)
    for number, day in enumerate(people.days):
        assert {each.moment.date() for each in day} <= {begin.date() + timedelta(days=number)}
        assert all(one.moment <= other.moment for one, other in pairwise(day))
    assert {each.customer_id for day in people.days for each in day} <= people.contexts.keys()
    assert sum(map(len, people.days)) > 60
