"""What-if: changes of inputs, sets within a budget, the best set and the order of its steps."""

import math
from itertools import combinations

import pytest

from scoreline_registry.decisions.amounts import Amount
from scoreline_registry.decisions.interventions import InputChange, Intervention
from scoreline_registry.decisions.what_if import (
    Names,
    Options,
    Valued,
    agreements,
    best,
    best_path,
    changed_value,
    largest_gap,
    strongest,
    valued,
)


def intervention(feature: str, value: float, *, cost: Amount | float = 0.0, excludes: Names = ()) -> Intervention:
    amount = cost if isinstance(cost, Amount) else Amount(plus=cost)
    return Intervention(changes=(InputChange(feature=feature, by="add", value=value),), cost=amount, excludes=excludes)


def options(count: int = 3, **given: Intervention) -> Options:
    made = {f"i{place}": intervention(f"f{place}", place + 1, cost=place + 1) for place in range(count)}
    return Options.of(given or made, {"feature.fee": 20.0})


@pytest.mark.parametrize(
    ("by", "value", "before", "after"),
    [
        ("set", 5.0, 8.0, 5.0),
        ("set", "email", "phone", "email"),
        ("set", 5.0, None, 5.0),
        ("add", 5.0, 8.0, 13.0),
        ("multiply", 0.5, 8.0, 4.0),
        ("cap", 5.0, 8.0, 5.0),
        ("cap", 9.0, 8.0, 8.0),
        ("floor", 9.0, 8.0, 9.0),
        ("floor", 5.0, 8.0, 8.0),
        ("add", 5.0, None, None),
        ("multiply", 5.0, math.nan, None),
    ],
)
def test_a_change_of_an_input(by: str, value: float, before: float | None, after: float | None) -> None:
    change = InputChange.model_validate({"feature": "x", "by": by, "value": value})
    assert changed_value(before, change) == after


def test_interventions_change_inputs_one_after_another() -> None:
    own = options(
        double=Intervention(changes=(InputChange(feature="fee", by="multiply", value=2.0),)),
        more=intervention("fee", 3),
        same=intervention("fee", 0),
    )
    assert own.values({"fee": 10.0}, ("double", "more")) == {"fee": 23.0}
    assert own.values({"fee": 10.0}, ("same",)) == {}
    assert own.ordered(["more", "double"]) == ("double", "more")


def test_costs_may_depend_on_the_case() -> None:
    own = options(
        known=intervention("a", 1, cost=Amount(fact="feature.fee", times=0.5)),
        unknown=intervention("a", 1, cost=Amount(fact="feature.debt")),
    )
    assert own.costs == {"known": 10.0}
    assert own.problem(("known", "unknown")) == "the cost of unknown is unknown: feature.debt is missing"


def test_sets_keep_to_the_budget_the_size_and_what_excludes_what() -> None:
    own = options(
        a=intervention("x", 1, cost=2),
        b=intervention("x", 1, cost=2, excludes=("c",)),
        c=intervention("x", 1, cost=3),
        d=intervention("x", 1, cost=9),
    )
    assert own.sets(budget=5, most=2) == [(), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c")]
    assert own.problem(("b", "c")) == "b and c exclude each other"
    assert own.sets(budget=None, most=1) == [(), ("a",), ("b",), ("c",), ("d",)]


def test_too_many_sets_are_not_listed() -> None:
    assert options(40).sets(budget=None, most=5) is None
    assert len(options(12).sets(budget=None, most=12) or []) == 4096


def score(names: Names) -> float:
    """A churn risk: i0 and i1 help more together than alone, i2 undoes i0."""
    risk = 0.8 - 0.1 * ("i0" in names) - 0.05 * ("i1" in names) - 0.2 * {"i0", "i1"}.issubset(names)
    return risk - 0.15 * ("i2" in names) + 0.3 * {"i0", "i2"}.issubset(names)


def values(own: Options, worth: float) -> dict[Names, Valued]:
    sets = own.sets(budget=None, most=3)
    assert sets is not None
    return {names: valued(own, names, score(names), before=0.8, worth=worth) for names in sets}


def test_the_best_set_is_that_of_brute_force() -> None:
    own = options()
    known = values(own, -100.0)
    found = best(known.values())
    assert found is not None
    every = [each for size in range(4) for each in combinations(own.interventions, size)]
    expected = max(every, key=lambda names: -100 * (score(names) - 0.8) - own.cost(names))
    assert found.names == expected == ("i0", "i1")
    assert found.net_value == pytest.approx(35 - 3)
    assert found.benefit_cost_ratio == pytest.approx(35 / 3)


def test_nothing_is_best_where_nothing_is_worth_its_cost() -> None:
    assert best(values(options(), -1.0).values()) is None


def test_what_costs_nothing_has_no_ratio() -> None:
    assert Valued(("a",), 0.5, 0.0, 3.0).benefit_cost_ratio is None


def test_a_path_takes_the_most_valuable_step_first() -> None:
    own = options()
    known = values(own, -100.0)
    path = best_path(known["i0", "i1"], own, lambda sets: [known[names] for names in sets])
    assert path == [known["i0",], known["i0", "i1"]]


def test_there_is_no_path_where_a_set_is_not_reached_step_by_step() -> None:
    own = options()
    known = values(own, -100.0)
    assert best_path(known["i0", "i1"], own, lambda _sets: []) is None


def test_the_strongest_alone_are_combined_where_all_are_too_many() -> None:
    own = options(30)
    singles = [Valued((name,), 0.0, 0.0, float(place)) for place, name in enumerate(own.interventions)]
    names = strongest(own, singles, most=5)
    assert names == tuple(f"i{place}" for place in range(16, 30))
    assert own.sets(budget=None, most=5, among=names) is not None


def test_a_gap_bounds_what_was_not_tried() -> None:
    found = Valued(("a",), 0.3, 10.0, 50.0)
    singles = [found, Valued(("b",), 0.8, 4.0, 0.0)]
    assert largest_gap(found, singles, before=0.8, worth=-100, is_probability=True) == pytest.approx(80 - 4 - 40)
    assert largest_gap(found, singles, before=0.8, worth=-100, is_probability=False) is None


def test_confidence_is_the_share_of_judges_that_agree() -> None:
    steps, path = agreements([[0.8, 0.7, 0.9], [0.6, 0.8, 0.7], [0.5, 0.5, 0.7]], rises=False)
    assert [each.confidence for each in steps] == pytest.approx([2 / 3, 2 / 3])
    assert (steps[0].lowest, steps[0].highest) == (0.6, 0.8)
    assert path == pytest.approx(1 / 3)
