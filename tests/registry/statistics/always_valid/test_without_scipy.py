"""What the server's controllers compute while it serves needs NumPy alone; SciPy is an extra."""

import sys

import numpy as np
import pytest

from scoreline_registry.statistics.always_valid import quantiles
from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.always_valid.quantiles import QuantileSequence
from scoreline_registry.statistics.always_valid.rates import RateDifference, RateSequence
from scoreline_registry.statistics.contrasts.differences import contrast, one_sample
from scoreline_registry.statistics.contrasts.strata import Stratum, stratified_difference
from scoreline_registry.statistics.experiments.power import Plan
from scoreline_registry.statistics.experiments.sample_ratio import SampleRatio, chi_square
from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.moments import Moments


def test_always_valid_figures_and_plans_need_no_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    control, treated = Moments.of_rate(300, 3000), Moments.of_rate(400, 3000)
    values = np.sort(np.random.default_rng(1).exponential(1, (2, 2000)))
    found = [
        ConfidenceSequence().of(contrast(control, treated)),
        ConfidenceSequence(side="lower").of(stratified_difference([Stratum(control, treated)])),
        ConfidenceSequence(side="upper").of(one_sample(Moments.of(values[0]))),
        RateSequence().of(30, 1000, null=0.01),
        RateDifference().of((3, 1000), (9, 1000)),
        QuantileSequence(0.99).of(values[0]),
        quantiles.distribution_difference(values[0], values[1]),
    ]
    assert all(isinstance(figure, Estimate) and figure.always_valid for figure in found)
    assert SampleRatio.of_arms(2).after((100, 100), (1, 1)).p_value == 1
    assert chi_square((100, 120), (1, 1)) is not None
    assert QuantileSequence(0.5).p_value(values[0], values[1]) > 0.05
    assert Plan.of_rates(0.1, 0.01).watched(30_000, ConfidenceSequence())[-1] > 0.4
