"""The world, the attacker and the figures of the churn demo."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.demo.churn.attacks import EPSILON, Rows, attacked
from scoreline_trainers.demo.churn.subscribers import LIVE_DAYS, NEW_DAYS, Subscribers

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> Subscribers:
    return Subscribers.drawn(200, now=NOW, seed=3)


def test_events_end_now_and_the_last_days_are_streamed(world: Subscribers) -> None:
    begin = (NOW - timedelta(days=LIVE_DAYS)).timestamp() * 1e9
    assert all((event.time or 0) < begin for _, event in world.past)
    live = [event.time or 0 for day in world.days for _, event in day]
    assert begin <= min(live)
    assert max(live) <= NOW.timestamp() * 1e9
    assert {event.type for _, event in world.past} == {"joined", "click", "referral"}


def test_newcomers_are_those_whose_first_event_is_young(world: Subscribers) -> None:
    first: dict[str, int] = {}
    for name, event in (*world.past, *(each for day in world.days for each in day)):
        first[name] = min(first.get(name, 2**63), event.time or 0)
    for name, person in world.people.items():
        age = (NOW.timestamp() * 1e9 - first[name]) / 86_400e9
        assert person.age_days == pytest.approx(age, abs=0.01)
        assert person.is_new == (age < NEW_DAYS)
    assert 0 < sum(person.is_new for person in world.people.values()) < 50


def test_every_event_has_an_id_of_its_own(world: Subscribers) -> None:
    ids = [(name, event.id) for name, event in (*world.past, *(each for day in world.days for each in day))]
    assert len(set(ids)) == len(ids)


def test_an_attack_moves_every_known_number_towards_the_score_that_it_wants() -> None:
    known = [{"a": 1.0, "b": 10.0}, {"a": 3.0}, {"a": 5.0, "b": 30.0}]

    def scores(rows: Rows) -> Float64:
        return np.array([row["a"] - row.get("b", 0.0) for row in rows])

    found = attacked(known, scores, seed=1)
    spread = EPSILON * np.std([1.0, 3.0, 5.0]), EPSILON * np.std([10.0, 30.0])
    for before, after in zip(known, found, strict=True):
        assert after.keys() == before.keys()
        assert after["a"] == pytest.approx(before["a"] + spread[0])
        if "b" in before:
            assert after["b"] == pytest.approx(before["b"] - spread[1])


def test_nobody_to_attack_is_no_error() -> None:
    assert attacked([], lambda rows: np.zeros(len(rows)), seed=1) == []
