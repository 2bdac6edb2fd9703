"""A comparison over periods whose shares follow outcomes: close to the truth, with an interval that holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from scoreline_registry.routing.allocation import Allocation
from scoreline_registry.routing.experiment import Metric
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.parts import BY_UNITS, RampMove
from scoreline_server.controllers.allocation_controller import shares_of, weights
from tests.server.analysis.rows import DAY, START, Rows, route_facts, write_outcomes, write_rows

ARMS = ("old@1", "new@1")
PERIODS, UNITS = 8, 500
ALLOCATION = Allocation(metric="paid", every_seconds=86_400, floor_millionths=50_000)
METRIC = Metric(outcome="paid", kind="rate", direction="increase")
BASE_RATES = np.linspace(0.1, 0.5, PERIODS)
"""What happens with the old arm rises while the better arm's share grows: pooled means take one for the other."""


@dataclass(frozen=True)
class Found:
    """The comparison of one bandit.

    Attributes:
        value: the estimated effect.
        pooled: the difference of plain means over all periods.
        missed: whether the interval left the true effect out at any look.
        shares: of the new arm at the end.
    """

    value: float
    pooled: float
    missed: bool
    share: float


def bandit(folder: Path, seed: int, effect: float) -> Found:
    """A bandit of some periods, journaled, each period's shares by the allocation's own figures of those before."""
    random = np.random.default_rng([11, seed])
    shares = dict.fromkeys(ARMS, 500_000)
    parts, labels, samples = list[Rows](), [], list[dict[str, Moments]]()
    for period, rate in enumerate(BASE_RATES):
        assigned = (random.random(UNITS) < shares[ARMS[1]] / 1e6).astype(int)
        paid = (random.random(UNITS) < rate + effect * assigned).astype(float)
        times = START + period * DAY + np.arange(UNITS) * 10**9
        names = [f"p{period}-{place}" for place in range(UNITS)]
        parts.append(Rows(route_facts(shares, revision=period + 1), names, assigned, times, seed=seed))
        labels.append(paid)
        samples.append({name: Moments.of(paid[assigned == arm]) for arm, name in enumerate(ARMS)})
        found = shares_of(samples, ARMS, METRIC)
        assert not isinstance(found, TooFew)
        shares = weights(found, ALLOCATION)
    write_rows(folder, *parts)
    write_outcomes(folder, "paid", np.concatenate(labels), ids=np.concatenate([part.call_ids for part in parts]))
    options = Options(metrics=(metric_of("paid:rate"),), tuning_rows=PERIODS * UNITS // 2)
    moves = [RampMove(START, 1, "allocate: thompson", (), allocates=True)]
    report = compare(Request((folder,), "credit", options=options, now=START + 400 * DAY), moves=moves)
    assert report.plan.weights == BY_UNITS
    pooled = [np.concatenate(labels)[np.concatenate([part.assigned for part in parts]) == arm].mean() for arm in (0, 1)]
    return _found(report, effect, float(pooled[1] - pooled[0]), shares[ARMS[1]] / 1e6)


def _found(report: Comparison, effect: float, pooled: float, share: float) -> Found:
    [of_arm] = report.effects
    assert of_arm.strata > 1
    assert of_arm.looks
    assert report.sample_ratio is not None
    assert isinstance(of_arm.absolute, Estimate)
    missed = any(not look.low <= effect <= look.high for look in of_arm.looks)
    return Found(of_arm.absolute.value, pooled, missed, share)


@pytest.mark.parametrize("effect", [0.0, 0.05])
@pytest.mark.parametrize("seeds", [12, pytest.param(400, marks=[pytest.mark.acceptance, pytest.mark.timeout(1200)])])
def test_shares_that_follow_outcomes_mislead_no_effect_and_interval(tmp_path: Path, seeds: int, effect: float) -> None:
    found = [bandit(tmp_path / str(seed), seed, effect) for seed in range(seeds)]
    values = np.array([each.value for each in found])
    error = values.std(ddof=1) / np.sqrt(seeds)
    pooled = np.array([each.pooled for each in found])
    missed = sum(each.missed for each in found)
    print(f"{seeds} bandits, effect {effect}: mean {values.mean():.4f} (error {error:.4f}, spread "
          f"{values.std(ddof=1):.4f}), pooled {pooled.mean():.4f}, spread {pooled.std(ddof=1):.4f}, {missed} "
          f"intervals missed, last share {np.mean([each.share for each in found]):.2f}")  # fmt: skip
    # Weights by information would know a little of the outcomes: off by a quarter of the estimate's own spread.
    assert abs(values.mean() - effect) < 3 * error
    assert missed <= 0.05 * seeds + 3 * np.sqrt(0.05 * 0.95 * seeds)
    assert not effect or pooled.mean() - effect > 5 * pooled.std(ddof=1) / np.sqrt(seeds)
