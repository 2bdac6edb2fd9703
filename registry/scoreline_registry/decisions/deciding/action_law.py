"""With which probability a policy takes each action in a case: over its control, its strategies and its exploration.

The propensity that is journaled is given the strategy, and that the unit is not of the control. Both were drawn too, by
the unit's buckets: what another policy would have got is estimated by the probabilities over all that was drawn.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.decisions.deciding.compiled import CompiledPolicy, compile_policy
from scoreline_registry.decisions.deciding.proposal import Case, Proposal
from scoreline_registry.decisions.deciding.splits import assigner_of
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.strategies import SplitRule, StrategyShare
from scoreline_registry.routing.bucketing import WHOLE, BucketRange

Float64 = npt.NDArray[np.float64]

_NONE_REFUSED: frozenset[str] = frozenset()
_NO_EVENTS: Sequence[Collection[str]] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ActionProbabilities:
    """The probabilities of A actions in N cases.

    Attributes:
        actions: "none" first, then those of the policy.
        values: float64 [N, A], rows total 1.
    """

    actions: tuple[str, ...]
    values: Float64

    def over(self, actions: Sequence[str]) -> Float64:
        """The columns in another order; 0 for actions that the policy does not have."""
        found = np.zeros((len(self.values), len(actions)))
        for column, action in enumerate(actions):
            if action in self.actions:
                found[:, column] = self.values[:, self.actions.index(action)]
        return found


class ActionLaw:
    """The probabilities of a policy's actions."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.actions: tuple[str, ...] = (NO_ACTION, *policy.actions)
        self._column = {action: column for column, action in enumerate(self.actions)}
        self._assigner = assigner_of(policy)
        self._strategies = {name: compile_policy(_only(policy, name)) for name in policy.strategies}
        self._shares = [{each.strategy: each.millionths / WHOLE for each in rule.strategies} for rule in policy.rules]
        self._control = policy.control_millionths / WHOLE

    def probabilities(
        self, cases: Sequence[Case], refused: Sequence[Collection[str]] = _NO_EVENTS
    ) -> ActionProbabilities:
        """The probabilities in each case, over the control, strategies and exploration.

        ``refused`` are the actions of each case that limits of a store refuse; none are refused where it is empty.
        """
        found = np.zeros((len(cases), len(self.actions)))
        if cases:
            proposals = {name: compiled.propose(cases) for name, compiled in self._strategies.items()}
            rules = self._rules(cases, next(iter(proposals.values())))
            for row, rule in enumerate(rules):
                without = refused[row] if refused else _NONE_REFUSED
                for name, share in self._shares[rule].items():
                    if share:
                        self._add(found[row], proposals[name][row], share, without)
        found *= 1 - self._control
        found[:, self._column[NO_ACTION]] += self._control
        return ActionProbabilities(self.actions, found)

    def _rules(self, cases: Sequence[Case], proposals: Sequence[Proposal]) -> Sequence[int]:
        """The rule of the split that decides on each case's strategy."""
        _, _, rules = self._assigner.assign_many([case.unit for case in cases], [each.facts for each in proposals])
        return [len(self._shares) - 1] * len(cases) if rules is None else list(rules)

    def _add(self, row: Float64, proposal: Proposal, share: float, refused: Collection[str]) -> None:
        names = [candidate.action for candidate in proposal.candidates]
        odds = proposal.odds.without({place for place, name in enumerate(names) if name in refused})
        for name, probability in zip(names, odds, strict=True):
            row[self._column[name]] += share * probability
        # Where limits refuse all candidates nothing is done.
        row[self._column[NO_ACTION]] += share * (1 - sum(odds))


def costs_of(compiled: CompiledPolicy, cases: Sequence[Case], actions: Sequence[str]) -> Float64:
    """What each action would cost in each case: float64 [N, A]; 0 for "none", NaN where a fact is missing."""
    policy = compiled.policy
    found = np.zeros((len(cases), len(actions)))
    for column, action in enumerate(actions):
        if action in policy.actions:
            costs = [policy.actions[action].cost.of(case.facts) for case in cases]
            found[:, column] = [np.nan if cost is None else cost for cost in costs]
    return found


def _only(policy: Policy, strategy: str) -> Policy:
    """The policy with one strategy for all units and no control."""
    whole = StrategyShare(strategy=strategy, ranges=(BucketRange(0, WHOLE),))
    return policy.model_copy(
        update={"rules": (SplitRule(strategies=(whole,)),), "control_millionths": 0, "shadows": ()}
    )
