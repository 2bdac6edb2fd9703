"""Choosing by expected value is worth more than a fixed threshold on customers that no model has seen."""

import os
from pathlib import Path

import pytest

from tests.benchmarks.uplift import Campaign, compare

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif("SCORELINE_DATA" not in os.environ, reason="SCORELINE_DATA does not name real data"),
]


def test_expected_value_beats_a_fixed_threshold() -> None:
    found = compare(Campaign.read(Path(os.environ["SCORELINE_DATA"])))
    usual, tuned, by_value = found["threshold"], found["best threshold"], found["expected value"]
    assert usual.gain.low > 0
    assert usual.plain_gain.low > 0
    assert by_value.value.value > tuned.value.value > usual.value.value
    assert min(by_value.shares["mens"], by_value.shares["womens"]) > 0.05
