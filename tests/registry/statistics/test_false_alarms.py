"""Simulated experiments that are looked at 30 times: false alarms without an effect, and power with one.

40 experiments each in ``make test``, 1,000 with ``-m acceptance``; ``-s`` prints the rates beside their upper bounds.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from scoreline_registry.statistics.always_valid import quantiles
from scoreline_registry.statistics.always_valid.betting import log_rate_evidence
from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.always_valid.linear_models import LinearModelSequence
from scoreline_registry.statistics.always_valid.quantiles import QuantileSequence
from scoreline_registry.statistics.always_valid.rates import RateDifference, RateSequence
from scoreline_registry.statistics.contrasts.contrast import Contrast
from scoreline_registry.statistics.contrasts.differences import contrast
from scoreline_registry.statistics.contrasts.strata import Stratum, stratified_difference
from scoreline_registry.statistics.experiments.allocation import best_of_rates, with_floor
from scoreline_registry.statistics.experiments.power import Plan
from scoreline_registry.statistics.experiments.sample_ratio import SampleRatio
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_registry.statistics.scores.ranking import auc_contrast, paired_auc_contrast, placements

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
LOOKS = 30
PER_LOOK = 209  # rows of each arm; 12,540 of both at the end: where an effect of 0.05 sd has 80 % power in a fixed test
SEEDS = [40, pytest.param(1000, marks=pytest.mark.acceptance)]
every_count = pytest.mark.parametrize("seeds", SEEDS)


def upper_bound(alarms: int, seeds: int) -> float:
    """The upper bound of a rate, exact, one-sided at 95 %."""
    return float(stats.beta.ppf(0.95, alarms + 1, seeds - alarms)) if alarms < seeds else 1.0


def stated(what: str, alarms: Flags | np.bool_) -> int:
    """Prints how many experiments raised an alarm, and returns it."""
    count, seeds = int(np.sum(alarms)), np.size(alarms)
    print(f"{what}: {count} of {seeds} ({count / seeds:.1%}), at most {upper_bound(count, seeds):.1%}")
    return count


def at_most(rate: float, count: int, seeds: int) -> bool:
    """Whether so many alarms are compatible with a rate, at 1 in 1,000."""
    return bool(count <= stats.binom.ppf(0.999, seeds, rate))


def normal(rng: np.random.Generator, size: tuple[int, int]) -> Array:
    return rng.normal(0, 1, size)


def tenth(rng: np.random.Generator, size: tuple[int, int]) -> Array:
    return (rng.random(size) < 0.1).astype(np.float64)


def skewed(rng: np.random.Generator, size: tuple[int, int]) -> Array:
    return rng.exponential(1, size)


Draw = Callable[[np.random.Generator, tuple[int, int]], Array]


def looks_of(seed: int, draw: Draw, effect: float = 0.0) -> tuple[Array, Array, Array]:
    """Each look's difference, standard error and rows of both arms, of one experiment."""
    rng = np.random.default_rng(seed)
    rows = PER_LOOK * np.arange(1.0, LOOKS + 1)
    means, variances = [], []
    for shift in (0.0, effect):
        values = draw(rng, (LOOKS, PER_LOOK)) + shift
        mean = values.sum(1).cumsum() / rows
        means.append(mean)
        variances.append((np.square(values).sum(1).cumsum() - rows * mean**2) / (rows - 1) / rows)
    return means[1] - means[0], np.sqrt(variances[0] + variances[1]), 2 * rows


def experiments(seeds: int, draw: Draw, effect: float = 0.0) -> tuple[Array, Array, Array]:
    """The looks [seeds, LOOKS] of as many experiments."""
    found = [looks_of(seed, draw, effect) for seed in range(seeds)]
    differences, errors, rows = (np.array(part) for part in zip(*found, strict=True))
    return differences, errors, rows


@every_count
@pytest.mark.parametrize("draw", [normal, tenth, skewed])
def test_false_alarms_of_thirty_looks(seeds: int, draw: Draw) -> None:
    """At most 5 % for the always-valid test; the z-test at each look finds something in 28 % of nothing."""
    differences, errors, rows = experiments(seeds, draw)
    always_valid = (ConfidenceSequence().p_value(differences, errors, rows) < 0.05).any(axis=1)
    naive = np.abs(differences / errors) > 1.96
    assert at_most(0.05, stated(f"{draw.__name__}, always-valid", always_valid), seeds)
    assert stated(f"{draw.__name__}, z-test at every look", naive.any(axis=1)) > 0.15 * seeds
    assert at_most(0.06, stated(f"{draw.__name__}, z-test at the last look", naive[:, -1]), seeds)


@every_count
@pytest.mark.parametrize("effect", [0.05, 0.08])
def test_power_of_thirty_looks_is_what_the_plan_says(seeds: int, effect: float) -> None:
    sequence = ConfidenceSequence()
    differences, errors, rows = experiments(seeds, normal, effect)
    found = (sequence.p_value(differences, errors, rows) < 0.05).cumsum(axis=1) > 0
    fixed = np.abs(differences / errors)[:, -1] > 1.96
    plan = Plan.of_means(1, effect)
    watched = plan.watched(2 * PER_LOOK * LOOKS, sequence, looks=LOOKS)
    for share, planned in (
        (stated(f"effect {effect}, always-valid", found[:, -1]) / seeds, watched[-1]),
        (stated(f"effect {effect}, fixed size", fixed) / seeds, plan.power(2 * PER_LOOK * LOOKS)),
        (found[:, LOOKS // 2].mean(), watched[LOOKS // 2]),
    ):
        assert abs(share - planned) < 3.3 * math.sqrt(planned * (1 - planned) / seeds) + 0.01
    stops = np.where(found[:, -1], 2 * PER_LOOK * (found.argmax(axis=1) + 1), np.inf)
    print(f"effect {effect}: median stop {np.median(stops):.0f} rows, planned {plan.median_stop(12_540, sequence)}")


@every_count
def test_bounds_of_one_side_are_crossed_in_five_percent(seeds: int) -> None:
    """For a guard: the lower bound of a change that is exactly at the limit."""
    differences, errors, rows = experiments(seeds, normal)
    lower = differences - ConfidenceSequence(side="lower").half_width(errors, rows) > 0
    upper = differences + ConfidenceSequence(side="upper").half_width(errors, rows) < 0
    for name, crossed in (("lower", lower), ("upper", upper)):
        assert at_most(0.05, stated(f"{name} bound", crossed.any(axis=1)), seeds)


@every_count
def test_anytime_valid_t_tests(seeds: int) -> None:
    differences, errors, rows = experiments(seeds, normal)
    sequence = LinearModelSequence.narrowest_at(5000, 2)
    radii = np.array([sequence.radius(int(count), 2) for count in rows[0]])
    assert at_most(0.05, stated("anytime-valid t-test", (np.abs(differences / errors) > radii).any(axis=1)), seeds)


@every_count
@pytest.mark.parametrize("share", [0.2, 0.1, 0.02])
def test_false_alarms_of_rare_events_in_a_small_arm(seeds: int, share: float) -> None:
    """1 % conversions, a look at every 100 rows: a burn-in of rows alone is not enough."""
    sequence, exact = ConfidenceSequence(), RateDifference()
    treated = round(100 * share)
    rows = np.array([[100 - treated], [treated]]) * np.arange(1, 401)
    alarms = {0: np.zeros(seeds, bool), 5: np.zeros(seeds, bool), sequence.least_events: np.zeros(seeds, bool)}
    before, known = np.zeros(seeds, bool), dict[tuple[int, ...], bool]()
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        events = np.array([rng.binomial(count, 0.01, 400).cumsum() for count in (100 - treated, treated)])
        rates = events / rows
        errors = np.sqrt((rates * (1 - rates) / np.maximum(rows - 1, 1)).sum(axis=0))
        used = (rows.min(axis=0) >= sequence.burn_in) & (errors > 0)
        clock = 4 * share * (1 - share) * rows.sum(axis=0)
        found = np.abs(rates[1] - rates[0])[used] > sequence.half_width(errors[used], clock[used])
        for least, raised in alarms.items():
            raised[seed] = (found & (events.min(axis=0)[used] >= least)).any()
        for look in np.flatnonzero(events.min(axis=0) < sequence.least_events)[::10]:
            counts = tuple(events[:, look].tolist() + rows[:, look].tolist())
            if counts not in known:
                pair = (counts[0], counts[2]), (counts[1], counts[3])
                known[counts] = exact.log_evidence(*pair, 0.0) > math.log(20)
            before[seed] |= known[counts]
    rows_alone, _, enough = (
        stated(f"{share:.0%} in the arm, {least} events", raised) for least, raised in alarms.items()
    )
    assert rows_alone > 0.05 * seeds
    assert at_most(0.05, enough, seeds)
    stated(f"{share:.0%} in the arm, beta-binomial before 20 events", before)
    last = alarms[sequence.least_events]
    assert at_most(0.05, stated(f"{share:.0%} in the arm, one after the other", before | last), seeds)


def auc_contrasts(label: Flags, first: Array, second: Array) -> tuple[Contrast | TooFew, Contrast | TooFew]:
    """Of two scores of the same rows, and of two arms with every other row each."""
    arms = [placements(label[start::2], score[start::2]) for start, score in ((0, first), (1, second))]
    return paired_auc_contrast(label, first, second), auc_contrast(*arms)


@pytest.mark.parametrize("seeds", [40, pytest.param(300, marks=pytest.mark.acceptance)])
@pytest.mark.parametrize("rate", [0.5, 0.02])
def test_false_alarms_of_differences_in_auc(seeds: int, rate: float) -> None:
    """DeLong's variance in a confidence sequence: two scores that rank equally well, looked at 12 times."""
    sequence = ConfidenceSequence(burn_in=20)
    alarms, naive = np.zeros((2, seeds), bool), np.zeros((2, seeds), bool)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        label = rng.random(6000) < rate
        both = rng.normal(label.astype(np.float64), 1)
        first, second = (both + rng.normal(0, 0.5, 6000) for _ in range(2))
        for rows in range(500, 6001, 500):
            for kind, found in enumerate(auc_contrasts(label[:rows], first[:rows], second[:rows])):
                if isinstance(found, Contrast):
                    figure = sequence.of(found)
                    alarms[kind, seed] |= isinstance(figure, Estimate) and figure.excludes_zero
                    naive[kind, seed] |= abs(found.value) > 1.96 * found.error
    for name, kind in (("paired", 0), ("of two arms", 1)):
        assert at_most(0.05, stated(f"AUC {name}, {rate:.0%} events", alarms[kind]), seeds)
        assert stated(f"AUC {name}, {rate:.0%} events, DeLong at every look", naive[kind]) > 0.1 * seeds


def ramp(seed: int, base: float, effect: float) -> list[tuple[list[Stratum], Stratum]]:
    """The looks of a ramp whose base rate doubles from step to step: the closed periods, and the open one."""
    rng = np.random.default_rng(seed)
    closed: list[Stratum] = []
    looks = []
    for step, share in enumerate((0.01, 0.05, 0.25, 0.5)):
        rate, period = base * 2**step, Stratum(Moments(), Moments())
        for _ in range(8):
            treated = int(rng.binomial(1000, share))
            control = Moments.of_rate(int(rng.binomial(1000 - treated, rate)), 1000 - treated)
            grown = Moments.of_rate(int(rng.binomial(treated, rate + effect)), treated)
            period = Stratum(period.control + control, period.treated + grown)
            looks.append((list(closed), period))
        closed.append(period)
    return looks


def ramp_finds(seed: int, base: float, effect: float, *, pooled: bool = False) -> bool:
    """Whether any look of a ramp excludes 0."""
    for closed, period in ramp(seed, base, effect):
        strata = [*closed, period]
        if pooled:
            strata = [Stratum(*(sum((getattr(s, arm) for s in strata), Moments()) for arm in ("control", "treated")))]
        found = ConfidenceSequence().of(stratified_difference(strata))
        if isinstance(found, Estimate) and found.excludes_zero:
            return True
    return False


@every_count
@pytest.mark.parametrize("base", [0.005, 0.05])
def test_false_alarms_of_ramps(seeds: int, base: float) -> None:
    """Shares and base rate change together: pooled, nearly every ramp would seem to have an effect."""
    alarms = np.array([ramp_finds(seed, base, 0.0) for seed in range(seeds)])
    assert at_most(0.05, stated(f"ramp from {base:.1%}", alarms), seeds)
    pooled = np.array([ramp_finds(seed, base, 0.0, pooled=True) for seed in range(min(seeds, 40))])
    assert stated(f"ramp from {base:.1%}, pooled", pooled) > 20
    finds = np.array([ramp_finds(seed, base, base * 4) for seed in range(min(seeds, 40))])
    assert stated(f"ramp from {base:.1%} with an effect", finds) > 30


def bandit(seed: int) -> list[Stratum]:
    """The periods of two equal arms whose shares follow their conversions, with a floor of 5 %."""
    rng = np.random.default_rng(seed)
    share, totals, periods = 0.5, np.zeros((2, 2), np.int64), []
    for _ in range(LOOKS):
        sizes = np.array([600 - (treated := int(rng.binomial(600, share))), treated])
        hits = rng.binomial(sizes, 0.1)
        totals += np.stack([hits, sizes])
        periods.append(Stratum(*(Moments.of_rate(int(hit), int(size)) for hit, size in zip(hits, sizes, strict=True))))
        best = best_of_rates([(int(hit), int(size)) for hit, size in totals.T])
        share = with_floor(best, 0.05)[1]
    return periods


@every_count
def test_false_alarms_under_a_bandit(seeds: int) -> None:
    """Shares that follow the outcomes leave differences within periods unbiased."""
    sequence = ConfidenceSequence()
    alarms = np.zeros(seeds, bool)
    for seed in range(seeds):
        periods = bandit(seed)
        for look in range(1, LOOKS + 1):
            found = sequence.of(stratified_difference(periods[:look]))
            alarms[seed] |= isinstance(found, Estimate) and found.excludes_zero
    assert at_most(0.05, stated("bandit", alarms), seeds)


@every_count
@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_false_alarms_of_a_rate_at_its_limit(seeds: int, rate: float) -> None:
    """Errors at exactly the limit of a guard, seen after each 300 rows."""
    both, count = RateSequence(), 300 * np.arange(1, LOOKS + 1)
    alarms, misses = np.zeros(seeds, bool), np.zeros(seeds, bool)
    known: dict[tuple[int, int], tuple[bool, bool]] = {}
    needed = math.log(20)
    for seed in range(seeds):
        events = np.random.default_rng(seed).binomial(300, rate, LOOKS).cumsum()
        for at in zip(events.tolist(), count.tolist(), strict=True):
            if at not in known:
                known[at] = (
                    log_rate_evidence(np.array(at[:1]), at[1], rate)[0] >= needed,
                    both.p_value(*at, rate) < 0.05,
                )
            alarms[seed] |= known[at][0]
            misses[seed] |= known[at][1]
    assert at_most(0.05, stated(f"errors at {rate:.1%}, lower bound", alarms), seeds)
    assert at_most(0.05, stated(f"errors at {rate:.1%}, both bounds", misses), seeds)


@every_count
@pytest.mark.parametrize("quantile", [0.5, 0.99])
def test_coverage_of_a_quantile(seeds: int, quantile: float) -> None:
    """Of exponential latencies, whose quantile is known; the interval lies between two ranks."""
    counts = 400 * np.arange(1, LOOKS + 1)
    ranks = np.array([QuantileSequence(quantile).ranks(int(count)) for count in counts])
    truth = stats.expon.ppf(quantile)
    missed = np.zeros(seeds, bool)
    for seed in range(seeds):
        values = np.random.default_rng(seed).exponential(1, (LOOKS, 400))
        below = (values <= truth).sum(axis=1).cumsum()
        missed[seed] = ((below < ranks[:, 0]) | (below >= ranks[:, 1])).any()
    assert at_most(0.05, stated(f"quantile {quantile}", missed), seeds)


@every_count
def test_false_alarms_of_equal_quantiles_and_distributions(seeds: int) -> None:
    sequence = QuantileSequence(0.9)
    quantile_alarms, distance_alarms = np.zeros(seeds, bool), np.zeros(seeds, bool)
    for seed in range(seeds):
        first, second = np.random.default_rng(seed).gamma(2, 1, (2, 3000))
        for count in range(300, 3001, 300):
            pair = np.sort(first[:count]), np.sort(second[:count])
            distance = quantiles.distribution_difference(*pair)
            assert isinstance(distance, Estimate)
            distance_alarms[seed] |= distance.low > 0
            if count % 1500 == 0:
                quantile_alarms[seed] |= sequence.p_value(*pair) < 0.05
    assert at_most(0.05, stated("equal quantiles", quantile_alarms), seeds)
    assert at_most(0.05, stated("equal distributions", distance_alarms), seeds)


@every_count
def test_false_alarms_of_sample_ratios_in_ramps(seeds: int) -> None:
    alarms, finds = np.zeros(seeds, bool), np.zeros(seeds, bool)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        right, losing = SampleRatio.of_arms(2), SampleRatio.of_arms(2)
        for share in (0.01, 0.05, 0.25, 0.5, 0.9):
            for _ in range(6):
                assigned = int(rng.binomial(10_000, share))
                right = right.after((10_000 - assigned, assigned), (1 - share, share))
                losing = losing.after((10_000 - assigned, int(rng.binomial(assigned, 0.95))), (1 - share, share))
        alarms[seed], finds[seed] = right.p_value < 0.05, losing.p_value < 0.05
    assert at_most(0.05, stated("sample ratios of ramps", alarms), seeds)
    assert stated("sample ratios of ramps that lose 5 % of an arm", finds) > 0.95 * seeds


def test_the_looks_are_those_of_the_functions() -> None:
    """The simulation's arrays are what ``difference`` computes from moments."""
    differences, errors, rows = looks_of(3, normal, 0.1)
    rng = np.random.default_rng(3)
    control, treated = rng.normal(0, 1, (LOOKS, PER_LOOK)), rng.normal(0, 1, (LOOKS, PER_LOOK)) + 0.1
    for look in (0, 12, LOOKS - 1):
        effect = contrast(Moments.of(control[: look + 1].ravel()), Moments.of(treated[: look + 1].ravel()))
        assert isinstance(effect, Contrast)
        assert (effect.value, effect.error, effect.rows) == pytest.approx((differences[look], errors[look], rows[look]))
