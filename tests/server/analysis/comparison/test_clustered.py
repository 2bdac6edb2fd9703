"""The mean of rows of which some are of one unit: its variance lets them depend on each other."""

import numpy as np
import pytest

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_server.analysis.comparison.clustered import ClusteredMean, clustered_mean
from scoreline_server.analysis.comparison.plans import NO_SECTION


def half_width(figure: Figure) -> float:
    assert isinstance(figure, Estimate)
    return figure.high - figure.value


def test_rows_of_distinct_units_have_the_sample_variance_by_either_way() -> None:
    values = np.random.default_rng(1).normal(0.1, 1, 5000)
    units = np.arange(5000, dtype=np.int32)
    slow, fast = (clustered_mean(values, units, NO_SECTION, is_distinct=way) for way in (False, True))
    assert half_width(slow.fixed) == pytest.approx(half_width(fast.fixed), rel=1e-9)
    assert half_width(slow.fixed) == pytest.approx(1.96044 * values.std(ddof=1) / np.sqrt(5000), rel=1e-4)


def test_repeated_rows_add_no_information() -> None:
    values = np.random.default_rng(2).normal(0, 1, 800)
    units = np.arange(800, dtype=np.int32)
    once = clustered_mean(values, units, NO_SECTION)
    thrice = clustered_mean(np.tile(values, 3), np.tile(units, 3), NO_SECTION)
    assert half_width(thrice.fixed) == pytest.approx(half_width(once.fixed), rel=1e-9)
    assert half_width(thrice.sequential) == pytest.approx(half_width(once.sequential), rel=1e-9)


def test_parts_add_up_to_the_whole() -> None:
    generator = np.random.default_rng(3)
    values, units = generator.normal(size=3000), generator.integers(0, 700, 3000).astype(np.int32)
    running = ClusteredMean(700)
    for part in np.array_split(np.arange(3000), 7):
        running.add(values[part], units[part])
    whole = clustered_mean(values, units, NO_SECTION)
    found = running.intervals(NO_SECTION)
    assert half_width(found.fixed) == pytest.approx(half_width(whole.fixed), rel=1e-9)
    assert running.units == len(np.unique(units))


def test_equal_values_and_few_units_are_too_few() -> None:
    one = np.ones(50)
    assert isinstance(clustered_mean(one, np.arange(50, dtype=np.int32), NO_SECTION).fixed, TooFew)
    assert isinstance(clustered_mean(one[:3], np.zeros(3, np.int32), NO_SECTION).fixed, TooFew)
