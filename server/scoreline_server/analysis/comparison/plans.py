"""The plan that a comparison follows: the route's experiment section, or options and guesses where it has none."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scoreline_registry.routing.experiment import MAX_METRICS, MAX_NAME_LENGTH, MAX_SEGMENTS, Experiment
from scoreline_server.analysis.report.parts import MetricPlan, Plan
from scoreline_server.analysis.rows.facts import CONTEXT, FEATURE
from scoreline_server.journal.format.times import nanoseconds_of

KINDS = ("mean", "rate", "ratio")
DIRECTIONS = ("increase", "decrease")
DEFAULT_ALPHA = 0.05
DEFAULT_TUNING_ROWS = 5000
MAX_MATURITY_DAYS = 3660
MAX_CUT_OFFS = 20
NO_SECTION = Plan("options", DEFAULT_ALPHA, DEFAULT_TUNING_ROWS, 0, 0, "", (), ())


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller sets beside the experiment section; None, or empty, leaves it to that section.

    Raises ValueError for values that no section may have, and for more of them than one report should hold.

    Attributes:
        baseline: the arm that others are compared with; empty for the first arm of the last rule.
        metrics: in place of the section's, the first one primary.
        alpha, tuning_rows, maturity_days, minimum_effect, covariate, segments: as in the section.
        cut_offs: scores at which decisions of shadows are compared, for versions without bands.
    """

    baseline: str = ""
    metrics: tuple[MetricPlan, ...] = ()
    alpha: float | None = None
    tuning_rows: int | None = None
    maturity_days: float | None = None
    minimum_effect: float | None = None
    covariate: str | None = None
    segments: tuple[str, ...] = ()
    cut_offs: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values, most in (
            ("metrics", self.metrics, MAX_METRICS),
            ("segments", self.segments, MAX_SEGMENTS),
            ("cut-offs", self.cut_offs, MAX_CUT_OFFS),
        ):
            if len(values) > most:
                raise ValueError(f"{len(values):,} {name}: give at most {most}")
        if self.alpha is not None and not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha must be above 0 and below 0.5, not {self.alpha:g}")
        if self.maturity_days is not None and not 0 <= self.maturity_days <= MAX_MATURITY_DAYS:
            raise ValueError(f"maturity days must be from 0 to {MAX_MATURITY_DAYS}, not {self.maturity_days:g}")
        for cut in self.cut_offs:
            if not math.isfinite(cut):
                raise ValueError(f"a cut-off is a finite score, not {cut:g}")


def start_of(experiment: Experiment | None, since: int | None) -> int | None:
    """When the rows to compare begin, in ns since 1970: the experiment's start, or ``since`` where that is later."""
    start = None if experiment is None or experiment.start is None else nanoseconds_of(experiment.start)
    return max((time for time in (since, start) if time is not None), default=None)


def plan_of(experiment: Experiment | None, options: Options) -> Plan:
    """The experiment section with the options in place of what it says; without metrics where neither has any."""
    section = _section(experiment) if experiment else NO_SECTION
    given: Mapping[str, Any] = {
        "alpha": options.alpha,
        "tuning_rows": options.tuning_rows,
        "maturity_days": options.maturity_days,
        "minimum_effect": options.minimum_effect,
        "covariate": options.covariate,
        "segments": options.segments or None,
        "metrics": tuple(_as_planned(metric, section.metrics) for metric in options.metrics) or None,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    if changed and experiment:
        changed["source"] = "route, changed by options"
    return replace(section, **changed)


def metric_of(text: str) -> MetricPlan:
    """A metric as an option gives it: OUTCOME[/DENOMINATOR][:KIND[:DIRECTION]], such as "default:rate:decrease".

    A name alone leaves the kind and the direction empty: the section, or else the outcomes' values, say what it is.
    Raises ValueError that says what is wrong.
    """
    name, *rest = text.split(":")
    outcome, slash, denominator = name.partition("/")
    if outcome and not rest and not slash and len(outcome) <= MAX_NAME_LENGTH:
        return MetricPlan(name, outcome, "", "")
    kind = rest[0] if rest else "ratio"
    direction = rest[1] if len(rest) > 1 else "increase"
    if len(rest) > 2 or kind not in KINDS or direction not in DIRECTIONS or not outcome or (slash and not denominator):
        raise ValueError(f"{text!r} is no metric: write OUTCOME[/DENOMINATOR][:mean|rate|ratio[:increase|decrease]]")
    if max(len(outcome), len(denominator)) > MAX_NAME_LENGTH:
        raise ValueError(f"{text[:40]!r}... is no metric: names of outcomes have at most {MAX_NAME_LENGTH} characters")
    if (kind == "ratio") != bool(denominator):
        raise ValueError(f"{text!r}: a ratio, and only that, has a denominator: OUTCOME/DENOMINATOR:ratio")
    return MetricPlan(name, outcome, kind, direction, denominator or None)


def of_values(metric: MetricPlan, *, is_binary: bool) -> MetricPlan:
    """A metric that was given by its name alone: a rate where its values are 0 and 1, else a mean; more is better."""
    return metric if metric.kind else replace(metric, kind="rate" if is_binary else "mean", direction="increase")


def _as_planned(metric: MetricPlan, planned: Sequence[MetricPlan]) -> MetricPlan:
    """The section's metric of that name where a name alone was given."""
    return next((each for each in planned if not metric.kind and each.name == metric.name), metric)


def check_facts(facts: Iterable[str]) -> None:
    """Raises ValueError for a fact that is neither "feature.NAME" nor "context.KEY"."""
    for fact in facts:
        if not fact.startswith((FEATURE, CONTEXT)):
            raise ValueError(f"{fact!r} is neither feature.NAME nor context.KEY")


def _section(experiment: Experiment) -> Plan:
    names = [experiment.primary, *(name for name in experiment.metrics if name != experiment.primary)]
    return Plan(
        source="route",
        alpha=experiment.alpha,
        tuning_rows=experiment.tuning_rows,
        maturity_days=experiment.maturity_days,
        minimum_effect=experiment.minimum_effect or 0.0,
        covariate=experiment.covariate or "",
        segments=experiment.segments,
        metrics=tuple(
            MetricPlan(name, metric.outcome, metric.kind, metric.direction, metric.denominator)
            for name in names
            for metric in [experiment.metrics[name]]
        ),
    )
