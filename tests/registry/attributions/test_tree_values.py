"""Shapley values of trees equal those by the definition, by every way that they are computed."""

from dataclasses import replace

import numpy as np
import pytest

from scoreline_registry.attributions import blocks, tree_values
from scoreline_registry.attributions.blocks import TooManySourcesError
from scoreline_registry.attributions.online import CompiledTrees, TooLargeError
from scoreline_registry.attributions.tree_values import TreeExplainer
from scoreline_registry.attributions.trees import Float64, TreeArrays
from tests.registry.attributions.made_trees import Game, random_rows, random_trees

# Seven columns of six sources: two are of one category.
SOURCES = np.array([0, 1, 2, 3, 3, 4, 5], np.int32)
PLAYERS = 6
ROWS = random_rows(6, 7)
TREES = random_trees(4, 16, 7)
EXPLAINER = TreeExplainer(TREES, SOURCES, PLAYERS, random_rows(9, 7, seed=2))


@pytest.fixture(scope="module")
def games() -> list[Game]:
    """The game of each of ``ROWS``."""
    return [Game(TREES, SOURCES, PLAYERS, row, EXPLAINER.reference) for row in ROWS]


@pytest.fixture(scope="module")
def expected(games: list[Game]) -> Float64:
    """Its values by the definition."""
    return np.stack([game.values() for game in games])


def test_tables_give_the_values_by_the_definition(expected: Float64) -> None:
    np.testing.assert_allclose(EXPLAINER.values(ROWS), expected, rtol=0, atol=1e-9)


def test_leaves_that_are_too_long_for_a_table_give_the_same(expected: Float64, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "TABLE_BITS", 2)
    monkeypatch.setattr(tree_values, "TABLE_BITS", 2)
    parts = [part for root in TREES.roots.tolist() for part in EXPLAINER.cutter(root).parts(leaf_bits=2)]
    assert any(isinstance(part, blocks.Leaf) for part in parts)
    np.testing.assert_allclose(EXPLAINER.values(ROWS), expected, rtol=0, atol=1e-9)


def test_deep_trees_are_walked_to_the_same_values(expected: Float64, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_values, "MOST_TABLED", 1)
    np.testing.assert_allclose(EXPLAINER.values(ROWS), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("leaf_bits", [2, 12])
def test_one_row_at_a_time_gives_the_same(expected: Float64, leaf_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "TABLE_BITS", 2)
    compiled = CompiledTrees.of(EXPLAINER, leaf_bits=leaf_bits)
    assert bool(len(compiled.long_leaves)) == (leaf_bits == 2)
    np.testing.assert_allclose([compiled.values(row[None])[0] for row in ROWS], expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(compiled.values(ROWS), expected, rtol=0, atol=1e-6)


def test_values_on_a_threshold_and_both_zeros_go_the_way_of_the_tree() -> None:
    edges = np.unique(TREES.threshold)
    rows = np.stack([np.full(7, value, np.float32) for value in [*edges, np.nextafter(edges, 9)[0], np.inf, -np.inf]])
    zeros = np.array([[0.0] * 7, [-0.0] * 7], np.float32)
    trees = replace(TREES, threshold=np.where(TREES.column == 1, np.float32(-0.0), TREES.threshold))
    for each, matrix in ((EXPLAINER, rows), (replace(EXPLAINER, trees=trees), zeros)):
        compiled = CompiledTrees.of(each)
        np.testing.assert_allclose(compiled.values(matrix), each.values(matrix), rtol=0, atol=1e-6)


def test_ten_inputs_get_the_values_by_the_definition_one_row_at_a_time() -> None:
    trees, reference = random_trees(3, 24, 10, seed=7), random_rows(5, 10, seed=8)
    explainer = TreeExplainer(trees, np.arange(10, dtype=np.int32), 10, reference)
    (row,) = random_rows(1, 10, seed=9)
    game = Game(trees, explainer.sources, 10, row, reference)
    np.testing.assert_allclose(CompiledTrees.of(explainer).values(row[None])[0], game.values(), rtol=0, atol=1e-6)


def test_trees_without_a_test_contribute_nothing() -> None:
    explainer = TreeExplainer(random_trees(2, 1, 7), SOURCES, PLAYERS, ROWS)
    assert not CompiledTrees.of(explainer).values(ROWS).any()


def test_interactions_are_those_by_the_definition(games: list[Game]) -> None:
    expected = np.stack([game.interactions() for game in games])
    every = list(range(PLAYERS))
    np.testing.assert_allclose(EXPLAINER.interactions(ROWS, every), expected, rtol=0, atol=1e-9)
    some = [4, 1, 3]
    np.testing.assert_allclose(EXPLAINER.interactions(ROWS, some), expected[:, some][:, :, some], rtol=0, atol=1e-9)


@pytest.mark.parametrize("leaves", [1, 2, 31, 400])
def test_contributions_add_up_to_the_margin(leaves: int) -> None:
    trees = random_trees(3, leaves, 12)
    explainer = TreeExplainer(trees, np.arange(12, dtype=np.int32), 12, random_rows(30, 12, seed=3))
    rows = random_rows(70, 12, seed=4)
    total = explainer.values(rows).sum(axis=1) + explainer.base
    np.testing.assert_allclose(total, trees.margin(rows), rtol=0, atol=1e-9)


def test_many_rows_are_explained_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_rows(50, 7, seed=5)
    few = EXPLAINER.values(rows)
    monkeypatch.setattr(tree_values, "_ROWS", 16)
    np.testing.assert_allclose(EXPLAINER.values(rows), few, rtol=0, atol=1e-12)


def test_a_path_of_more_than_64_sources_is_refused() -> None:
    chain = _chain(65)
    explainer = TreeExplainer(chain, np.arange(65, dtype=np.int32), 65, np.zeros((2, 65), np.float32))
    with pytest.raises(TooManySourcesError, match="tests 65 features, more than 64"):
        explainer.values(np.zeros((1, 65), np.float32))


def test_a_path_of_64_sources_is_exact() -> None:
    chain = _chain(64)
    explainer = TreeExplainer(chain, np.arange(64, dtype=np.int32), 64, np.ones((2, 64), np.float32))
    # The leaf of value 1 is reached by zeros alone, to which every source contributes as much.
    values = explainer.values(np.zeros((1, 64), np.float32))
    np.testing.assert_allclose(values, np.full((1, 64), 1 / 64), rtol=0, atol=1e-12)


def test_tables_that_are_too_large_are_refused() -> None:
    with pytest.raises(TooLargeError, match="explain in batches instead"):
        CompiledTrees.of(EXPLAINER, most_values=100)


def _chain(sources: int) -> TreeArrays:
    """One tree that asks ``x <= 0`` of one column after another; all others end at a leaf of value 0."""
    inner = np.arange(sources, dtype=np.int32)
    nodes = 2 * sources + 1
    column = np.full(nodes, -1, np.int32)
    column[inner] = inner
    yes, no = np.zeros((2, nodes), np.int32)
    yes[inner], no[inner] = inner + 1, sources + 1 + inner
    value = np.zeros(nodes)
    value[sources] = 1
    zeros = np.zeros(nodes, np.float32)
    return TreeArrays(column, zeros, np.zeros(nodes, np.bool_), yes, no, value, np.zeros(1, np.int32))
