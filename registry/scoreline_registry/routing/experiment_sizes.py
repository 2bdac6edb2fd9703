"""How many rows and days an effect needs. Computes with NumPy, so it is imported when it is asked."""

from dataclasses import asdict, dataclass, replace
from statistics import NormalDist

import numpy as np

from scoreline_registry.routing.experiment_plan import Question
from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.experiments.power import Plan, crossed, days


@dataclass(frozen=True, slots=True)
class Sizes:
    """The answer, in rows of both arms together.

    Attributes:
        fixed_rows: for one look at the end.
        watched_rows: by which an experiment that is watched has stopped for the effect with the power asked for.
        tuned_rows: the same with an interval that is narrowest at ``fixed_rows``.
        median_stop: by which half of such experiments have stopped.
        power_watched: the power of a watched experiment that ends at ``fixed_rows``.
        false_alarms: how often the test for one look finds an effect that is not there, when used at every look.
        fixed_days, watched_days: the whole days until then; None where the rows of a day are not known.
    """

    fixed_rows: int
    watched_rows: int
    tuned_rows: int
    median_stop: int | None
    power_watched: float
    false_alarms: float
    fixed_days: int | None
    watched_days: int | None


def sizes(question: Question) -> Sizes:
    """The rows and days that an effect needs."""
    plan = _plan(question)
    sequence = ConfidenceSequence(alpha=question.alpha, tuning_rows=question.tuning_rows)
    fixed, looks = plan.rows(question.power), question.looks
    watched = plan.watched_rows(sequence, power=question.power, looks=looks)
    threshold = NormalDist().inv_cdf(1 - question.alpha / 2)
    alarms = crossed(np.full(looks, threshold), np.arange(1, looks + 1) / looks)[-1]

    def until(rows: int) -> int | None:
        return days(rows, question.rows_per_day, exposed=question.exposed) if question.rows_per_day else None

    return Sizes(
        fixed_rows=fixed,
        watched_rows=watched,
        tuned_rows=plan.watched_rows(replace(sequence, tuning_rows=fixed), power=question.power, looks=looks),
        median_stop=plan.median_stop(watched, sequence, looks=looks),
        power_watched=float(plan.watched(fixed, sequence, looks=looks)[-1]),
        false_alarms=float(alarms),
        fixed_days=until(fixed),
        watched_days=until(watched),
    )


def sizes_json(question: Question, found: Sizes) -> dict[str, object]:
    """The question and its answer as JSON."""
    return {"question": asdict(question), "sizes": asdict(found)}


def _plan(question: Question) -> Plan:
    share, alpha = question.share, question.alpha
    if question.kind == "rate":
        return Plan.of_rates(question.baseline, question.effect, share=share, alpha=alpha)
    return Plan.of_means(question.deviation, question.effect, share=share, alpha=alpha)
