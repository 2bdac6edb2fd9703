"""A real randomised campaign: 64,000 customers, two e-mails and none (Hillstrom 2008), for who has the data.

``SCORELINE_DATA`` names the folder of real data sets. The expected figures were computed from the formulas by hand.
"""

import csv
import gzip
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.contrasts import cuped, differences
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import contrast
from scoreline_registry.statistics.experiments.sample_ratio import chi_square, of_batches
from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments

pytestmark = pytest.mark.skipif("SCORELINE_DATA" not in os.environ, reason="SCORELINE_DATA does not name real data")
SEGMENTS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
Outcomes = dict[str, dict[str, npt.NDArray[np.float64]]]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """The outcomes of each segment's customers, and what they had spent before, by name."""
    with gzip.open(
        Path(os.environ["SCORELINE_DATA"]) / "hillstrom" / "hillstrom.csv.gz", "rt", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    return {
        segment: {
            name: np.array([float(row[name]) for row in rows if row["segment"] == segment])
            for name in ("visit", "conversion", "spend", "history")
        }
        for segment in SEGMENTS
    }


def test_arms_hold_what_their_shares_ask_for(outcomes: Outcomes) -> None:
    counts = [len(outcomes[segment]["visit"]) for segment in SEGMENTS]
    assert counts == [21306, 21307, 21387]
    pearson = chi_square(counts, (1, 1, 1))
    assert pearson is not None
    assert (round(pearson.statistic, 5), round(pearson.p_value, 5)) == (0.20253, 0.90369)
    assert of_batches([(counts, (1, 1, 1))], 3).p_value == 1


@pytest.mark.parametrize(
    ("outcome", "value", "error", "low", "high", "p"),
    [
        ("visit", 0.076590, 0.003386, 0.065685, 0.087494, 2.7e-109),
        ("conversion", 0.006805, 0.000921, 0.003839, 0.009771, 1.7e-11),
        ("spend", 0.769827, 0.145247, 0.302066, 1.237589, 8.1e-6),
    ],
)
def test_always_valid_effects_of_the_mens_campaign(
    outcomes: Outcomes, outcome: str, value: float, error: float, low: float, high: float, p: float
) -> None:
    control, treated = (Moments.of(outcomes[segment][outcome]) for segment in SEGMENTS[:2])
    effect = contrast(control, treated, amounts=True)
    assert isinstance(effect, Contrast)
    found = ConfidenceSequence().of(effect)
    assert isinstance(found, Estimate)
    assert [round(each, 6) for each in (found.value, effect.error, found.low, found.high)] == [
        value, error, low, high,
    ]  # fmt: skip
    assert found.p == pytest.approx(p, rel=0.05)


def test_the_interval_of_one_look_is_half_as_wide(outcomes: Outcomes) -> None:
    control, treated = (Moments.of(outcomes[segment]["visit"]) for segment in SEGMENTS[:2])
    fixed = differences.difference(control, treated)
    assert isinstance(fixed, Estimate)
    assert (round(fixed.low, 6), round(fixed.high, 6)) == (0.069953, 0.083226)


@pytest.mark.parametrize(("segment", "theta", "reduction"), [(1, 0.0012229, 0.00043), (2, 0.00103465, 0.00038)])
def test_earlier_purchases_bring_no_gain(outcomes: Outcomes, segment: int, theta: float, reduction: float) -> None:
    arms = (outcomes[SEGMENTS[0]], outcomes[SEGMENTS[segment]])
    found = cuped.adjust(*(JointMoments.of(arm["spend"], arm["history"]) for arm in arms))
    assert found.theta == pytest.approx(theta, rel=1e-4)
    assert found.variance_reduction == pytest.approx(reduction, abs=5e-6)
    assert not found.gain


def test_arms_that_are_one_segment_split_in_two_do_not_differ(outcomes: Outcomes) -> None:
    """Every 1,000 customers of the control segment, halved by turns."""
    spend = outcomes["No E-Mail"]["spend"]
    for count in range(1000, len(spend), 1000):
        pair = Moments.of(spend[:count:2]), Moments.of(spend[1:count:2])
        found = ConfidenceSequence().of(contrast(*pair, amounts=True))
        assert not (isinstance(found, Estimate) and found.excludes_zero)
