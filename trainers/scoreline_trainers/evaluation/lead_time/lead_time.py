"""The lead time of warnings at a fixed false alarm rate."""

from collections.abc import Sequence

import numpy as np

from scoreline_registry.statistics.figures import Estimate
from scoreline_registry.statistics.scores.agreement import quantiles
from scoreline_trainers.data.batch import Bools, Float64, Int64
from scoreline_trainers.evaluation.document import Interval, LeadTime
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import rate_interval

FALSE_ALARM_RATES = (0.01, 0.05, 0.1)


def lead_times(
    label: Label,
    scores: Float64,
    *,
    false_alarm_rates: Sequence[float] = FALSE_ALARM_RATES,
    step_days: float | None = None,
) -> tuple[LeadTime, ...]:
    """The lead times of entities with the event, at the lowest cut of each false alarm rate.

    An entity without the event is a false alarm where any of its scores passes the cut. One with it is warned where the
    newest score passes; its warning began with the first of the unbroken run of scores above the cut that ends there,
    and the lead time is the number of steps from that one to the newest. Runs that begin before the window are cut to
    it, so that lead times are at most ``window - 1``. Beside that stands the first alert: the oldest score in the
    window that passes, whether or not later ones do. Steps count to the end of the history: what lies between it and
    the event adds to every lead time.

    Args:
        label: int8 [N], 1 where the event followed.
        scores: float64 [N, window], newest first, NaN before the start of a history.
        false_alarm_rates: shares of entities without the event.
        step_days: days of a step; lead times are then days.
    """
    event = np.asarray(label, bool)
    if not event.any() or event.all():
        return ()
    peaks = np.nanmax(scores[~event], axis=1)
    return tuple(_at(cut_for(peaks, rate), rate, scores[event], step_days) for rate in false_alarm_rates)


def cut_for(peaks: Float64, rate: float) -> float:
    """The lowest cut that at most a share ``rate`` of ``peaks`` [Q] passes, just above one of them.

    A score passes where it is at least the cut.
    """
    ascending = np.sort(peaks)
    allowed = int(np.floor(rate * len(peaks) + 1e-9))
    if allowed >= len(peaks):
        return float(ascending[0])
    return float(np.nextafter(ascending[len(peaks) - allowed - 1], np.inf))


def steps_of_warning(scores: Float64, cut: float) -> Int64:
    """int64 [N]: the scores in a row, from the newest back, that pass the cut; 0 without a warning."""
    steps: Int64 = np.cumprod(scores >= cut, axis=1).sum(axis=1).astype(np.int64)
    return steps


def _at(cut: float, rate: float, scores: Float64, step_days: float | None) -> LeadTime:
    steps = steps_of_warning(scores, cut)
    warned: Bools = steps > 0
    scale = 1.0 if step_days is None else step_days
    passed: Bools = scores >= cut
    alerted: Bools = np.asarray(passed.any(axis=1))
    first = (scores.shape[1] - 1 - passed[alerted, ::-1].argmax(axis=1)) * np.float64(scale)
    lead: Float64 = (steps[warned] - 1) * np.float64(scale)
    longest = scores.shape[1]
    return LeadTime(
        unit="steps" if step_days is None else "days",
        false_alarm_rate=rate,
        cut=cut,
        entities=len(scores),
        warned=rate_interval(warned, None) or Interval(value=0.0),
        median=_median(lead),
        mean=float(lead.mean()) if len(lead) else None,
        lower_quartile=float(np.quantile(lead, 0.25)) if len(lead) else None,
        upper_quartile=float(np.quantile(lead, 0.75)) if len(lead) else None,
        alerted=rate_interval(alerted, None),
        first_alert=_median(first),
        shares={at: float((steps > at).mean()) for at in _shown(longest)},
    )


def _shown(longest: int) -> list[int]:
    """Up to ten numbers of steps, from 0."""
    return sorted({int(at) for at in np.linspace(0, longest - 1, min(longest, 10)).round()})


def _median(lead: Float64) -> Interval | None:
    if not len(lead):
        return None
    value, found = float(np.median(lead)), quantiles(lead, (0.5,))[0]
    if not isinstance(found, Estimate) or not np.isfinite([found.low, found.high]).all():
        return Interval(value=value)
    return Interval(value=value, low=found.low, high=found.high, method="order statistics")
