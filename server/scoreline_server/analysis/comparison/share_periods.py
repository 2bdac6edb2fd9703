"""The shares in force over time, and whether the arms got the units that the shares promise."""

import math

import numpy as np

from scoreline_registry.statistics.experiments import sample_ratio
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_server.analysis.comparison.effects import Exposed
from scoreline_server.analysis.comparison.strata import Floats
from scoreline_server.analysis.report.comparison import SampleRatio, SharePeriod
from scoreline_server.analysis.rows.labels import Bool, Ints
from scoreline_server.analysis.rows.predictions import HOLDOUT, Predictions

ALPHA = 0.01
BATCHES = 100
WHOLE = 1_000_000

SEQUENTIAL = "sequential sample ratio test, Dirichlet-multinomial (Lindon and Malek 2020)"
FIXED = "Pearson's chi-squared"
ASSUMPTIONS = "each unit is assigned once, by a hash that knows nothing of it; counted on the assigned arm"


def share_periods(predictions: Predictions, exposed: Exposed) -> tuple[SharePeriod, ...]:
    """The periods of equal shares that have exposures, in the order of their first one."""
    found = []
    for index, shares in enumerate(predictions.share_list):
        rows = np.flatnonzero(exposed.shares == index)
        if len(rows) and shares.millionths:
            counts = np.bincount(exposed.arms[rows], minlength=len(exposed.arm_names)).tolist()
            found.append(
                SharePeriod(
                    since=exposed.time(int(rows[0])),
                    until=exposed.time(int(rows[-1])),
                    revisions=predictions.revisions[index],
                    rule=shares.rule,
                    shares=shares.millionths,
                    exposures=tuple(pair for pair in zip(exposed.arm_names, counts, strict=True) if pair[1]),
                )
            )
    return tuple(sorted(found, key=lambda period: period.since))


def sample_ratio_of(predictions: Predictions, exposed: Exposed) -> SampleRatio | None:
    """The test over all share periods, batch by batch in the order of time; None where no units are split.

    Exposures whose shares are unknown, and the holdout, which is drawn before the split, are not in it.
    """
    known = np.array([len(shares.millionths) > 0 for shares in predictions.share_list], np.bool_)
    arms = _split_arms(exposed, known)
    splits = known & (np.count_nonzero(exposed.has_share, axis=1) > 1) | _leaking(exposed, known)
    counted = np.flatnonzero(splits[exposed.shares] & np.isin(exposed.arms, arms)).astype(np.int32)
    if len(arms) < 2 or not len(counted):
        return None
    counts = _batches(exposed, counted)[:, :, arms]
    shares = _shares(predictions, exposed)[:, arms]
    batches = zip(*np.nonzero(counts.sum(axis=2)), strict=True)
    test = sample_ratio.of_batches(
        ((counts[batch, period].tolist(), shares[period].tolist()) for batch, period in batches), len(arms)
    )
    names = [exposed.arm_names[index] for index in arms]
    leaks = [name for at, name in enumerate(names) if (counts[:, :, at].sum(axis=0)[shares[:, at] == 0] > 0).any()]
    worst = max((one.excess for one in test.arms), key=abs)
    return SampleRatio(
        sequential=_figure(worst, test.p_value, SEQUENTIAL, test.count, always_valid=True),
        fixed=_chi_squared(test, worst),
        alpha=ALPHA,
        mismatch=test.p_value < ALPHA,
        expected=tuple(zip(names, test.expected, strict=True)),
        observed=tuple(zip(names, test.observed, strict=True)),
        leaks=tuple(leaks),
    )


def _split_arms(exposed: Exposed, known: Bool) -> list[int]:
    """The arms that have a share in some period, or units without one."""
    present = set(np.unique(exposed.arms).tolist())
    return [
        index
        for index, name in enumerate(exposed.arm_names)
        if name != HOLDOUT and (index in present or exposed.has_share[known, index].any())
    ]


def _leaking(exposed: Exposed, known: Bool) -> Bool:
    """The share periods in which an arm without a share has units: bool [S]."""
    leaking: Bool = np.zeros(len(known), np.bool_)
    holdout = exposed.arm_names.index(HOLDOUT) if HOLDOUT in exposed.arm_names else -1
    without = ~exposed.has_share[exposed.shares, exposed.arms] & (exposed.arms != holdout)
    leaking[np.unique(exposed.shares[without])] = True
    leaking &= known
    return leaking


def _batches(exposed: Exposed, counted: Ints) -> Ints:
    """Counts [B, S, A] of the units by time, share period and arm; batches of about equal size in the order of time."""
    sizes = exposed.sizes()
    counts = [
        np.bincount(np.ravel_multi_index((exposed.shares[part], exposed.arms[part]), sizes), minlength=math.prod(sizes))
        for part in np.array_split(counted, BATCHES)
    ]
    return np.stack(counts).reshape(BATCHES, *sizes)


def _shares(predictions: Predictions, exposed: Exposed) -> Floats:
    """The shares [S, A] in force."""
    table = np.zeros(exposed.sizes())
    for index, shares in enumerate(predictions.share_list):
        known = dict(shares.millionths)
        table[index] = [known.get(name, 0) / WHOLE for name in exposed.arm_names]
    return table


def _chi_squared(test: sample_ratio.SampleRatio, worst: float) -> Figure:
    kept = [(count, want) for count, want in zip(test.observed, test.expected, strict=True) if want > 0]
    found = sample_ratio.chi_square([count for count, _ in kept], [want for _, want in kept]) if len(kept) > 1 else None
    if found is None:
        return TooFew(math.floor(min((want for _, want in kept), default=0)), 5, FIXED)
    return _figure(worst, found.p_value, FIXED, test.count, always_valid=False)


def _figure(worst: float, p: float, method: str, count: int, *, always_valid: bool) -> Estimate:
    """``value`` is the excess of the arm that is furthest off: -0.02 where it lacks 2 % of its units."""
    return Estimate(worst, worst, worst, p, 0.0, method, ASSUMPTIONS, count, always_valid=always_valid)
