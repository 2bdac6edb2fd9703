"""How long before an event a score warns. Values only."""

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel
from scoreline_trainers.evaluation.document.intervals import Interval


class LeadTime(FrozenModel):
    """How long before the event the score first passes a cut and stays above it.

    Attributes:
        unit: of the times: "steps" or "days".
        false_alarm_rate: share of entities without the event that pass the cut at any of their last ``window`` steps.
        cut: the lowest score with at most this rate.
        entities: entities with the event.
        warned: share of them that were above the cut at the end of their history.
        median, mean, lower_quartile, upper_quartile: lead time of the warned ones; None without any.
        alerted: share of them that were above the cut at any of the steps, also where the score went down again: the
            counterpart of the false alarms.
        first_alert: the median time from the first such step to the end of the history.
        shares: by steps: share of all entities with the event that were warned at least so many steps before.
    """

    unit: str
    false_alarm_rate: float
    cut: float
    entities: int
    warned: Interval
    median: Interval | None = None
    mean: float | None = None
    lower_quartile: float | None = None
    upper_quartile: float | None = None
    alerted: Interval | None = None
    first_alert: Interval | None = None
    shares: dict[int, float] = Field(default_factory=dict)
