"""A case that a policy decides on, and what the policy proposes for it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.decisions.deciding.odds import Odds
from scoreline_registry.decisions.facts import Facts, FactValue
from scoreline_registry.routing.assignment import Reason

UPLIFT = "uplift."
"""Before the reference of a second model, in the name of the fact that is its score."""

LeftOutReason: TypeAlias = Literal["limit", "missing_fact", "not_finite", "no_effect", "no_unit", "other_channel"]


@dataclass(frozen=True, slots=True)
class Case:
    """One case to decide on.

    Attributes:
        decision_id: unique to the decision; random numbers are made from it, so that equal cases are decided alike.
        unit: what the control share, splits and limits count by; "" where the caller sent none.
        facts: by name, see ``decisions.facts``. The score of the model of an effect ``uplift: ref`` is the fact
            ``uplift.<ref>``. ``hour`` and ``weekday`` are added from ``time_ns``.
        time_ns: the time of the decision in nanoseconds since 1970.
        channel: the channel that the caller can act on: actions of other channels are left out. "" for any.
    """

    decision_id: str
    unit: str
    facts: Facts
    time_ns: int
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An action that may be taken.

    Attributes:
        action: its name, or "none".
        propensity: the probability with which it ranks first, given the strategy, among the candidates.
        cost: 0 for "none".
        expected_value: ``benefit`` x ``change`` - ``cost``; 0 for "none". None where the policy states no effect, or a
            fact of benefit or effect is missing.
        benefit: the value of a change of 1; None where its fact is missing, and for "none".
        change: by how much the action changes what the score predicts; None where it is not known.
        variant: the variant of its message; "" where there are none.
        variant_propensity: the probability with which that variant was chosen.
    """

    action: str
    propensity: float
    cost: float
    expected_value: float | None = None
    benefit: float | None = None
    change: float | None = None
    variant: str = ""
    variant_propensity: float = 1.0

    def ranked(self, propensity: float) -> "Candidate":
        """The candidate with its propensity."""
        return Candidate(
            self.action,
            propensity,
            self.cost,
            self.expected_value,
            self.benefit,
            self.change,
            self.variant,
            self.variant_propensity,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An action of the deciding rule that cannot be taken for this case.

    Attributes:
        reason: a limit forbids it; a fact that it needs is missing; its cost, benefit or expected value is not finite;
            it has no effect to compare it by; a limit counts it for each unit and the case has none; or it belongs to
            another channel than the caller's.
        by: the name of the limit, fact or channel, or what is not finite.
    """

    action: str
    reason: LeftOutReason
    by: str = ""


@dataclass(frozen=True, slots=True)
class TestTrace:
    """One test of a condition: ``fact``, ``gte 0.7``, the fact's value, and whether it holds.

    Within a `not` the test is ``not gte 0.7``.
    """

    fact: str
    test: str
    value: FactValue
    holds: bool

    __test__ = False


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule that was tried: whether it matched, and its tests from left to right, each decided on its own."""

    rule: str
    matched: bool
    tests: tuple[TestTrace, ...]

    @property
    def failed(self) -> TestTrace | None:
        """The first test that does not hold, of a rule that did not match."""
        return None if self.matched else next((test for test in self.tests if not test.holds), None)


@dataclass(frozen=True, slots=True)
class ShadowProposal:
    """What another strategy would have done, before any limit but quiet hours."""

    strategy: str
    rule: str
    action: str
    expected_value: float | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a policy proposes for one case.

    Attributes:
        strategy: the strategy that decides.
        strategy_reason: why that one, as for the arms of a route.
        rule: the rule of the strategy that matched.
        is_control: whether the unit is in the control share: the action is then "none", whatever the candidates are.
        candidates: best first as they were drawn, "none" among them. Their propensities total 1.
        odds: the law by which the candidates were ranked, in their order.
        facts: those of the case, with flags and, where the policy needs them, ``hour`` and ``weekday``.
        flags: the policy's flags that are raised, in its order.
        left_out: actions of the rule that are no candidates.
        shadows: what the shadow strategies propose.
        rules: how the rules were tried, up to the one that matched; empty unless a trace was asked for.
    """

    strategy: str
    strategy_reason: Reason
    rule: str
    is_control: bool
    candidates: tuple[Candidate, ...]
    odds: Odds
    facts: Facts
    flags: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    shadows: tuple[ShadowProposal, ...] = ()
    rules: tuple[RuleTrace, ...] = ()

    @property
    def wanted(self) -> tuple[Candidate, ...]:
        """The candidates to reserve, in order: those before "none"; no candidate for a control unit."""
        return () if self.is_control else self._before_none

    @property
    def others_drawn(self) -> tuple[Candidate, ...]:
        """Where the order was drawn, the candidates but the first and "none"; no candidate for a control unit."""
        if self.is_control or not self.odds.are_drawn:
            return ()
        return tuple(each for each in self.candidates[1:] if each.action != NO_ACTION)

    @property
    def withheld_action(self) -> str:
        """The action that a control unit would have got, limits aside; "" for other units."""
        return self.candidates[0].action if self.is_control else ""

    def taken(self, action: str | None, refused: Collection[str] = ()) -> Candidate:
        """The candidate of an action that was granted, None for no grant, with its propensity after the refusals.

        The propensity is exact where ``refused`` has every candidate that limits refuse at that moment. A control unit
        takes "none" with a propensity of 1. Raises ValueError for an action that is no candidate.
        """
        if self.is_control:
            return Candidate(NO_ACTION, 1.0, 0.0, 0.0)
        names = [candidate.action for candidate in self.candidates]
        place = names.index(NO_ACTION if action is None else action)
        if not refused:
            return self.candidates[place]
        without = {other for other, name in enumerate(names) if name in refused}
        return self.candidates[place].ranked(self.odds.without(without)[place])

    @property
    def _before_none(self) -> tuple[Candidate, ...]:
        for place, candidate in enumerate(self.candidates):
            if candidate.action == NO_ACTION:
                return self.candidates[:place]
        return self.candidates
