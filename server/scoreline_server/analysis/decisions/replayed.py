"""How many journaled decisions another policy would have made otherwise, and what that would have cost."""

import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.decisions.deciding.compiled import CompiledPolicy, compile_policy
from scoreline_registry.decisions.deciding.proposal import Proposal
from scoreline_registry.decisions.policy import Policy
from scoreline_server.analysis.decisions.cases import CaseQuery, read_cases
from scoreline_server.analysis.decisions.journaled import NOT_JOURNALED, JournaledDecision, read_decisions
from scoreline_server.analysis.decisions.uplifts import UpliftsOf, no_uplifts
from scoreline_server.journal.format.fingerprints import UInt64
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from scoreline_server.limit_stores.store import LimitStore

MAX_REPLAYED = 200_000
"""The most decisions that are made again: each takes about a kilobyte."""
_MICRO = 1000


@dataclass(frozen=True, slots=True)
class ActionReplay:
    """An action before, as journaled, and after: how often it was taken and what that costs altogether."""

    action: str
    before: int
    after: int
    cost_before: float
    cost_after: float


@dataclass(frozen=True, slots=True)
class Moved:
    """Decisions that went from one action to another."""

    before: str
    after: str
    cases: int


@dataclass(frozen=True, slots=True)
class Replay:
    """What a policy would have done in the cases that were decided.

    Attributes:
        cases: that were decided anew; ``unknown`` more have no inputs in the journal any more, ``older`` more are left
            out because there are too many.
        changed: of them with another action, control units and limits included.
        proposals_changed: of them for which another action would rank first, limits aside.
        control_before, control_after: cases of the control.
        refused_before, refused_after: cases in which a limit refused the first action.
        missing_facts: that the policy names and the journal does not keep.
    """

    cases: int
    unknown: int
    older: int
    changed: int
    proposals_changed: int
    control_before: int
    control_after: int
    refused_before: int
    refused_after: int
    actions: tuple[ActionReplay, ...]
    moved: tuple[Moved, ...]
    missing_facts: tuple[str, ...]


def replay_policy(
    folders: tuple[Path, ...], query: CaseQuery, target: Policy, *, uplifts: UpliftsOf = no_uplifts
) -> Replay:
    """What ``target`` would have done in the cases of ``query``. Raises OSError.

    Cases are decided in the order of time, with limits counted in a store of their own that begins empty: what was
    taken before the period is not known to it. Of more than MAX_REPLAYED cases the newest are.
    """
    compiled = compile_policy(target)
    cases = read_cases(folders, query)
    replaying = _Replaying(compiled)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteLimits(Path(folder) / "limits.sqlite", synchronous="normal")
        for decision in _in_order(folders, query, compiled, cases.keys[-MAX_REPLAYED:], uplifts):
            replaying.add(decision, store)
        store.close()
    return replaying.replay(len(cases), min(len(cases), MAX_REPLAYED))


def missing_facts(compiled: CompiledPolicy) -> tuple[str, ...]:
    """The facts that a policy names and the journal does not keep."""
    return tuple(fact for fact in compiled.facts if fact.startswith(NOT_JOURNALED))


def _in_order(
    folders: tuple[Path, ...], query: CaseQuery, compiled: CompiledPolicy, keys: UInt64, uplifts: UpliftsOf
) -> list[JournaledDecision]:
    """The decisions in the order of time."""
    blocks = read_decisions(folders, query, compiled.facts, kept=keys, uplifts=uplifts)
    return sorted((each for block in blocks for each in block.decisions), key=lambda each: each.case.time_ns)


@dataclass(slots=True)
class _Replaying:
    """Decides again, one case after another, and adds up."""

    compiled: CompiledPolicy
    cases: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    cost_before: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cost_after: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, decision: JournaledDecision, store: LimitStore) -> None:
        """Decides one case again."""
        proposal = self.compiled.propose([decision.case])[0]
        action, refused = self._granted(proposal, decision, store)
        cost = next((each.cost for each in proposal.candidates if each.action == action), 0.0)
        self.cases += 1
        self.before[decision.action] += 1
        self.after[action] += 1
        self.cost_before[decision.action] += decision.cost
        self.cost_after[action] += cost
        self.counts["control_before"] += decision.is_control
        self.counts["control_after"] += proposal.is_control
        self.counts["refused_before"] += bool(decision.refused)
        self.counts["refused_after"] += refused
        self.counts["proposals"] += proposal.candidates[0].action != decision.proposed
        if action != decision.action:
            self.moved[decision.action, action] += 1

    def _granted(self, proposal: Proposal, decision: JournaledDecision, store: LimitStore) -> tuple[str, bool]:
        """The action that limits leave, and whether one of them refused the first."""
        wanted = proposal.wanted
        if not wanted:
            return NO_ACTION, False
        limits, case = self.compiled.limits, decision.case
        reservation = limits.reservation(proposal, case.unit, case.time_ns) if limits.needs_store else None
        if reservation is None:
            return wanted[0].action, False
        grant = store.reserve([reservation], case.time_ns // _MICRO)[0]
        return grant.action or NO_ACTION, bool(grant.refused)

    def replay(self, read: int, wanted: int) -> Replay:
        """The sums, of so many cases that were read and of so many that were to be decided again."""
        names = sorted({*self.before, *self.after}, key=lambda name: (name == NO_ACTION, -self.after[name], name))
        return Replay(
            cases=self.cases,
            older=read - wanted,
            unknown=wanted - self.cases,
            changed=sum(self.moved.values()),
            proposals_changed=self.counts["proposals"],
            control_before=self.counts["control_before"],
            control_after=self.counts["control_after"],
            refused_before=self.counts["refused_before"],
            refused_after=self.counts["refused_after"],
            actions=tuple(
                ActionReplay(name, self.before[name], self.after[name], self.cost_before[name], self.cost_after[name])
                for name in names
            ),
            moved=tuple(Moved(before, after, cases) for (before, after), cases in self.moved.most_common()),
            missing_facts=missing_facts(self.compiled),
        )
