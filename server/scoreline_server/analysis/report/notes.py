"""What to know before believing a report: problems, cautions and how it was made."""

import math
from collections.abc import Iterator, Mapping, Sequence

from scoreline_registry.pictures.notes import CAUTION, INFO, PROBLEM, Note, problems_first
from scoreline_registry.routing.experiment import FACT_FEATURE
from scoreline_registry.statistics.figures import Estimate
from scoreline_server.analysis.report.comparison import Comparison, Effect, MetricValue, SampleRatio
from scoreline_server.analysis.report.parts import MetricPlan

COVERAGE_GAP = 0.02
"""Arms whose shares of labelled units differ by more are not comparable."""
FAILED_SHARE = 0.01
"""A shadow that fails on more of its rows is not known by those that it scored."""


def notes_of(comparison: Comparison, *, unused: Mapping[str, int], absent: Sequence[str] = ()) -> list[Note]:
    """The notes of a report, problems first.

    ``unused`` are reports of outcomes by name that no metric uses, ``absent`` the segments and covariates of which no
    row has a value.
    """
    notes = [*_rows(comparison), *_split(comparison), *_outcomes(comparison, unused), *_coverage(comparison)]
    for fact in absent if comparison.rows.exposures else ():
        kept = (
            "sensitive features and rows without inputs have none" if fact.startswith(FACT_FEATURE) else "is it sent?"
        )
        notes.append(Note(CAUTION, f"no row has a value of {fact}: {kept}"))
    notes += [*_effects(comparison), *_shadows(comparison)]
    return problems_first(notes)


def _rows(comparison: Comparison) -> Iterator[Note]:
    rows = comparison.rows
    if not rows.read:
        yield Note(PROBLEM, f"the journal has no rows of route {comparison.route!r} in this period")
    if rows.damaged:
        text = "damaged stretches of journal files could not be read: run `scoreline journal verify`"
        yield Note(PROBLEM, f"{rows.damaged} {text}")
    if rows.torn_tails:
        yield Note(INFO, f"{rows.torn_tails} journal files have a torn tail: a writer was killed or is writing")
    if rows.duplicates:
        yield Note(CAUTION, f"{rows.duplicates:,} rows were read twice: is one journal given under two names?")
    if rows.without_shares:
        text = "exposures were journaled by an older version, without the shares in force"
        effect = "they are compared within a revision and not in the sample ratio test"
        yield Note(CAUTION, f"{rows.without_shares:,} {text}: {effect}")
    if rows.crossed:
        text = "units were assigned to another arm later in the period"
        yield Note(INFO, f"{rows.crossed:,} {text}: each counts for its first arm, which makes effects smaller")
    if rows.fallback:
        text = "exposures were answered by another arm than the assigned one"
        yield Note(INFO, f"{rows.fallback:,} {text}: they count for the assigned one")


def _split(comparison: Comparison) -> Iterator[Note]:
    found = comparison.sample_ratio
    if found is not None and found.mismatch:
        text = "the arms do not hold the units that their shares promise"
        effect = "units were lost or added on the way, and no effect can be trusted before it is found why"
        yield Note(PROBLEM, f"sample ratio mismatch: {text}: {_shortfalls(found)}: {effect}")
    for arm in found.leaks if found is not None else ():
        yield Note(PROBLEM, f"arm {arm} got units while its share was 0")
    periods = len({period.shares for period in comparison.share_periods})
    if periods > 1:
        text = f"the shares changed: effects are compared within {periods} share periods and weighed"
        yield Note(INFO, f"{text}; the plain values of arms mix them and must not be subtracted")
    if comparison.plan.changed:
        text = "some rows were journaled under another experiment section than the present one"
        yield Note(CAUTION, f"{text}: the plan was changed while it ran; `scoreline history` says when")


def _outcomes(comparison: Comparison, unused: Mapping[str, int]) -> Iterator[Note]:
    if comparison.rows.exposures and not comparison.outcomes:
        yield Note(INFO, "there are no outcomes yet: metrics need `report_outcomes` or `scoreline outcomes import`")
    if unused:
        listed = ", ".join(f"{name} ({count:,})" for name, count in sorted(unused.items()))
        yield Note(INFO, f"outcomes that no metric uses: {listed}")
    for outcome in comparison.outcomes:
        if not outcome.read and comparison.rows.exposures:
            yield Note(CAUTION, f"no outcome {outcome.name!r} has been reported: is the name right?")
        if outcome.unmatched:
            yield Note(INFO, f"outcome {outcome.name}: {outcome.unmatched:,} reports have no row that counts here")
    if comparison.outcomes and not comparison.plan.maturity_days:
        text = "no maturity_days are set: outcomes that take long are missing for young units"
        yield Note(CAUTION, f"{text}; set how long an outcome may take")


def _coverage(comparison: Comparison) -> Iterator[Note]:
    for place, metric in enumerate(comparison.plan.metrics):
        values = [arm.metrics[place] for arm in comparison.arms if arm.metrics[place].mature]
        if values:
            yield from _coverage_of(metric, values)


def _coverage_of(metric: MetricPlan, values: list[MetricValue]) -> Iterator[Note]:
    low, high = (extreme(value.coverage for value in values) for extreme in (min, max))
    if high - low > COVERAGE_GAP:
        text = f"between {low:.1%} and {high:.1%} of an arm's mature units are labelled"
        yield Note(PROBLEM, f"metric {metric.name}: {text}: arms with unequally missing labels are not comparable")
    known = [value.value for value in values if value.labelled]
    only_ones = all(isinstance(value, Estimate) and value.value == 1 for value in known)
    if metric.kind == "rate" and known and only_ones and high < 1:
        text = "every reported value is positive, and the other units have no outcome"
        yield Note(PROBLEM, f"metric {metric.name}: {text}: report 0 for units to which it did not happen")


def _effects(comparison: Comparison) -> Iterator[Note]:
    for effect in comparison.effects:
        cuped = effect.cuped
        if cuped is not None and not cuped.gains:
            text = f"CUPED by {cuped.covariate} took {cuped.variance_reduction:.2%} of the variance"
            yield Note(INFO, f"{_name(effect)}: {text}: no gain")
        if effect.left_out:
            text = "from share periods in which one of the two arms has no share, or fewer than two units"
            yield Note(INFO, f"{_name(effect)}: {effect.left_out:,} units are left out, {text}")


def _shadows(comparison: Comparison) -> Iterator[Note]:
    if comparison.shadows:
        text = "a shadow's latency is its batch's run time off the serving path, the primary's that of its call"
        yield Note(INFO, f"shadows: {text}: they are not comparable")
    for shadow in comparison.shadows:
        rows = shadow.pairs + shadow.shadow_failed
        if shadow.shadow_failed > FAILED_SHARE * rows:
            text = f"failed on {shadow.shadow_failed:,} of {rows:,} rows: its figures are of the others"
            yield Note(CAUTION, f"shadow {shadow.shadow} against {shadow.primary}: {text}")
    if any(shadow.primary_quality for shadow in comparison.shadows):
        yield Note(CAUTION, f"shadows: {OF_DECIDED_ROWS}")


def _shortfalls(found: SampleRatio) -> str:
    """Each arm's units beside the expected ones, the arm that lacks most first."""
    expected = dict(found.expected)
    arms = [(arm, count, expected[arm]) for arm, count in found.observed]
    arms.sort(key=lambda one: one[1] / one[2] if one[2] else math.inf)
    return ", ".join(f"arm {arm} has {count:,} of {want:,.0f} ({_percent(count, want)})" for arm, count, want in arms)


def _percent(count: int, want: float) -> str:
    return f"{100 * (count / want - 1):+.2f} %" if want else "without a share"


OF_DECIDED_ROWS = (
    "outcomes followed the decisions of the arm that answered. They show how both scores rank the rows that it let "
    "through; they cannot show what would have happened had the shadow decided: rows that it would swap in or out have "
    "outcomes under the primary's decision only"
)


def _name(effect: Effect) -> str:
    return f"{effect.metric} of {effect.arm}"
