"""The expected value of an action for a case: benefit x change - cost, in float64. Pure."""

import math
from dataclasses import dataclass

from scoreline_registry.decisions.actions import NO_ACTION, Action
from scoreline_registry.decisions.deciding.proposal import UPLIFT, Candidate, LeftOut
from scoreline_registry.decisions.facts import SCORE, Facts
from scoreline_registry.decisions.learning.effect_beliefs import believed_effect, is_share_of_score
from scoreline_registry.decisions.learning.thompson import Belief, NormalPosterior
from scoreline_registry.decisions.policy_state import EffectsState

DOING_NOTHING = Candidate(NO_ACTION, propensity=0.0, cost=0.0, expected_value=0.0)
"""The candidate "none", whose propensity is set where it is ranked."""


@dataclass(frozen=True, slots=True)
class ValuedAction:
    """An action with what is believed of its effect.

    Attributes:
        believed: the change, or the share of the score that it is; None where a second model's score is the change, and
            without an effect.
        of_score: whether the change is a share of the score.
        uplift: the fact that has the score of the second model; "" without one.
    """

    name: str
    action: Action
    believed: NormalPosterior | None
    of_score: bool
    uplift: str

    @classmethod
    def of(cls, name: str, action: Action, state: EffectsState | None) -> "ValuedAction":
        """An action of a policy with the effects that were learned."""
        ref = action.effect.uplift if action.effect else None
        uplift = UPLIFT + ref if ref else ""
        return cls(name, action, believed_effect(name, action, state), is_share_of_score(action), uplift)

    def candidate(self, facts: Facts, *, compared: bool) -> Candidate | LeftOut:
        """The action as a candidate, whose propensity is set where it is ranked.

        It is left out without a finite cost and, where it is ``compared`` by expected value, without that.
        """
        cost = self.action.cost.of(facts)
        if cost is None:
            return LeftOut(self.name, "missing_fact", self.action.cost.fact or "")
        if not math.isfinite(cost):
            return LeftOut(self.name, "not_finite", "cost")
        benefit = _finite(self.action.benefit.of(facts))
        change = self._change(facts)
        value = None if benefit is None or change is None else _finite(benefit * change - cost)
        if value is None and compared:
            return self._incomparable(benefit, change, facts)
        return Candidate(self.name, 0.0, cost, value, benefit, change)

    def belief(self, candidate: Candidate, facts: Facts) -> Belief:
        """What is believed of the value of a candidate: a distribution where its effect is learned, else the value."""
        if self.believed is not None and self.believed.spread and candidate.benefit is not None:
            factor = _number(facts, SCORE) if self.of_score else 1.0
            scale = candidate.benefit * (factor or 0.0)
            if math.isfinite(scale * self.believed.spread):
                return Belief(self.believed, scale, -candidate.cost)
        return Belief(NormalPosterior(candidate.expected_value or 0.0))

    def _change(self, facts: Facts) -> float | None:
        if self.uplift:
            return _number(facts, self.uplift)
        if self.believed is None or not self.of_score:
            return None if self.believed is None else self.believed.mean
        score = _number(facts, SCORE)
        return None if score is None else score * self.believed.mean

    def _incomparable(self, benefit: float | None, change: float | None, facts: Facts) -> LeftOut:
        """Why the action has no expected value."""
        if self.action.effect is None:
            return LeftOut(self.name, "no_effect")
        if change is None:
            return LeftOut(self.name, "missing_fact", self.uplift or SCORE)
        if benefit is None and self.action.benefit.of(facts) is None:
            return LeftOut(self.name, "missing_fact", self.action.benefit.fact or "")
        return LeftOut(self.name, "not_finite", "benefit" if benefit is None else "expected value")


def _number(facts: Facts, name: str) -> float | None:
    """A fact as a finite number; None where it is missing or anything else."""
    value = facts.get(name)
    if value is None or isinstance(value, bool | str):
        return None
    return _finite(value)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
