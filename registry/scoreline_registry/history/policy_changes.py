"""The changes of policies."""

from collections.abc import Mapping
from dataclasses import dataclass

from scoreline_registry.decisions.checks.validation import own_errors
from scoreline_registry.decisions.cuts import AdaptiveCut
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_state import CutValue, EffectsState
from scoreline_registry.decisions.specs.policy_planning import next_policy
from scoreline_registry.decisions.specs.policy_spec import PolicySpec
from scoreline_registry.errors import RefusedError
from scoreline_registry.history.changes import Change, DocumentName
from scoreline_registry.history.policy_checks import fit_errors
from scoreline_registry.history.state import State
from scoreline_registry.names import check_name, hint


@dataclass(frozen=True, slots=True)
class ApplyPolicy(Change):
    """Creates a policy or brings it to what ``spec`` says, moving as few units as that takes.

    Raises RefusedError with every error of the policy.
    """

    spec: PolicySpec

    @property
    def document(self) -> DocumentName:
        """The policy's document."""
        return DocumentName("policy", self.spec.policy)

    def apply(self, state: State) -> State:
        """The state with the policy."""
        after = next_policy(self.spec, before=state.policies.get(self.spec.policy))
        errors = [*own_errors(after), *fit_errors(state, after)]
        if errors:
            raise RefusedError(f"policy {self.spec.policy}", errors)
        return state.with_policy(after)


@dataclass(frozen=True, slots=True)
class PolicyChange(Change):
    """A change of one policy's document."""

    policy: str

    def __post_init__(self) -> None:
        check_name("policy", self.policy)

    @property
    def document(self) -> DocumentName:
        """The policy's document."""
        return DocumentName("policy", self.policy)


@dataclass(frozen=True, slots=True)
class RemovePolicy(PolicyChange):
    """Removes a policy. What was decided by it stays in the journal, and its counters in the store of limits."""

    def apply(self, state: State) -> State:
        """The state without the policy."""
        state.policies.require(self.policy)
        return state.without_policy(self.policy)


@dataclass(frozen=True, slots=True)
class SetCuts(PolicyChange):
    """Sets the computed values of adaptive cuts, each within its bounds; the other cuts stay.

    Raises NotFoundError, and RefusedError for a cut that the policy does not have or that does not adapt.
    """

    values: Mapping[str, CutValue]

    def apply(self, state: State) -> State:
        """The state with the cuts."""
        policy = state.policies.require(self.policy)
        errors = [error for name in self.values for error in _cut_errors(policy, name)]
        if errors:
            raise RefusedError(f"policy {self.policy}", errors)
        bounded = {name: _bounded(policy, name, value) for name, value in self.values.items()}
        return _with_state(state, policy, cuts_state={**policy.cuts_state, **bounded})


@dataclass(frozen=True, slots=True)
class SetEffects(PolicyChange):
    """Sets what was learned of effects and of variants of messages, in place of all that was learned before.

    Raises NotFoundError, and RefusedError for an action whose effect is not learned, or an unknown variant.
    """

    effects: EffectsState

    def apply(self, state: State) -> State:
        """The state with the effects."""
        policy = state.policies.require(self.policy)
        errors = list(_effect_errors(policy, self.effects))
        if errors:
            raise RefusedError(f"policy {self.policy}", errors)
        return _with_state(state, policy, effects_state=self.effects)


def _with_state(state: State, policy: Policy, **found: object) -> State:
    after = policy.model_copy(update=found)
    return state if after == policy else state.with_policy(after)


def _cut_errors(policy: Policy, name: str) -> list[str]:
    if name not in policy.cuts:
        return [f"unknown cut {name!r}; {hint(name, policy.cuts, 'cut')}"]
    return (
        [] if isinstance(policy.cuts[name], AdaptiveCut) else [f"the cut {name!r} is fixed: apply the policy instead"]
    )


def _bounded(policy: Policy, name: str, found: CutValue) -> CutValue:
    cut = policy.cuts[name]
    return found.model_copy(update={"value": cut.bounded(found.value)}) if isinstance(cut, AdaptiveCut) else found


def _effect_errors(policy: Policy, found: EffectsState) -> list[str]:
    errors = []
    for name in found.effects:
        effect = policy.actions[name].effect if name in policy.actions else None
        if effect is None or effect.learned is None:
            errors.append(f"the effect of the action {name!r} is not learned")
    for action, counts in found.variants.items():
        messages = policy.messages.get(action)
        known = [variant.name for variant in messages.variants] if messages else []
        errors += [f"unknown variant {name!r} of {action!r}" for name in counts if name not in known]
    return errors
