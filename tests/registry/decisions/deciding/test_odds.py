"""The closed forms of rankings against rankings that were drawn."""

import math
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.deciding.odds import CERTAIN, Odds

BY_VALUE = Odds((2, 0, 1), explored=frozenset({0, 1}), share=0.3)
DRAWN = Odds((0, 1, 2, 3), weights=(0.5, 0.3, 0.2, 0.0))


def first_left(odds: Odds, refused: set[int], *, draws: int) -> list[float]:
    """How often each candidate comes before all others that are not refused."""
    random, count = Random(7), len(odds.by_value)
    found: Counter[int] = Counter()
    for _ in range(draws):
        order = odds.ranked([random.random() for _ in range(count + 1)])
        found[next(place for place in order if place not in refused)] += 1
    return [found[place] / draws for place in range(count)]


@pytest.mark.parametrize("odds", [BY_VALUE, DRAWN, BY_VALUE.with_last_resort(), DRAWN.with_last_resort()])
@pytest.mark.parametrize("refused", [set(), {0}, {2}, {0, 1}])
def test_rankings_are_drawn_with_the_probabilities_that_are_stated(odds: Odds, refused: set[int]) -> None:
    draws = 20_000
    drawn = first_left(odds, refused, draws=draws)
    assert drawn == pytest.approx(odds.without(refused), abs=5 / math.sqrt(4 * draws))


def test_a_share_of_decisions_explores_and_the_others_go_by_value() -> None:
    assert BY_VALUE.without() == pytest.approx([0.15, 0.15, 0.7])
    assert BY_VALUE.without({2}) == pytest.approx([0.85, 0.15, 0])
    assert BY_VALUE.ranked([0.5, 0.9, 0.0, 0.0]) == [2, 0, 1]
    assert BY_VALUE.ranked([0.1, 0.9, 0.0, 0.0]) == [1, 2, 0]


def test_weights_of_those_left_keep_their_proportions() -> None:
    assert DRAWN.without({0}) == pytest.approx([0, 0.6, 0.4, 0])
    assert DRAWN.without({0, 1, 2}) == [0, 0, 0, 1]
    assert DRAWN.without({0, 1, 2, 3}) == [0, 0, 0, 0]


def test_the_last_resort_is_taken_where_all_others_are_refused() -> None:
    assert CERTAIN.with_last_resort().without() == [1, 0]
    assert CERTAIN.with_last_resort().without({0}) == [0, 1]
    assert DRAWN.with_last_resort().ranked([0.5] * 6)[-1] == 4


@settings(max_examples=100, deadline=None)
@given(
    weights=st.lists(st.floats(0, 1e6), max_size=6),
    count=st.integers(1, 6),
    share=st.floats(0, 1),
    explored=st.sets(st.integers(0, 5)),
    refused=st.sets(st.integers(0, 6)),
    seed=st.integers(0, 1000),
)
def test_probabilities_total_1_and_survive_renumbering(
    weights: Sequence[float], count: int, share: float, explored: set[int], refused: set[int], seed: int
) -> None:
    random = Random(seed)
    by_value = tuple(random.sample(range(count), count))
    drawn = tuple(weights[:count]) if len(weights) >= count and sum(weights[:count]) > 0 else ()
    odds = Odds(by_value, drawn, frozenset(each for each in explored if each < count), share)
    found = odds.without(refused)
    left = set(range(count)) - refused
    assert math.fsum(found) == pytest.approx(1 if left else 0, abs=1e-9)
    assert all(found[place] == 0 for place in refused if place < count)
    order = odds.ranked([random.random() or 0.5 for _ in range(count + 1)])
    assert sorted(order) == list(range(count))
    again = odds.renumbered(order).without({order.index(place) for place in refused if place < count})
    assert again == pytest.approx([found[place] for place in order], abs=1e-12)
