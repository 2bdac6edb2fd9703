"""Journaled decisions with what another policy would have done in each, as arrays for off-policy estimates."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.decisions.deciding.action_law import ActionLaw, costs_of
from scoreline_registry.decisions.deciding.compiled import CompiledPolicy, compile_policy
from scoreline_registry.decisions.policy import Policy
from scoreline_server.analysis.decisions.cases import Bool, CaseQuery, Cases, Float64, Ints
from scoreline_server.analysis.decisions.journaled import JournaledBlock, JournaledDecision, read_decisions
from scoreline_server.analysis.decisions.policy_history import PolicyHistory
from scoreline_server.analysis.decisions.uplifts import ScoredUplifts
from scoreline_server.analysis.rows.labels import RowIndex

NO_REVISION = "of a revision that the registry does not have"
NO_INPUTS = "without inputs in the journal"
NOT_REPRODUCED = "that their own policy would not make on what the journal has"


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """N decisions among A actions.

    Attributes:
        actions: the names of the actions, "none" first.
        rows: [N] indices into the cases.
        taken: [N] indices into ``actions``.
        paid: [N] what the action cost.
        logging, targets: [N, A] the probabilities of the policy that ran and of the one to evaluate.
        costs: [N, A] what each action would cost by the one to evaluate; NaN where that is not known.
        features: [N, F] the score and the numbers of the route; NaN for missing.
        seen: decisions whose own policy is known; ``reproduced`` of them it would propose again.
        left_out: how many decisions are left out, by the reason.
    """

    actions: tuple[str, ...]
    rows: Ints
    taken: Ints
    paid: Float64
    logging: Float64
    targets: Float64
    costs: Float64
    features: Float64
    seen: int
    reproduced: int
    left_out: Mapping[str, int]


def weigh(
    folders: tuple[Path, ...], query: CaseQuery, cases: Cases, counted: Bool, target: Policy, history: PolicyHistory
) -> Weighed:
    """The counted [N] cases as far as they can be decided again. Raises OSError and RegistryError."""
    revisions = np.unique(cases.revisions[counted]).tolist()
    ran = {revision: policy for revision in revisions if (policy := history.at(revision)) is not None}
    weighing = _Weighing(target, ran, cases)
    uplifts = ScoredUplifts(history.registry, (ref for policy in (target, *ran.values()) for ref in policy.refs))
    for block in read_decisions(folders, query, weighing.facts, kept=cases.keys[counted], uplifts=uplifts):
        weighing.add(block)
    return weighing.weighed(int(counted.sum()))


class _Weighing:
    """Adds up blocks."""

    def __init__(self, target: Policy, ran: Mapping[int, Policy], cases: Cases) -> None:
        self._target, self._compiled = ActionLaw(target), compile_policy(target)
        self._ran = {revision: _Ran(policy) for revision, policy in ran.items()}
        self._index = RowIndex(cases.keys)
        taken = [cases.texts[code] for code in np.unique(cases.actions).tolist()]
        names = (NO_ACTION, *target.actions, *taken, *(name for policy in ran.values() for name in policy.actions))
        self.actions: tuple[str, ...] = tuple(dict.fromkeys(name for name in names if name))
        self._column = {action: column for column, action in enumerate(self.actions)}
        self.facts: frozenset[str] = frozenset(self._compiled.facts).union(
            *(each.compiled.facts for each in self._ran.values())
        )
        self._parts: list[dict[str, npt.NDArray[Any]]] = []
        self._features: list[npt.NDArray[np.float32]] = []
        self._counts: Counter[str] = Counter()
        self._read = self._seen = self._reproduced = 0

    def add(self, block: JournaledBlock) -> None:
        """Adds a block."""
        rows = self._index.rows_of(block.keys)
        self._read += len(rows)
        by_revision: dict[int, list[int]] = {}
        for place, decision in enumerate(block.decisions):
            by_revision.setdefault(decision.revision, []).append(place)
        for revision, places in by_revision.items():
            if revision in self._ran:
                decisions = [block.decisions[place] for place in places]
                self._add(self._ran[revision], decisions, rows[places], block.features[places])
            else:
                self._counts[NO_REVISION] += len(places)

    def weighed(self, wanted: int) -> Weighed:
        """Everything that was added, of so many decisions that were wanted."""
        if wanted > self._read:
            self._counts[NO_INPUTS] += wanted - self._read
        width = min((part.shape[1] for part in self._features), default=0)
        return Weighed(
            actions=self.actions,
            **{name: self._joined(name) for name in ("rows", "taken", "paid", "logging", "targets", "costs")},
            features=np.concatenate([np.zeros((0, width)), *(part[:, :width] for part in self._features)]),
            seen=self._seen,
            reproduced=self._reproduced,
            left_out=dict(self._counts),
        )

    def _add(
        self, ran: "_Ran", decisions: Sequence[JournaledDecision], rows: Ints, features: npt.NDArray[np.float32]
    ) -> None:
        cases = [decision.case for decision in decisions]
        refused = [decision.refused for decision in decisions]
        logging = ran.law.probabilities(cases, refused).over(self.actions)
        taken = np.array([self._column[decision.action] for decision in decisions], np.intp)
        self._seen += len(decisions)
        self._reproduced += ran.reproduced(decisions)
        # A decision to which its own policy gives no probability was made on facts that the journal does not have.
        kept = logging[np.arange(len(taken)), taken] > 0
        self._counts[NOT_REPRODUCED] += int((~kept).sum())
        part = {
            "rows": rows,
            "taken": taken,
            "paid": np.array([decision.cost for decision in decisions]),
            "logging": logging,
            "targets": self._target.probabilities(cases, refused).over(self.actions),
            "costs": costs_of(self._compiled, cases, self.actions),
        }
        self._parts.append({name: values[kept] for name, values in part.items()})
        self._features.append(features[kept])

    def _joined(self, name: str) -> npt.NDArray[Any]:
        if not self._parts:
            wide = name in ("logging", "targets", "costs")
            return np.zeros((0, len(self.actions)) if wide else 0, np.intp if name in ("rows", "taken") else np.float64)
        return np.concatenate([part[name] for part in self._parts])


@dataclass(frozen=True, slots=True)
class _Ran:
    """A revision of the policy that ran."""

    policy: Policy
    law: ActionLaw = field(init=False)
    compiled: CompiledPolicy = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "law", ActionLaw(self.policy))
        object.__setattr__(self, "compiled", compile_policy(self.policy))

    def reproduced(self, decisions: Sequence[JournaledDecision]) -> int:
        """How many decisions it would propose again."""
        return sum(self._again(decisions))

    def _again(self, decisions: Sequence[JournaledDecision]) -> Iterator[bool]:
        proposals = self.compiled.propose([decision.case for decision in decisions])
        for decision, proposal in zip(decisions, proposals, strict=True):
            yield (
                proposal.candidates[0].action == decision.proposed
                and proposal.strategy == decision.strategy
                and proposal.is_control == decision.is_control
            )
