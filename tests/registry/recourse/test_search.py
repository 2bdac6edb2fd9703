"""Recourse by scores: proofs by brute force, limits that are kept, ways that differ."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.documents.actionability import Actionability
from scoreline_registry.recourse.arrays import Float32, Float64
from scoreline_registry.recourse.levers import InputFacts
from scoreline_registry.recourse.problem import Problem, RecourseRules
from scoreline_registry.recourse.search import Found, search
from scoreline_registry.recourse.target import Target
from tests.registry.recourse.models import contract, probability, random_trees, rules, thresholds

NAMES = ("a", "b", "c", "d")


def free(*names: str, **options: object) -> list[dict[str, object]]:
    return [{"name": name, "recourse": options} for name in names]


def row(*values: float) -> Float32:
    return np.array(values, np.float32)


@pytest.mark.parametrize("seed", range(12))
def test_few_choices_give_what_brute_force_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, twist = rng.normal(size=4), rng.normal(size=(4, 4))

    def score(rows: Float32) -> Float32:
        wide = rows.astype(np.float64)
        return probability(wide @ weights + np.einsum("ni,ij,nj->n", wide, twist, wide) - 1)

    present, low, high = row(*rng.integers(0, 4, 4)), 0, 4
    own = rules(*free(*NAMES, integer=True, min=low, max=high))
    target = Target(at_least=float(rng.uniform(0.05, 0.999)), is_probability=True)
    found = search(Problem.of(own, present, target), score)
    options = np.array(list(product(range(low, high + 1), repeat=4)), np.float32)
    valid = options[target.met(score(options))]
    assert found.is_exact
    if target.met(score(present[None]))[0]:
        return
    assert bool(found.ways) == bool(len(valid))
    if found.ways:
        assert found.ways[0].cost == pytest.approx(np.abs(valid - present).sum(axis=1).min() / 2)


@pytest.mark.parametrize("seed", range(6))
def test_no_point_of_a_tree_ensemble_is_cheaper_than_what_thresholds_give(seed: int) -> None:
    trees = random_trees(seed, columns=3, count=4)
    own = rules(*free("a", "b", "c"), facts=thresholds(trees, NAMES[:3]))
    present = np.random.default_rng(seed).uniform(-2, 2, 3).astype(np.float32)
    target = Target(at_least=float(trees.margin(present[None])[0]) + 1.5)
    found = search(Problem.of(own, present, target), trees.margin, most_rows=200_000)
    points = np.random.default_rng(seed + 100).uniform(-2.5, 2.5, (20_000, 3)).astype(np.float32)
    costs = np.abs(points - present).sum(axis=1) / 2
    valid = costs[target.met(trees.margin(points))]
    assert found.is_exact
    if found.ways:
        assert found.ways[0].cost <= valid.min(initial=np.inf) + 1e-6
    else:
        assert not len(valid)


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_search_is_near_the_optimum(seed: int) -> None:
    trees = random_trees(seed, columns=4, count=8)
    own = rules(*free(*NAMES), facts=thresholds(trees, NAMES))
    present = np.random.default_rng(seed).uniform(-2, 2, 4).astype(np.float32)
    target = Target(at_least=float(trees.margin(present[None])[0]) + 2)
    problem = Problem.of(own, present, target)
    exact, fast = search(problem, trees.margin, most_rows=400_000), search(problem, trees.margin, most_rows=4_000)
    assert exact.is_exact
    assert not fast.is_exact or fast.ways[0].cost == pytest.approx(exact.ways[0].cost)
    assert bool(fast.ways) == bool(exact.ways)
    assert fast.ways[0].cost <= 1.25 * exact.ways[0].cost


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    directions=st.lists(st.sampled_from(["up", "down", None]), min_size=4, max_size=4),
    bounded=st.lists(st.booleans(), min_size=4, max_size=4),
    steps=st.lists(st.sampled_from([None, 0.25, 0.1]), min_size=4, max_size=4),
    immutable=st.integers(0, 3),
)
def test_limits_are_never_broken(
    seed: int, directions: list[str | None], bounded: list[bool], steps: list[float | None], immutable: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=5)
    given_rules = [
        {
            "name": name,
            "recourse": {
                "immutable": place == immutable,
                "direction": directions[place],
                "step": steps[place],
                **({"min": -1.0, "max": 1.5} if bounded[place] else {}),
            },
        }
        for place, name in enumerate(NAMES)
    ]
    ratio = {"name": "ratio", "recourse": {"ratio_of": ["a", "b"], "max": 3.0}}
    own = rules(*given_rules, ratio)
    present = rng.normal(size=5).astype(np.float32)
    present[4] = present[0] / present[1]

    def score(rows: Float32) -> Float64:
        return rows.astype(np.float64) @ weights

    target = Target(at_least=float(score(present[None])[0]) + 1)
    found = search(Problem.of(own, present, target), score, ways=3, most_rows=6_000)
    for way in found.ways:
        assert target.met(score(way.row[None]))[0]
        for place in range(4):
            check(way.row[place], present[place], Actionability.model_validate(given_rules[place]["recourse"]))
        if (way.row[:2] != present[:2]).any():
            assert way.row[4] <= 3
            assert way.row[4] == pytest.approx(way.row[0] / way.row[1], rel=1e-4)
        else:
            assert way.row[4] == present[4]


def check(new: float, old: float, rule: Actionability) -> None:
    if new == old:
        return
    assert not rule.immutable
    assert rule.direction != "up" or new > old
    assert rule.direction != "down" or new < old
    assert rule.min is None or new >= rule.min
    assert rule.max is None or new <= rule.max
    if rule.step is not None:
        assert new == pytest.approx(round(new / rule.step) * rule.step, abs=1e-6)


def found_linear(own: RecourseRules, present: Float32, weights: Float32, at_least: float, **options: int) -> Found:
    def score(rows: Float32) -> Float64:
        return rows.astype(np.float64) @ weights

    return search(Problem.of(own, present, Target(at_least=at_least)), score, **options)


def test_a_smooth_input_moves_just_as_far_as_is_needed() -> None:
    found = found_linear(rules(*free("a", "b")), row(0, 0), row(1, 0.5), 0.7)
    assert found.ways[0].row[0] == pytest.approx(0.7, abs=1e-4)
    assert found.ways[0].score >= 0.7
    assert found.ways[0].row[1] == 0
    assert not found.is_exact


def test_weights_of_cost_decide_between_inputs() -> None:
    own = rules({"name": "a", "recourse": {"cost": 5.0}}, {"name": "b", "recourse": {}})
    way = found_linear(own, row(0, 0), row(1, 0.5), 0.5).ways[0]
    assert way.row[0] == 0
    assert way.cost == pytest.approx(0.5, abs=1e-3)


def test_ways_change_different_inputs_and_the_cheapest_is_first() -> None:
    found = found_linear(rules(*free("a", "b", "c")), row(0, 0, 0), row(3, 2, 1), 1, ways=3)
    sets = [frozenset(np.flatnonzero(way.row).tolist()) for way in found.ways]
    assert sets == [{0}, {1}, {2}]
    assert [way.cost for way in found.ways] == sorted(way.cost for way in found.ways)


def test_at_most_so_many_inputs_change() -> None:
    own = rules(*free("a", "b", "c", integer=True, min=0, max=1))
    score = row(1, 1, 1)

    def found(most: int) -> Found:
        target = Target(at_least=2)
        return search(Problem.of(own, row(0, 0, 0), target, most_changes=most), lambda rows: rows @ score)

    assert not found(1).ways
    assert found(1).is_exact
    assert found(2).ways[0].cost == pytest.approx(1.0)


def test_no_way_is_proven_only_where_every_value_was_tried() -> None:
    smooth = found_linear(rules(*free("a", max=1)), row(0), row(1), 2)
    whole = found_linear(rules(*free("a", min=0, max=1, integer=True)), row(0), row(1), 2)
    assert not smooth.ways
    assert not smooth.is_exact
    assert not whole.ways
    assert whole.is_exact


def test_a_category_changes_to_an_allowed_name_only() -> None:
    job = {"name": "job", "kind": "category", "vocabulary": ["none", "part", "full"], "recourse": {"allowed": ["part"]}}
    found = found_linear(rules(job), row(0), row(1), 2)
    assert not found.ways
    assert found.is_exact
    assert found_linear(rules(job), row(0), row(1), 1).ways[0].row.tolist() == [1]


def test_inputs_that_were_not_sent_or_are_kept_do_not_change() -> None:
    own, target = rules(*free("a", "b", "c")), Target(at_least=1)
    known = np.array([False, True, True])
    problem = Problem.of(own, row(0, 0, np.nan), target, known=known, kept=["b"])
    assert problem.levers == ()
    found = search(problem, lambda rows: rows[:, 0])
    assert not found.ways
    assert found.is_exact


def test_sensitive_inputs_never_change() -> None:
    made = contract({"name": "sex", "sensitive": True}, {"name": "a"})
    own = RecourseRules.of(made, {}, {"sex": Actionability(), "a": Actionability()})
    assert list(own.rules) == [1]


def test_overrides_are_checked_against_the_contract() -> None:
    with pytest.raises(ValueError, match="recourse of 'debt': there is no such input"):
        RecourseRules.of(contract({"name": "a"}), {}, {"debt": Actionability()})


def test_a_derived_input_in_another_unit_moves_by_the_same_factor() -> None:
    own = rules(
        *free("debt", integer=True, min=0, max=10),
        {"name": "income"},
        {"name": "percent", "recourse": {"ratio_of": ["debt", "income"]}},
    )
    problem = Problem.of(own, row(8, 2, 400), Target(below=250))
    way = search(problem, lambda rows: rows[:, 2]).ways[0]
    assert way.row.tolist() == [4, 2, 200]


def test_thresholds_of_a_derived_input_are_no_proof() -> None:
    facts = {"debt": InputFacts((0.0, 2.0), row(3))}
    own = rules(
        *free("debt"), {"name": "income"}, {"name": "ratio", "recourse": {"ratio_of": ["debt", "income"]}}, facts=facts
    )
    found = search(Problem.of(own, row(8, 2, 4), Target(below=0.1)), lambda rows: rows[:, 2])
    assert not found.ways
    assert not found.is_exact


def test_one_step_of_float32_back_is_not_enough() -> None:
    trees = random_trees(3, columns=2, count=3)
    own = rules(*free("a", "b"), facts=thresholds(trees, NAMES[:2]))
    present = row(0.1, 0.1)
    target = Target(at_least=float(trees.margin(present[None])[0]) + 0.5)
    way = search(Problem.of(own, present, target), trees.margin, most_rows=10**6).ways[0]
    for place in np.flatnonzero(way.row != present).tolist():
        nearer = way.row.copy()
        nearer[place] = np.nextafter(nearer[place], present[place])
        assert not target.met(trees.margin(nearer[None]))[0]


@pytest.mark.parametrize("step", [None, 1e-30, 0.1, 1e38])
@pytest.mark.parametrize("limits", [{}, {"min": 3.4e38}, {"max": -3.4e38}, {"min": -3.4e38, "max": 3.4e38}])
@pytest.mark.parametrize("present", [0.0, 1e-45, -3.4e38, 3.4e38])
def test_numbers_at_the_edge_of_float32_are_searched(
    step: float | None, limits: dict[str, float], present: float
) -> None:
    edges = InputFacts((-3.4e38, 0.0, 3.4e38), row(-3.4e38, 0, 3.4e38))
    for facts in (InputFacts((0.0, 1.0)), edges):
        own = rules({"name": "a", "recourse": {"step": step, **limits}}, facts={"a": facts})
        problem = Problem.of(own, row(present), Target(at_least=0.9, is_probability=True))
        found = search(problem, lambda rows: probability(np.clip(rows[:, 0].astype(np.float64), -9, 9)), most_rows=500)
        assert all(np.isfinite(way.row).all() and way.score >= 0.9 for way in found.ways)
        assert all(np.isfinite(lever.values).all() for lever in problem.levers)


def test_a_model_without_a_score_for_a_row_is_no_way() -> None:
    own = rules(*free("a", "b", integer=True, min=0, max=40))
    problem = Problem.of(own, row(0, 0), Target(at_least=1.5))
    found = search(problem, lambda rows: np.where(rows[:, 0] > 0, np.nan, rows[:, 1] / 20), ways=2, most_rows=300)
    assert [way.row.tolist() for way in found.ways] == [[0, 30]]
