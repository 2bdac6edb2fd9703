"""Keeps what policies learn from the journal up to date: adaptive cuts, effects of actions, variants of messages."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from scoreline_registry.decisions.cuts import AdaptiveCut
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_state import CutValue, EffectsState
from scoreline_registry.errors import ConflictError, RefusedError
from scoreline_registry.history.policy_changes import PolicyChange, SetCuts, SetEffects
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.registry import Registry
from scoreline_server.analysis.decisions.learning import JournalEvidence, is_learnable
from scoreline_server.analysis.decisions.policy_history import PolicyHistory
from scoreline_server.controllers.counting import Counting, Uncounted
from scoreline_server.journal.format.times import nanoseconds_of

_log = structlog.get_logger()

AUTHOR = "policy controller"
EVERY_SECONDS = 600.0
"""How often the journal is read for a policy: a revision for each would be too many, hours would be too slow."""
_MOST_LINES = 20


class PolicyController:
    """Looks at every policy of a registry that learns. For one thread."""

    def __init__(
        self,
        registry: Registry,
        folders: Sequence[Path],
        *,
        author: str = AUTHOR,
        counting: Counting = Uncounted(),  # noqa: B008 - without state
        every_seconds: float = EVERY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``folders`` are those of the journals and outcomes, one per host; ``monotonic`` never jumps."""
        self._registry, self._folders, self._author = registry, tuple(folders), author
        self._counting, self._every_seconds, self._monotonic = counting, every_seconds, monotonic
        self._next: dict[str, float] = {}

    def look(self) -> list[str]:
        """Looks once at each policy whose period is over; the policies that were revised.

        Raises RegistryError and OSError when the registry or a journal cannot be read; nothing has changed then.
        """
        snapshot = self._registry.latest()
        due = [policy for policy in snapshot.policies.values() if learns(policy) and self._is_due(policy.policy)]
        return [policy.policy for policy in due if self._learn(policy, snapshot)]

    def _is_due(self, name: str) -> bool:
        if self._monotonic() < self._next.get(name, 0.0):
            return False
        self._next[name] = self._monotonic() + self._every_seconds
        return True

    def _learn(self, policy: Policy, snapshot: Snapshot) -> bool:
        """Commits what the journal says anew; whether there was anything."""
        evidence = self._evidence(policy)
        digest = snapshot.policy_digests[policy.policy]
        cuts = evidence.cuts(policy)
        if cuts and not self._committed(SetCuts(policy.policy, cuts), cuts_message(policy, cuts), digest):
            return False
        effects = evidence.effects(policy)
        if effects is None:
            return bool(cuts)
        after = self._registry.latest().policy_digests.get(policy.policy, "") if cuts else digest
        return self._committed(SetEffects(policy.policy, effects), effects_message(effects), after) or bool(cuts)

    def _evidence(self, policy: Policy) -> JournalEvidence:
        history = PolicyHistory(self._registry, policy.policy)
        return JournalEvidence(self._folders, nanoseconds_of(self._registry.now()), history.control_of)

    def _committed(self, change: PolicyChange, message: str, digest: str) -> bool:
        """Whether a change was committed; it is not where the policy changed meanwhile."""
        try:
            done = self._registry.commit(change, author=self._author, message=message, if_match=digest)
        except (ConflictError, RefusedError) as error:
            _log.info("policy not revised, it changed meanwhile", policy=change.policy, reason=str(error))
            return False
        if done.written:
            self._counting.policy_revised(change.policy)
            _log.info("policy revised", policy=change.policy, revision=done.revision, what=message.splitlines()[0])
        return done.written


def learns(policy: Policy) -> bool:
    """Whether there is anything in a policy that the journal moves."""
    effects = [action.effect for action in policy.actions.values()]
    return (
        any(isinstance(cut, AdaptiveCut) and is_learnable(cut) for cut in policy.cuts.values())
        or any(effect is not None and effect.learned is not None for effect in effects)
        or any(messages.by == "thompson" and len(messages.variants) > 1 for messages in policy.messages.values())
    )


def cuts_message(policy: Policy, cuts: Mapping[str, CutValue]) -> str:
    """Such as "cuts high from the journal" and a line per cut."""
    lines = [f"cuts {', '.join(cuts)} from the journal"]
    for name, found in cuts.items():
        cost = "" if found.cost is None else f", costs {found.cost:.4g} a case"
        reached = "" if found.reached is None else f"reached by {found.reached:.2%} of "
        before = policy.cut_values[name]
        lines.append(f"{name}: {before:.6g} to {found.value:.6g}, {reached}{found.cases} cases{cost}")
    return "\n".join(line[:180] for line in lines[:_MOST_LINES])


def effects_message(effects: EffectsState) -> str:
    """Such as "effects of offer10 from the journal" and a line per effect."""
    names = list(dict.fromkeys([*effects.effects, *effects.variants]))
    lines = [f"effects of {', '.join(names)} from the journal"]
    for name, found in effects.effects.items():
        lines.append(
            f"{name}: {found.mean:.4g} with a spread of {found.spread:.2g}, "
            f"{found.cases} units with it and {found.control_cases} of the control"
        )
    return "\n".join(line[:180] for line in lines[:_MOST_LINES])
