"""Latencies in a histogram keep a quantile to 2 %, and its bounds hold."""

import math

import numpy as np
import pytest

from scoreline_server.controllers.latencies import Latencies


@pytest.mark.parametrize("q", [0.5, 0.99])
def test_a_quantile_is_right_to_the_width_of_a_bucket(q: float) -> None:
    drawn = np.random.default_rng(2).lognormal(2, 1, 20_000)
    found = sum((Latencies.of(part) for part in np.split(drawn, 8)), Latencies())
    assert found.count == 20_000
    assert found.quantile(q) == pytest.approx(np.quantile(drawn, q), rel=0.03)


def test_bounds_hold_at_every_look_and_close_in() -> None:
    random, looks = np.random.default_rng(4), 50
    truth = float(np.quantile(random.lognormal(1, 0.5, 400_000), 0.99))
    missed, widths = 0, []
    for _ in range(40):
        latencies, outside = Latencies(), False
        for _ in range(looks):
            latencies += Latencies.of(random.lognormal(1, 0.5, 100))
            low, high = latencies.bounds(0.99, 0.025)
            outside |= not low * 0.97 <= truth <= high * 1.03
        missed += outside
        widths.append(high - low)
    assert missed <= 6  # 5 % of 40 are 2; more than 6 have a probability below 1 in 100
    assert max(widths) < truth


def test_few_latencies_bound_nothing() -> None:
    assert Latencies().bounds(0.99, 0.025) == (-math.inf, math.inf)
    assert math.isnan(Latencies().quantile(0.99))
    low, high = Latencies.of(np.full(20, 5.0)).bounds(0.99, 0.025)
    assert low == pytest.approx(5.0, rel=0.03)
    assert high == math.inf


def test_latencies_beyond_the_histogram_count_at_its_ends() -> None:
    assert Latencies.of(np.array([-1.0, 0.0, 1e9])).count == 3
