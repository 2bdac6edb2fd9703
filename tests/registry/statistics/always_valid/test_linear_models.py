"""The always-valid t-test of a coefficient: the published table."""

import pytest

from scoreline_registry.statistics.always_valid.linear_models import LinearModelSequence
from scoreline_registry.statistics.figures import Estimate, TooFew


def test_anytime_valid_t_test_equals_avlm() -> None:
    sequence = LinearModelSequence.narrowest_at(100, 8)
    assert sequence.precision == pytest.approx(11.58155, abs=2e-5)
    assert sequence.radius(100, 8) == pytest.approx(3.10394, abs=5e-6)
    found = sequence.of(2.32245, 0.21566, rows=100, coefficients=8)
    assert isinstance(found, Estimate)
    assert (found.value, round(found.low, 5), round(found.high, 5)) == (2.32245, 1.65305, 2.99185)
    assert sequence.p_value(5.776, 100, 8) == pytest.approx(9.77e-6, rel=2e-3)
    assert sequence.p_value(10.769, 100, 8) == pytest.approx(3.19e-14, rel=2e-3)


def test_anytime_valid_t_test_needs_more_rows_than_coefficients() -> None:
    assert isinstance(LinearModelSequence(1.0).of(1.0, 0.1, rows=8, coefficients=8), TooFew)
