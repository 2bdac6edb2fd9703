"""Guards stop an arm for what it does, by bounds that hold at every look, and let a good one pass."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from scoreline_server.controllers.guard import Guard, Limit
from scoreline_server.controllers.latency_guard import LatencyGuard
from scoreline_server.controllers.rate_guards import error_rate, missing_rate
from scoreline_server.controllers.readings import Finding, Reading, Verdict, breaches, verdict_of
from scoreline_server.controllers.score_guards import FlipRate, ScoreShift
from scoreline_server.controllers.segmented import Segmented
from scoreline_server.controllers.step_rows import StepRows
from tests.server.controllers.simulated import BY, Traffic, pairs

GOOD = Traffic()
ALPHA = 0.01


def limit(name: str, value: float) -> Limit:
    return Limit(name, value, ALPHA)


def all_guards() -> dict[str, Guard]:
    """One guard of each kind, with limits that GOOD keeps."""
    return {
        "error_rate": error_rate(limit("error_rate", 0.01)),
        "p99_ms": LatencyGuard(limit("p99_ms", 20)),
        "score_shift": Segmented(BY, limit("score_shift", 0.05), lambda each: ScoreShift(each, paired=False)),
        "flip_rate": FlipRate(limit("flip_rate", 0.1), paired=False),
        "missing_rate": missing_rate(limit("missing_rate", 0.05)),
    }


def readings(guards: Mapping[str, Guard], traffic: Traffic, *, rows: int = 20_000, seed: int = 7) -> list[Reading]:
    """What guards read of some traffic, in ten looks."""
    random = np.random.default_rng(seed)
    for look in range(10):
        drawn = traffic.rows(random, rows // 10, start=look * rows // 10)
        for guard in guards.values():
            guard.add(drawn)
    return [reading for guard in guards.values() for reading in guard.readings()]


def one(guard: Guard, *rows: StepRows) -> Reading:
    for each in rows:
        guard.add(each)
    (reading,) = guard.readings()
    return reading


@pytest.mark.parametrize(
    ("traffic", "guard"),
    [
        pytest.param(replace(GOOD, errors=0.05), "error_rate", id="raises on 5 % of rows"),
        pytest.param(replace(GOOD, slower_ms=50), "p99_ms", id="50 ms slow"),
        pytest.param(replace(GOOD, shift_of=(0.1, -0.1, 0.0)), "score_shift", id="right on average"),
    ],
)
def test_only_the_guard_of_what_is_wrong_is_breached(traffic: Traffic, guard: str) -> None:
    found = readings(all_guards() | {"flip_rate": FlipRate(limit("flip_rate", 0.5), paired=False)}, traffic)
    assert {reading.guard for reading in breaches(found)} == {guard}
    assert verdict_of(found, held=True) is Verdict.BREACH


def test_shifted_scores_breach_the_shift_and_the_bands_that_they_cross() -> None:
    found = breaches(readings(all_guards(), replace(GOOD, shift=0.2)))
    assert {reading.guard for reading in found} == {"score_shift", "flip_rate"}
    shift = found[0]
    assert (shift.segment, shift.low < 0.2 < shift.high, shift.low > 0.05) == ("", True, True)
    assert {reading.segment for reading in found} == {"", f"{BY}=web", f"{BY}=shop", f"{BY}=app"}


def test_a_segment_is_stopped_where_the_whole_is_right() -> None:
    found = readings(all_guards(), replace(GOOD, shift_of=(0.1, -0.1, 0.0)))
    shifts = {reading.segment: reading.finding for reading in found if reading.guard == "score_shift"}
    assert shifts[""] is not Finding.BREACHED
    assert shifts[f"{BY}=web"] is shifts[f"{BY}=shop"] is Finding.BREACHED
    assert shifts[f"{BY}=app"] is not Finding.BREACHED


def test_a_good_arm_passes_once_the_step_is_held_long_enough() -> None:
    found = readings(all_guards(), GOOD)
    assert verdict_of(found, held=False) is Verdict.CONTINUE
    assert verdict_of(found, held=True) is Verdict.PASS
    assert all(reading.low <= reading.value <= reading.high for reading in found)


def test_a_step_with_few_rows_does_not_pass_and_does_not_go_back() -> None:
    found = readings(all_guards(), GOOD, rows=1000)
    assert verdict_of(found, held=True) is Verdict.CONTINUE
    assert {reading.finding for reading in found if not reading.segment} == {Finding.TOO_FEW}


def test_proof_is_asked_for_where_it_is_wanted() -> None:
    guards = {"missing_rate": missing_rate(limit("missing_rate", 0.025))}
    assert verdict_of(readings(guards, GOOD), held=True, prove=True) is Verdict.CONTINUE
    guards = {"missing_rate": missing_rate(limit("missing_rate", 0.2))}
    assert verdict_of(readings(guards, GOOD), held=True, prove=True) is Verdict.PASS


def test_pairs_find_a_shift_in_a_hundredth_of_the_rows() -> None:
    paired, unpaired = ScoreShift(limit("score_shift", 0.01), paired=True), ScoreShift(limit("s", 0.01), paired=False)
    random = np.random.default_rng(3)
    paired.add_pairs(pairs(random, 200, shift=0.02))
    unpaired.add(replace(GOOD, shift=0.02, share=0.5).rows(random, 200))
    (narrow,), (wide,) = paired.readings(), unpaired.readings()
    assert narrow.finding is Finding.BREACHED
    assert wide.finding is not Finding.BREACHED


def test_flips_of_pairs_are_counted_and_those_of_arms_are_known_from_below() -> None:
    random = np.random.default_rng(5)
    drawn = pairs(random, 4000, shift=0.1)
    paired = FlipRate(limit("flip_rate", 0.1), paired=True)
    paired.add_pairs(drawn)
    (counted,) = paired.readings()
    share = float((drawn.answered_bands != drawn.shadowed_bands).mean())
    assert counted.value == pytest.approx(share)
    assert counted.finding is Finding.BREACHED
    below = one(FlipRate(limit("flip_rate", 0.1), paired=False), Traffic(share=0.5, shift=0.1).rows(random, 8000))
    assert 0.1 < abs(below.value) <= share + 0.05
    assert below.finding is Finding.BREACHED
    assert "change of the share of band" in below.method


def test_rows_that_fail_together_are_one_failure() -> None:
    rows = replace(GOOD, share=1.0, errors=0.0).rows(np.random.default_rng(1), 256)
    failing = replace(rows, batches=np.zeros(256, np.int64), failed=np.ones(256, np.bool_))
    assert one(error_rate(limit("error_rate", 0.05)), failing).finding is Finding.TOO_FEW
    assert one(error_rate(limit("error_rate", 0.05)), replace(failing, batches=np.arange(256))).finding is (
        Finding.BREACHED
    )


def test_calls_that_wait_together_are_one_latency() -> None:
    rows = replace(GOOD, share=1.0, slower_ms=100).rows(np.random.default_rng(1), 256)
    together = one(LatencyGuard(limit("p99_ms", 20)), replace(rows, batches=np.zeros(256, np.int64)))
    assert (together.count, together.finding) == (1, Finding.TOO_FEW)


@pytest.mark.parametrize("make", [error_rate, missing_rate, LatencyGuard], ids=["errors", "missing", "latency"])
def test_against_others_what_all_arms_suffer_is_no_breach(make: Callable[[Limit], Guard]) -> None:
    random = np.random.default_rng(1)
    rows = replace(GOOD, share=0.3).rows(random, 4000)
    bad_hour = replace(
        rows,
        latencies_ms=np.full(4000, 500.0),
        failed=random.random(4000) < 0.2,
        missing=random.random(4000) < 0.2,
    )
    value = 20.0 if make is LatencyGuard else 0.05
    absolute = one(make(Limit("g", value, ALPHA)), bad_hour)
    relative = one(make(Limit("g", value, ALPHA, against="others")), bad_hour)
    assert absolute.finding is Finding.BREACHED
    assert relative.finding is not Finding.BREACHED
    assert abs(relative.value) < value


def test_changing_shares_do_not_make_a_difference_of_arms() -> None:
    """At 5 % the scores are low, at 50 % they are high: pooled, the arm would seem to score higher."""
    random = np.random.default_rng(11)
    low, high = Traffic(share=0.05).rows(random, 5000), Traffic(share=0.5).rows(random, 5000)
    high = replace(high, scores=high.scores + 0.4, strata=high.strata + 1)
    apart = one(ScoreShift(limit("score_shift", 0.05), paired=False), low, high)
    assert apart.finding is not Finding.BREACHED
    assert abs(apart.value) < 0.02
    pooled = one(ScoreShift(limit("score_shift", 0.05), paired=False), low, replace(high, strata=low.strata))
    assert pooled.finding is Finding.BREACHED


def test_a_reading_says_what_was_measured_against_what() -> None:
    reading = Reading("score_shift", f"{BY}=web", 0.2034, 0.171, math.inf, 0.05, 412, Finding.BREACHED, "method")
    assert str(reading) == "score_shift 0.2034 (0.171 to inf) against 0.05 in context.channel=web, 412 units"
