"""Band tables, flips and swap sets."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scoreline_registry.statistics.contrasts.proportions import wilson
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.scores.swap_sets import SwapSet, band_table

CUTS = (0.2, 0.5)
pairs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60)


def scores(rows: list[tuple[float, float]]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    table = np.array(rows)
    return table[:, 0].copy(), table[:, 1].copy()


def test_a_band_begins_at_its_cut_off() -> None:
    primary, shadow = np.array([0.1, 0.2, 0.5, 0.7, np.nan]), np.array([0.3, 0.2, 0.49, 0.7, 0.1])
    table = band_table(primary, shadow, cuts=CUTS, shadow_cuts=CUTS)
    assert table.tolist() == [[0, 1, 0], [0, 1, 0], [0, 1, 1]]


def test_versions_may_have_cut_offs_of_their_own() -> None:
    table = band_table(np.array([0.1, 0.6]), np.array([0.1, 0.6]), cuts=(0.5,), shadow_cuts=(0.05, 0.3, 0.9))
    assert table.tolist() == [[0, 1, 0, 0], [0, 0, 1, 0]]
    assert SwapSet.of(table, 0, 2) == SwapSet(both_below=1, moved_up=0, moved_down=1, both_above=0)


@given(pairs, st.integers(0, 1))
def test_the_swap_set_is_what_each_row_says(rows: list[tuple[float, float]], at: int) -> None:
    primary, shadow = scores(rows)
    found = SwapSet.of(band_table(primary, shadow, cuts=CUTS, shadow_cuts=CUTS), at)
    before, after = primary >= CUTS[at], shadow >= CUTS[at]
    assert found == SwapSet(
        int((~before & ~after).sum()),
        int((~before & after).sum()),
        int((before & ~after).sum()),
        int((before & after).sum()),
    )
    assert found.flip_rate() == wilson(int((before != after).sum()), len(rows))


@given(pairs, st.integers(0, 60))
def test_tables_of_blocks_add_up(rows: list[tuple[float, float]], cut: int) -> None:
    primary, shadow = scores(rows)
    whole = band_table(primary, shadow, cuts=CUTS, shadow_cuts=CUTS)
    parts = [
        band_table(primary[part], shadow[part], cuts=CUTS, shadow_cuts=CUTS) for part in (slice(cut), slice(cut, None))
    ]
    assert (parts[0] + parts[1]).tolist() == whole.tolist()


def test_the_net_shift_has_mcnemars_p_and_an_interval_that_covers() -> None:
    found = SwapSet(both_below=53, moved_up=16, moved_down=6, both_above=25).net_shift()
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(0.1)
    assert found.p == pytest.approx(stats.binomtest(16, 22).pvalue)
    draws = np.random.default_rng(1)
    hits = 0
    for cells in draws.multinomial(200, [0.6, 0.1, 0.04, 0.26], size=1000).tolist():
        shift = SwapSet(*cells).net_shift()
        assert isinstance(shift, Estimate)
        hits += shift.low <= 0.06 <= shift.high
    assert hits / 1000 == pytest.approx(0.95, abs=0.021)


def test_the_interval_of_the_net_shift_is_what_a_person_calculates() -> None:
    """Agresti and Min: half a row to each of the four cells of 53, 16, 6 and 25, then Wald's interval."""
    found = SwapSet(both_below=53, moved_up=16, moved_down=6, both_above=25).net_shift(alpha=0.1)
    assert isinstance(found, Estimate)
    reach = 1.6448536 * np.sqrt(16.5 + 6.5 - 10**2 / 102) / 102
    assert (found.low, found.high) == pytest.approx((10 / 102 - reach, 10 / 102 + reach))
    assert (found.level, found.count) == (0.9, 100)
    none = SwapSet(0, 1, 0, 0).net_shift()
    assert isinstance(none, Estimate)
    assert none.high == 1


def test_the_level_of_rates_is_the_one_asked_for() -> None:
    table = np.array([[5, 2], [1, 8]])
    assert SwapSet.of(table, 0).flip_rate(alpha=0.2) == wilson(3, 16, alpha=0.2)


def test_nothing_to_compare_is_told() -> None:
    assert SwapSet(0, 0, 0, 0).net_shift() == TooFew(
        0, 1, "paired difference of shares, Agresti-Min, McNemar's exact p"
    )
    same = SwapSet(5, 0, 0, 5).net_shift()
    assert isinstance(same, Estimate)
    assert (same.value, same.p) == (0, 1)
