"""Recourse proven by trees, beside brute force over the scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from scoreline_registry.attributions.reason_file import ReasonFacts, ReasonFile, TreesTerm
from scoreline_registry.recourse.arrays import Float32
from scoreline_registry.recourse.forests import Forest, facts_of
from scoreline_registry.recourse.problem import Problem, RecourseRules
from scoreline_registry.recourse.search import search
from scoreline_registry.recourse.target import Target
from scoreline_registry.recourse.tree_engine import TreeEngine
from tests.registry.recourse.models import SPREAD, contract, probability, random_trees

NAMES = ("a", "b", "c", "d")


def matrices(rows: Float32) -> Mapping[str, npt.NDArray[Any]]:
    """Trees over the features themselves."""
    return {"features": rows}


def forest_of(seed: int, *, count: int, **recourse: Any) -> tuple[Forest, RecourseRules]:
    """Random trees over four numbers, with the rules that their file and the contract give."""
    made = contract(*({"name": name, "recourse": recourse.get(name, {})} for name in NAMES))
    trees = random_trees(seed, columns=4, count=count)
    term = TreesTerm("features", trees, np.arange(4, dtype=np.int32))
    facts = ReasonFacts("log odds", players=4, base=0.0, rows=1)
    forest = Forest.of(ReasonFile(facts, {"features": np.zeros((1, 4), np.float32)}, (term,)), made, matrices)
    assert forest is not None
    edges = dict.fromkeys(NAMES, SPREAD.edges)
    return forest, RecourseRules.of(made, facts_of(made, edges, forest), {})


def test_a_forest_knows_all_that_inputs_are_compared_with() -> None:
    forest, rules = forest_of(1, count=3)
    trees = forest.parts[0][1]
    assert forest.is_sum
    for column, name in enumerate(NAMES):
        thresholds = rules.facts[name].thresholds
        assert thresholds is not None
        assert thresholds.tolist() == sorted(set(trees.threshold[trees.column == column].tolist()))


def test_inputs_that_are_computed_with_are_not_compared() -> None:
    made = contract({"name": "a"}, {"name": "b"})
    trees = random_trees(2, columns=2, count=1)
    term = TreesTerm("m", trees, np.array([0, 1], np.int32))
    file = ReasonFile(ReasonFacts("identity", 2, 0.0, 1), {"features": np.zeros((1, 2), np.float32)}, (term,), b"graph")
    forest = Forest.of(file, made, lambda rows: {"m": np.column_stack([rows[:, 0], np.abs(rows[:, 1])])})
    assert forest is not None
    assert forest.compared.tolist() == [True, False]
    assert forest.thresholds(1) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_proof_is_the_optimum_of_brute_force(seed: int) -> None:
    limits = {"a": {"direction": "up"}, "b": {"min": -1.5, "max": 1.5}, "c": {"step": 0.25}}
    forest, rules = forest_of(seed, count=6, **limits)
    margin = forest.parts[0][1].margin
    present = (np.random.default_rng(seed).integers(-4, 5, 4) / 4).astype(np.float32)
    aim = float(probability(margin(present[None]) + 1.5)[0])
    problem = Problem.of(rules, present, Target(at_least=aim, is_probability=True))

    def score(rows: Float32) -> Float32:
        return probability(margin(rows))

    exact = search(problem, score, most_rows=10**6)
    engine = TreeEngine(forest, matrices, is_probability=True, seconds=20)
    proven = engine(problem, score, ways=2, most_rows=200)
    assert exact.is_exact
    assert proven.is_exact
    assert bool(proven.ways) == bool(exact.ways)
    if exact.ways:
        assert proven.ways[0].cost == pytest.approx(exact.ways[0].cost, abs=1e-6)
        assert proven.ways[0].score >= aim


def test_what_trees_do_not_decide_is_left_to_the_search() -> None:
    forest, rules = forest_of(0, count=3, d={"sum_of": ["a", "b"]})
    margin = forest.parts[0][1].margin
    present = np.zeros(4, np.float32)
    problem = Problem.of(rules, present, Target(at_least=float(margin(present[None])[0]) + 0.5))
    engine = TreeEngine(forest, matrices, is_probability=False)
    assert not engine(problem, margin, ways=1, most_rows=100).is_exact
