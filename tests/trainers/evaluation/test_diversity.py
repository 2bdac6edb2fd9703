"""Measures of diversity against counts made by hand, and the choice of members."""

import itertools

import numpy as np
import pytest

from scoreline_trainers.evaluation.diversity import choose_members, correct, diversity
from scoreline_trainers.evaluation.metrics import auc

DRAW = np.random.default_rng(0)
LABEL = (DRAW.random(3000) < 0.2).astype(np.int8)
# Members 0 to 2 share one view of the truth; 3 has its own and is a little worse; 4 knows nothing.
SHARED = LABEL + DRAW.normal(0, 1, 3000)
SCORES = np.stack(
    [
        *(SHARED + DRAW.normal(0, 0.1, 3000) for _ in range(3)),
        LABEL + DRAW.normal(0, 1.1, 3000),
        DRAW.normal(size=3000),
    ],
    axis=1,
)


def test_every_pair_is_counted_as_by_hand() -> None:
    found = diversity(SCORES, LABEL)
    right = correct(SCORES, LABEL)
    for i, j in itertools.product(range(5), repeat=2):
        pairs = list(zip(right[:, i].tolist(), right[:, j].tolist(), strict=True))
        a, b, c, d = (pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False)))
        assert found.q_statistic[i, j] == pytest.approx((a * d - b * c) / (a * d + b * c))
        assert found.disagreement[i, j] == pytest.approx((b + c) / 3000)
        assert found.double_fault[i, j] == pytest.approx(d / 3000)
    np.testing.assert_allclose(found.correlation, np.corrcoef(SCORES.T), atol=1e-12)


def test_as_many_rows_are_said_to_be_positive_as_there_are() -> None:
    label = np.array([1, 0, 1, 0, 0], np.int8)
    scores = np.array([[0.9, 5], [0.8, 5], [0.7, 5], [0.1, 5], [0.0, 5]])
    np.testing.assert_array_equal(
        correct(scores, label), [[True, True], [False, False], [False, False], [True, True], [True, True]]
    )


def test_members_without_errors_or_without_variation_have_one_answer() -> None:
    label = np.array([1, 1, 0, 0], np.int8)
    perfect, opposite, constant = [4.0, 3, 2, 1], [1.0, 2, 3, 4], [0.1, 0.1, 0.1, 0.1]
    found = diversity(np.array([perfect, perfect, opposite, constant]).T, label)
    assert found.q_statistic[0, 1] == 1
    assert found.q_statistic[0, 2] == 0
    assert found.correlation[0].tolist() == pytest.approx([1, 1, -1, 0])
    assert found.means()["double_fault"] == 0
    assert diversity(SCORES[:, :1], LABEL).means()["disagreement"] == 0


def test_the_best_comes_first_and_then_the_one_that_errs_elsewhere() -> None:
    best = int(np.argmax([auc(LABEL, column) for column in SCORES.T]))
    assert best in (0, 1, 2)
    assert choose_members(SCORES, LABEL, 2) == (best, 3)
    assert choose_members(SCORES, LABEL, 2, weight=1.0)[1] == 4
    assert sorted(choose_members(SCORES, LABEL, 9)) == [0, 1, 2, 3, 4]


def test_with_no_weight_on_diversity_each_choice_raises_the_auc_most() -> None:
    first, second = choose_members(SCORES, LABEL, 2, weight=0)
    reached = auc(LABEL, SCORES[:, [first, second]].mean(axis=1))
    others = [auc(LABEL, SCORES[:, [first, other]].mean(axis=1)) for other in range(5) if other != first]
    assert reached == max(others)


@pytest.mark.parametrize(("k", "weight"), [(0, 0.5), (2, -0.1), (2, 1.1)])
def test_a_choice_out_of_range_is_refused(k: int, weight: float) -> None:
    with pytest.raises(ValueError, match="k is at least 1 and weight from 0 to 1"):
        choose_members(SCORES, LABEL, k, weight=weight)
