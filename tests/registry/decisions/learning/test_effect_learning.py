"""Effects are learned from cases with an action and cases of the control that would have got it."""

import numpy as np
import pytest

from scoreline_registry.decisions.actions import LearnedEffect
from scoreline_registry.decisions.learning.effect_learning import (
    counts_are_worth_revising,
    is_worth_revising,
    learned_effect,
    variant_counts,
)
from scoreline_registry.decisions.policy_state import EffectValue
from scoreline_registry.statistics.moments import Moments

REDUCES = LearnedEffect(reduces=0.2, weight=50)
CHANGES = LearnedEffect(changes=0.0, weight=50)


def test_a_share_of_the_score_is_one_less_treated_over_control() -> None:
    treated, control = Moments.of_rate(240, 4_000), Moments.of_rate(100, 1_000)
    found = learned_effect(REDUCES, treated, control)
    assert found is not None
    assert found.mean == pytest.approx((50 * 0.2 + 5_000 * 0.4) / 5_050)
    error = np.sqrt((0.06 * 0.94 / 4_000 + 0.36 * 0.1 * 0.9 / 1_000) / 0.01)
    assert found.spread == pytest.approx(error * np.sqrt(5_000 / 5_050), rel=1e-3)
    assert (found.cases, found.control_cases) == (4_000, 1_000)


def test_a_change_is_treated_less_control() -> None:
    found = learned_effect(CHANGES, Moments.of_rate(240, 2_000), Moments.of_rate(80, 1_000))
    assert found is not None
    assert found.mean == pytest.approx(0.04 * 3_000 / 3_050)


def test_what_limits_refused_dilutes_no_effect() -> None:
    random = np.random.default_rng(1)
    got = random.random(40_000) < 0.5
    treated = Moments.of((random.random(40_000) < np.where(got, 0.05, 0.1)).astype(np.float64))
    control = Moments.of((random.random(40_000) < 0.1).astype(np.float64))
    found = learned_effect(REDUCES, treated, control, acted=0.5)
    assert found is not None
    assert found.mean == pytest.approx(0.5, abs=0.06)
    assert learned_effect(REDUCES, treated, control, acted=0.05) is None


@pytest.mark.parametrize(
    ("treated", "control"),
    [
        (Moments.of_rate(1, 29), Moments.of_rate(100, 1_000)),
        (Moments.of_rate(10, 1_000), Moments.of_rate(5, 29)),
        (Moments.of_rate(0, 1_000), Moments.of_rate(0, 1_000)),
        (Moments.of_rate(10, 1_000), Moments.of_rate(3, 1_000)),
        (Moments(), Moments()),
    ],
)
def test_too_little_teaches_nothing(treated: Moments, control: Moments) -> None:
    assert learned_effect(REDUCES, treated, control) is None


def test_no_outcome_at_all_among_treated_cases_leaves_a_spread() -> None:
    found = learned_effect(LearnedEffect(reduces=0.0, weight=1), Moments.of_rate(0, 200), Moments.of_rate(40, 200))
    assert found is not None
    assert found.mean == pytest.approx(1, abs=0.01)
    assert found.spread > 0
    constant = learned_effect(CHANGES, Moments.of(np.full(50, 7.0)), Moments.of(np.full(50, 7.0)))
    assert constant is None


def test_the_posterior_covers_the_truth() -> None:
    random, inside = np.random.default_rng(3), 0
    for _ in range(200):
        treated = Moments.of_rate(int(random.binomial(2_000, 0.12)), 2_000)
        control = Moments.of_rate(int(random.binomial(500, 0.2)), 500)
        found = learned_effect(LearnedEffect(reduces=0.4, weight=1), treated, control)
        assert found is not None
        inside += abs(found.mean - 0.4) < 1.96 * found.spread
    assert inside >= 180


def test_a_revision_needs_a_moved_mean_or_a_narrower_spread() -> None:
    before = EffectValue(mean=0.4, spread=0.1, cases=100, control_cases=50)
    assert is_worth_revising(None, before)
    assert not is_worth_revising(before, before.model_copy(update={"mean": 0.42, "spread": 0.095}))
    assert is_worth_revising(before, before.model_copy(update={"mean": 0.43}))
    assert is_worth_revising(before, before.model_copy(update={"spread": 0.085}))


def test_counts_of_variants_start_from_one_success_and_one_failure() -> None:
    counts = variant_counts(7, 20)
    assert (counts.successes, counts.failures) == (8, 14)
    assert counts_are_worth_revising(None, counts)
    assert not counts_are_worth_revising(counts, variant_counts(9, 25))
    assert counts_are_worth_revising(counts, variant_counts(9, 40))
