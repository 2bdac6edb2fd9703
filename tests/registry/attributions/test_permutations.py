"""Sampled Shapley values are those by the definition, within their stated errors."""

from collections.abc import Callable

import numpy as np

from scoreline_registry.attributions.permutations import Indices, Mixture, Walks, sampled_values
from scoreline_registry.attributions.trees import Bools, Float32, Float64
from tests.registry.attributions.made_trees import Game, random_rows, random_trees

PLAYERS = 6
SOURCES = np.arange(PLAYERS, dtype=np.int32)
ROWS = random_rows(5, PLAYERS)
REFERENCE = random_rows(16, PLAYERS, seed=2)
TREES = random_trees(4, 12, PLAYERS)


def test_functions_of_pairs_are_exact_from_every_reference_row() -> None:
    rows, reference = np.nan_to_num(ROWS), np.nan_to_num(REFERENCE)
    found = sampled_values(
        _mixture(_product, rows, reference), _product(rows), _product(reference), players=PLAYERS, pairs=len(reference)
    )
    x, z = rows.astype(np.float64), reference.astype(np.float64)
    first = ((x[:, None, 0] - z[:, 0]) * (x[:, None, 1] + z[:, 1]) / 2).mean(axis=1)
    np.testing.assert_allclose(found.values[:, 0], first, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.values[:, 2], x[:, 2] - z[:, 2].mean(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.values[:, 3:], 0, rtol=0, atol=1e-6)


def test_errors_cover_the_difference_from_the_definition() -> None:
    expected = np.stack([Game(TREES, SOURCES, PLAYERS, row, REFERENCE).values() for row in ROWS])
    found = sampled_values(
        _mixture(TREES.margin, ROWS, REFERENCE), TREES.margin(ROWS), TREES.margin(REFERENCE), players=PLAYERS, pairs=400
    )
    assert np.all(np.abs(found.values - expected) <= 4 * found.errors + 1e-12)
    assert 0 < np.median(found.errors[found.errors > 0]) < 0.1


def test_walks_that_are_drawn_once_are_exact_for_pairs_over_a_whole_cohort() -> None:
    rows, reference = np.nan_to_num(ROWS), np.nan_to_num(REFERENCE)
    walks = Walks.drawn(PLAYERS, len(reference), pairs=len(reference))
    assert walks.evaluations == 2 * len(reference) * (PLAYERS - 1)
    found = walks.values(_mixture(_product, rows, reference), _product(rows), _product(reference))
    drawn = sampled_values(
        _mixture(_product, rows, reference), _product(rows), _product(reference), players=PLAYERS, pairs=len(reference)
    )
    np.testing.assert_allclose(found.values, drawn.values, rtol=0, atol=1e-6)


def test_walks_come_within_their_errors_and_give_a_row_the_same_values_among_others() -> None:
    expected = np.stack([Game(TREES, SOURCES, PLAYERS, row, REFERENCE).values() for row in ROWS])
    walks = Walks.drawn(PLAYERS, len(REFERENCE), pairs=400)
    found = walks.values(_mixture(TREES.margin, ROWS, REFERENCE), TREES.margin(ROWS), TREES.margin(REFERENCE))
    assert np.all(np.abs(found.values - expected) <= 4 * found.errors + 1e-12)
    alone = walks.values(_mixture(TREES.margin, ROWS[2:3], REFERENCE), TREES.margin(ROWS[2:3]), TREES.margin(REFERENCE))
    np.testing.assert_array_equal(alone.values[0], found.values[2])


def test_values_add_up_however_few_are_drawn() -> None:
    margins, reference = TREES.margin(ROWS), TREES.margin(REFERENCE)
    found = sampled_values(_mixture(TREES.margin, ROWS, REFERENCE), margins, reference, players=PLAYERS, pairs=2)
    np.testing.assert_allclose(found.values.sum(axis=1), margins - reference.mean(), rtol=0, atol=1e-12)


def test_a_single_source_contributes_everything() -> None:
    rows, reference = np.array([[3.0]], np.float32), np.array([[1.0], [2.0]], np.float32)
    found = sampled_values(_mixture(_double, rows, reference), _double(rows), _double(reference), players=1, pairs=2)
    np.testing.assert_allclose(found.values, [[3.0]])


def test_no_rows_give_no_values() -> None:
    nothing = ROWS[:0]
    found = sampled_values(
        _mixture(TREES.margin, nothing, REFERENCE), np.zeros(0), TREES.margin(REFERENCE), players=PLAYERS, pairs=2
    )
    assert found.values.shape == (0, PLAYERS)


def _product(values: Float32) -> Float64:
    return values[:, 0].astype(np.float64) * values[:, 1] + values[:, 2]


def _double(values: Float32) -> Float64:
    return values[:, 0].astype(np.float64) * 2


def _mixture(function: Callable[[Float32], Float64], rows: Float32, reference: Float32) -> Mixture:
    def mixture(row: Indices, other: Indices, chosen: Bools) -> Float64:
        return function(np.where(chosen, rows[row], reference[other]))

    return mixture
