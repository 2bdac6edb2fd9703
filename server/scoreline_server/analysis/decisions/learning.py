"""What the journal teaches a policy: the values of its adaptive cuts, its learned effects, its variants' counts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from scoreline_registry.decisions.actions import NO_ACTION, LearnedEffect
from scoreline_registry.decisions.cuts import AdaptiveCut, CostCut, ShareCut
from scoreline_registry.decisions.facts import CONTEXT, FEATURE, SCORE
from scoreline_registry.decisions.learning.adaptive_cuts import FoundCut, cut_at_share, cut_by_costs, untouched_weights
from scoreline_registry.decisions.learning.effect_learning import (
    counts_are_worth_revising,
    is_worth_revising,
    learned_effect,
    variant_counts,
)
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_state import CutValue, EffectsState, EffectValue, VariantCounts
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.statistics.contrasts.differences import ratio
from scoreline_registry.statistics.joint_moments import JointMoments
from scoreline_registry.statistics.moments import Moments
from scoreline_server.analysis.decisions.cases import Bool, CaseQuery, Cases, Float64, read_cases
from scoreline_server.analysis.decisions.outcomes import CaseOutcomes
from scoreline_server.analysis.decisions.policy_history import ControlOf

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class JournalEvidence:
    """Reads the cases of policies and their outcomes.

    Attributes:
        folders: journals, one per host; outcomes are in the same folders.
        now: ns since 1970, against which windows and maturity are measured.
        control_of: the millionths of the control in a revision that decided; None where that is not known.
    """

    folders: tuple[Path, ...]
    now: int
    control_of: ControlOf
    _read: dict[CaseQuery, Cases] = field(default_factory=dict)

    def cuts(self, policy: Policy) -> dict[str, CutValue]:
        """The values of the adaptive cuts that are worth moving, within their bounds. Raises OSError."""
        adaptive = {name: cut for name, cut in policy.cuts.items() if isinstance(cut, AdaptiveCut)}
        found = {name: self._cut(policy, cut, policy.cut_values[name]) for name, cut in adaptive.items()}
        at = datetime.fromtimestamp(self.now / _SECOND, UTC)
        return {
            name: CutValue(
                value=adaptive[name].bounded(each.value), at=at, cases=each.cases, reached=each.reached, cost=each.cost
            )
            for name, each in found.items()
            if each is not None
            and each.is_worth_moving
            and adaptive[name].bounded(each.value) != policy.cut_values[name]
        }

    def effects(self, policy: Policy) -> EffectsState | None:
        """All that is learned, where any of it is worth a revision; None otherwise. Raises OSError."""
        before = policy.effects_state
        effects, variants = dict(self._effects(policy)), dict(self._variants(policy))
        old_effects = before.effects if before else {}
        old_variants = before.variants if before else {}
        is_new = any(is_worth_revising(old_effects.get(name), each) for name, each in effects.items()) or any(
            counts_are_worth_revising(old_variants.get(action, {}).get(name), each)
            for action, counts in variants.items()
            for name, each in counts.items()
        )
        if not is_new:
            return None
        at = datetime.fromtimestamp(self.now / _SECOND, UTC)
        return EffectsState(at=at, effects={**old_effects, **effects}, variants={**old_variants, **variants})

    def _cut(self, policy: Policy, cut: AdaptiveCut, current: float) -> FoundCut | None:
        cases = self._cases(policy, cut.window_seconds, numbers=_numbers(cut))
        values = cases.scores.astype(np.float64) if cut.of == SCORE else cases.numbers[cut.of].astype(np.float64)
        if isinstance(cut, ShareCut):
            return cut_at_share(values, cut.share, current=current)
        if not isinstance(cut, CostCut):
            return None
        outcomes = CaseOutcomes(self.folders, cases, maturity=cut.matured_seconds * _SECOND, now=self.now)
        outcome, mature = outcomes.of(cut.outcome), outcomes.is_mature
        none = cases.code(NO_ACTION)
        weights = untouched_weights(
            cases.actions != none, cases.control, cases.proposed != none, self._control_shares(policy, cases)
        )
        costs = cut.false_positive, cut.false_negative
        positive = outcome.known & (outcome.values != 0)
        return cut_by_costs(values, positive, np.where(mature, weights, 0.0), costs=costs, current=current)

    def _effects(self, policy: Policy) -> Iterator[tuple[str, EffectValue]]:
        """The learned effects of which there are enough cases."""
        for name, action in policy.actions.items():
            learned = action.effect.learned if action.effect is not None else None
            if learned is not None and (found := self._effect(policy, name, learned)) is not None:
                yield name, found

    def _effect(self, policy: Policy, name: str, learned: LearnedEffect) -> EffectValue | None:
        outcome = _outcome(policy, learned.outcome)
        if outcome is None:
            return None
        cases, happened, mature = self._matured(policy, outcome)
        # Only cases under the present share of the control: within them units of both kinds met the same times.
        share = self._control_shares(policy, cases)
        counted = mature & cases.proposing(name) & (share == policy.control_millionths / WHOLE)
        treated, control = counted & ~cases.control, counted & cases.control
        acted = float((cases.actions[treated] != cases.code(NO_ACTION)).mean()) if treated.any() else 0.0
        return learned_effect(learned, _per_case(cases, happened, treated), _per_case(cases, happened, control), acted)

    def _variants(self, policy: Policy) -> Iterator[tuple[str, dict[str, VariantCounts]]]:
        """The counts of the variants that Thompson sampling chooses among."""
        for action, messages in policy.messages.items():
            outcome = _outcome(policy, None)
            if messages.by == "thompson" and outcome is not None:
                cases, happened, mature = self._matured(policy, outcome)
                taken = mature & ~cases.control & (cases.actions == cases.code(action))
                yield action, {each.name: _counts(cases, taken, happened, each.name) for each in messages.variants}

    def _matured(self, policy: Policy, outcome: str) -> tuple[Cases, Float64, Bool]:
        """The cases that are looked at, whether each has the outcome, and which have matured."""
        learning = policy.learning
        cases = self._cases(policy, learning.window_seconds if learning else None)
        maturity = learning.matured_seconds * _SECOND if learning else 0
        outcomes = CaseOutcomes(self.folders, cases, maturity=maturity, now=self.now)
        found = outcomes.of(outcome)
        return cases, (found.known & (found.values != 0)).astype(np.float64), outcomes.is_mature

    def _cases(self, policy: Policy, window_seconds: int | None, numbers: tuple[str, ...] = ()) -> Cases:
        since = None if window_seconds is None else self.now - window_seconds * _SECOND
        query = CaseQuery(policy.policy, policy.unit, policy.route, since=since, numbers=numbers)
        if query not in self._read:
            self._read[query] = read_cases(self.folders, query)
        return self._read[query]

    def _control_shares(self, policy: Policy, cases: Cases) -> Float64:
        """The share of the control under which each case was decided; the present one where that is not known."""
        revisions, places = np.unique(cases.revisions, return_inverse=True)
        known = [self.control_of(revision) for revision in revisions.tolist()]
        shares = [policy.control_millionths if share is None else share for share in known]
        return np.array(shares, np.float64)[places] / WHOLE


def is_learnable(cut: AdaptiveCut) -> bool:
    """Whether the journal has the values that a cut is of."""
    return cut.of == SCORE or cut.of.startswith((FEATURE, CONTEXT))


def _numbers(cut: AdaptiveCut) -> tuple[str, ...]:
    return () if cut.of == SCORE else (cut.of,)


def _outcome(policy: Policy, own: str | None) -> str | None:
    return own or (policy.learning.outcome if policy.learning else None)


def _per_case(cases: Cases, happened: Float64, chosen: Bool) -> Moments:
    """The outcome per case; the count and the variance are those of units, whose cases may depend on each other."""
    if not chosen.any():
        return Moments()
    _, places = np.unique(cases.units[chosen], return_inverse=True)
    sums = np.bincount(places, happened[chosen]).astype(np.float64)
    return ratio(JointMoments.of(sums, np.bincount(places).astype(np.float64)))


def _counts(cases: Cases, taken: Bool, happened: Float64, variant: str) -> VariantCounts:
    own = taken & (cases.variants == cases.code(variant))
    return variant_counts(int(happened[own].sum()), int(own.sum()))
