"""Named thresholds of a policy, fixed or adaptive."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field

from scoreline_registry.decisions.facts import SCORE, FactName
from scoreline_registry.documents.base import OmitDefaults
from scoreline_registry.names import check_name
from scoreline_registry.routing.durations import SpanSeconds
from scoreline_registry.routing.experiment import OutcomeName

MAX_CUTS = 100

CutName = Annotated[str, AfterValidator(lambda name: check_name("cut", name))]


class FixedCut(OmitDefaults):
    """A threshold that only a person changes."""

    kind: Literal["fixed"] = "fixed"
    value: float

    @property
    def start(self) -> float:
        """Its value."""
        return self.value


class AdaptiveCut(OmitDefaults):
    """A threshold that is recomputed from the journal.

    Attributes:
        start: its value before the first computation.
        window_seconds: the cases that are looked at are so old at most.
        of: the fact whose values are cut.
        lowest: it never falls below; None for no bound.
        highest: it never rises above; None for no bound.
    """

    start: float
    window_seconds: SpanSeconds
    of: FactName = SCORE
    lowest: float | None = None
    highest: float | None = None

    def bounded(self, value: float) -> float:
        """A value within the bounds."""
        above = value if self.lowest is None else max(value, self.lowest)
        return above if self.highest is None else min(above, self.highest)


class ShareCut(AdaptiveCut):
    """The value that ``share`` of the cases reach or exceed."""

    kind: Literal["share"] = "share"
    share: float = Field(gt=0, lt=1)


class CostCut(AdaptiveCut):
    """The value at which the cases that reach or exceed it cost least, by outcomes that have matured.

    A false positive is a case at or above the cut whose ``outcome`` is absent or 0, a false negative one below it whose
    outcome is another number; both have matured ``matured_seconds`` after their decision.
    """

    kind: Literal["costs"] = "costs"
    false_positive: float = Field(ge=0, le=1e15)
    false_negative: float = Field(ge=0, le=1e15)
    outcome: OutcomeName
    matured_seconds: SpanSeconds


Cut: TypeAlias = Annotated[FixedCut | ShareCut | CostCut, Field(discriminator="kind")]
