"""Parts of a comparison's report: counts, distributions, the quality of scores, the plan and notes.

Times are ns since 1970.
"""

from dataclasses import dataclass

from scoreline_registry.statistics.figures import Figure

BY_INFORMATION = "information"
BY_UNITS = "units"


@dataclass(frozen=True, slots=True)
class Period:
    """The rows in time.

    Attributes:
        since, until: the period that was asked for, from the experiment's start on; None where it is open.
        first, last: the times of the first and the last row in it; None without a row.
    """

    since: int | None
    until: int | None
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What was read, and what of it does not count.

    Attributes:
        read: rows of the route in the period.
        retries: of repeated calls with a request id that was answered before; left out.
        duplicates: prediction ids that were read before, of a journal given twice; left out.
        unassigned: without the unit that the split needs; left out.
        overridden: of units that the route gives an arm by name, such as testers; left out.
        repeats: of a unit after its first row; they are no further exposure.
        exposures: units that count, the holdout's included.
        failed: exposures without a score; they count.
        fallback: exposures that another arm than the assigned one answered; they count for the assigned one.
        crossed: units that count and were assigned to another arm later in the period.
        without_shares: exposures whose journal, of an older version, does not have the shares in force.
        torn_tails: files whose writer was killed or is still writing.
        damaged: stretches of files that cannot be read.
    """

    read: int = 0
    retries: int = 0
    duplicates: int = 0
    unassigned: int = 0
    overridden: int = 0
    repeats: int = 0
    exposures: int = 0
    failed: int = 0
    fallback: int = 0
    crossed: int = 0
    without_shares: int = 0
    torn_tails: int = 0
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """The outcomes of one name.

    Attributes:
        name: the outcome's.
        read: reports of it for the route.
        superseded: reports that a later one corrects or repeats.
        matched: last reports whose row, or whose unit in its window, is among the rows.
        unmatched: reports of others: of another period, of testers, or of rows that the journal does not have.
        late: matched, but observed after the metric's maturity; left out in every arm.
    """

    name: str
    read: int
    superseded: int
    matched: int
    unmatched: int
    late: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram over ``edges`` [B + 1] with ``counts`` [B], and quantiles as (probability, value)."""

    count: int
    mean: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    quantiles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds. ``measures`` says from when to when; ``quantiles`` are (probability, value)."""

    measures: str
    count: int
    mean: float
    quantiles: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """How near stated probabilities are to the shares of positives.

    Attributes:
        scores, rates, counts: per bin of scores, the mean score, the share of positives and the rows.
        expected_error: the mean gap between score and rate.
        intercept, slope: of the log odds of the outcome over those of the score; 0 and 1 are calibrated.
    """

    scores: tuple[float, ...]
    rates: tuple[float, ...]
    counts: tuple[int, ...]
    expected_error: float
    intercept: Figure
    slope: Figure


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the scores of one model rank and state the probability of an outcome.

    Attributes:
        metric: the rate whose outcome it is.
        rows, positives: the labelled rows that the figures are of, and those with the outcome.
        auc, average_precision, brier, ks: with their intervals, where they have one.
        calibration: None for scores that are no probabilities.
        labelled: all labelled rows; above a million, as many are drawn at random with a fixed seed.
    """

    metric: str
    rows: int
    positives: int
    auc: Figure
    average_precision: Figure
    brier: Figure
    ks: Figure
    calibration: Calibration | None
    labelled: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """The always-valid interval of an effect as it stood at ``time``."""

    time: int
    units: int
    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """A metric as it was compared."""

    name: str
    outcome: str
    kind: str
    direction: str
    denominator: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings that the figures depend on.

    Attributes:
        source: "route" for the route's experiment section, "route, changed by options", or "options".
        alpha: the significance level; intervals cover 1 - alpha.
        tuning_rows: N* of the asymptotic confidence sequence, fixed before the data.
        maturity_days: within which an outcome is observed, counted from the exposure; 0 for no limit.
        minimum_effect: the smallest absolute effect of the primary metric that matters; 0 for any.
        covariate: of CUPED; empty without.
        segments: what the report is broken down by.
        metrics: with the primary one first.
        changed: whether rows were journaled under another experiment section than the present one.
        weights: of share periods: "information", or "units" where shares followed outcomes, as under a bandit.
    """

    source: str
    alpha: float
    tuning_rows: int
    maturity_days: float
    minimum_effect: float
    covariate: str
    segments: tuple[str, ...]
    metrics: tuple[MetricPlan, ...]
    changed: bool = False
    weights: str = BY_INFORMATION


@dataclass(frozen=True, slots=True)
class RampMove:
    """One revision that changed the route, from the registry's history.

    ``weights`` are those of the last rule, in percent; ``allocates`` says whether they follow outcomes.
    """

    time: int
    revision: int
    message: str
    weights: tuple[tuple[str, float], ...]
    allocates: bool = False
