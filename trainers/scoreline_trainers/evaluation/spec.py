"""The keys of a recipe that say how a model is evaluated."""

from typing import Annotated, Literal

from pydantic import Field

from scoreline_trainers.data.columns import Spec

Rate = Annotated[float, Field(gt=0, lt=1)]


class LeadTimeSpec(Spec):
    """How early a warning comes, see ``lead_time``; only for models of a sequence.

    Attributes:
        window: how many steps before the end of each history are scored.
        false_alarm_rates: shares of entities without the event that may be warned about, one table row each.
        step_days: days of a step, to give lead times in days.
        entities: at most so many histories are scored, drawn by the recipe's seed.
    """

    window: int = Field(default=30, ge=2, le=1000)
    false_alarm_rates: tuple[Rate, ...] = Field(default=(0.01, 0.05, 0.1), min_length=1)
    step_days: float | None = Field(default=None, gt=0)
    entities: int = Field(default=5000, ge=10)


class FairnessLimits(Spec):
    """The gaps between groups that count as large.

    Attributes:
        selection_ratio: ratio of two shares of selected rows, the lower over the higher, below this. Four fifths are
            the rule of the Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D).
        rates: difference of true or false positive rates, or of precision, above this.
        calibration: difference of (mean score - rate), as a share of the rate of all rows, above this.
        auc: difference of areas above this.
    """

    selection_ratio: Rate = 0.8
    rates: Rate = 0.1
    calibration: float = Field(default=0.2, gt=0)
    auc: Rate = 0.05


class EvaluateSpec(Spec):
    """What an evaluation shows beside the metrics.

    Attributes:
        segments: columns by whose values figures are shown.
        fairness: columns whose groups are compared.
        favorable: the side of the cut that is good for a person, "below" where label 1 is the bad outcome.
        limits: the gaps between groups that count as large.
        period: of the figures over time; by default it fits the span.
        bootstrap: draws for intervals that have no formula, 0 for none.
        cuts: scores at which decisions are shown, beside band edges.
        lead_time: how early warnings come; left out by default, because it scores every history many times.
    """

    segments: tuple[str, ...] = ()
    fairness: tuple[str, ...] = ()
    favorable: Literal["above", "below"] = "above"
    limits: FairnessLimits = FairnessLimits()
    period: Literal["day", "week", "month", "quarter", "year"] | None = None
    bootstrap: int = Field(default=200, ge=0, le=10_000)
    cuts: tuple[float, ...] = ()
    lead_time: LeadTimeSpec | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that rows are grouped by."""
        return tuple(dict.fromkeys((*self.segments, *self.fairness)))
