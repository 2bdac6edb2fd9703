"""How often guards stop an arm that keeps every limit, however often they look."""

import math
from dataclasses import replace

import numpy as np
import pytest

from scoreline_registry.statistics.moments import Moments
from scoreline_server.controllers.guard import Guard, Limit
from scoreline_server.controllers.latency_guard import LatencyGuard
from scoreline_server.controllers.rate_guards import error_rate, missing_rate
from scoreline_server.controllers.readings import breaches
from scoreline_server.controllers.score_guards import FlipRate, ScoreShift
from scoreline_server.controllers.segmented import Segmented
from tests.server.controllers.simulated import BY, Traffic, pairs

ALPHA = 0.05
LOOKS, ROWS = 30, 400
GUARDS = 6
GOOD = Traffic(share=0.2)
AT_THE_LIMITS = replace(GOOD, errors=0.01, shift=0.05)
"""With _guards' limits every figure is exactly at its limit: the hardest arm that must not be stopped."""
_P99_MS = math.exp(1 + 0.5 * 2.3263478740)
_Z = 1.959964


SEEDS = pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(12, id="12 seeds"),
        pytest.param(200, marks=[pytest.mark.acceptance, pytest.mark.timeout(1800)], id="200 seeds"),
    ],
)


def _guards() -> list[Guard]:
    """One of each kind and one of pairs, each with its part of ALPHA."""
    part = ALPHA / GUARDS

    def limit(name: str, value: float) -> Limit:
        return Limit(name, value, part)

    return [
        error_rate(limit("error_rate", 0.01)),
        LatencyGuard(limit("p99_ms", _P99_MS)),
        Segmented(BY, limit("score_shift", 0.05), lambda each: ScoreShift(each, paired=False)),
        FlipRate(limit("flip_rate", 0.25), paired=False),
        missing_rate(limit("missing_rate", 0.02)),
        ScoreShift(limit("paired_shift", 0.05), paired=True),
    ]


def _alarms(traffic: Traffic, seeds: int) -> tuple[int, int]:
    """The ramps that guards stopped at any look, and those that a test of the shift for one look would have."""
    stopped = naive = 0
    for seed in range(seeds):
        random, guards = np.random.default_rng(seed), _guards()
        arm, others = Moments(), Moments()
        alarm = naive_alarm = False
        for look in range(LOOKS):
            rows, pair = traffic.rows(random, ROWS, start=look * ROWS), pairs(random, ROWS, shift=traffic.shift)
            for guard in guards:
                guard.add(rows)
                guard.add_pairs(pair)
                alarm |= bool(breaches(guard.readings()))
            arm, others = arm + Moments.of(rows.scores[rows.in_arm]), others + Moments.of(rows.scores[~rows.in_arm])
            error = math.sqrt(arm.variance_of_mean + others.variance_of_mean)
            naive_alarm |= abs(arm.mean - others.mean - traffic.shift) > _Z * error
        stopped += alarm
        naive += naive_alarm
    return stopped, naive


def _most(seeds: int) -> int:
    """Alarms that a rate of ALPHA exceeds with a probability of about 1 in 1,000."""
    return math.ceil(seeds * ALPHA + 3.1 * math.sqrt(seeds * ALPHA * (1 - ALPHA)))


@SEEDS
def test_an_arm_at_all_its_limits_is_rarely_stopped_within_thirty_looks(seeds: int) -> None:
    stopped, naive = _alarms(AT_THE_LIMITS, seeds)
    print(f"at the limits: {stopped} of {seeds} ramps stopped, by the test for one look {naive}")
    assert stopped <= _most(seeds)


@SEEDS
def test_a_good_arm_is_not_stopped(seeds: int) -> None:
    stopped, naive = _alarms(GOOD, seeds)
    print(f"good: {stopped} of {seeds} ramps stopped, by the test for one look {naive}")
    assert stopped <= seeds // 100
