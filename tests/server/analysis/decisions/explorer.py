"""A journal of a real policy that explores, with outcomes by a law that is known, so that true values are known too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoreline_registry.decisions.deciding.action_law import ActionLaw, costs_of
from scoreline_registry.decisions.deciding.compiled import compile_policy
from scoreline_registry.decisions.deciding.proposal import Case
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_file import policy_of, read_policy
from scoreline_registry.registry import Registry
from scoreline_server.scoring.decided import DecidedRow
from tests.server.analysis.rows import START, Rows, route_facts, write_outcomes, write_rows
from tests.server.routes import apply
from tests.server.toys import publish_linear

REVISION = 3
AMOUNT = 20.0
EXPLORER = """
policy: explorer
route: credit
control: 20
actions:
  mail: {cost: 0.1, benefit: 20, effect: {reduces: 0.1}, channel: email}
  call: {cost: 1, benefit: 20, effect: {reduces: 0.3}}
strategies:
  usual:
    rules: [{name: best, choose: [mail, call]}]
    explore: {by: uniform, among: [mail, call], share: 0.6}
"""
BY_AGE = """
policy: explorer
route: credit
control: 20
actions:
  mail: {cost: 0.1, benefit: 20, effect: {reduces: 0.1}, channel: email}
  call: {cost: 0.8, benefit: 20, effect: {reduces: 0.3}}
strategies:
  usual:
    rules:
      - {name: old, when: {feature.age: {gte: 45}}, action: call}
      - {name: otherwise, action: mail}
"""

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explored:
    """What was journaled, and the cases behind it."""

    rows: Rows
    cases: Sequence[Case]
    decided: Sequence[DecidedRow]
    value: Float64


def explorer() -> Policy:
    """The policy that ran."""
    return policy_of(EXPLORER, source="explorer")


def registry_with(folder: Path, *texts: str) -> Registry:
    """A registry in whose revisions 3 and later there are these policies, one after another."""
    registry = Registry.create(str(folder / "registry"))
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    for text in texts:
        registry.apply_policy(read_policy(text, source="test"), author="tester", message="apply")
    return registry


def explored(
    count: int, *, policy: Policy | None = None, seed: int = 1, units: int | None = None, start: int = START
) -> Explored:
    """Cases that a policy decided on, by its own probabilities."""
    random = np.random.default_rng(seed)
    of_unit = np.arange(count) if units is None else random.integers(0, units, count)
    scores = random.random(count).astype(np.float32)
    ages = np.where(random.random(count) < 0.5, 30.0, 60.0)
    rows = Rows(
        route_facts({"credit@1": 1_000_000}, numbers=("age",), revision=REVISION),
        [f"u{unit}" for unit in of_unit.tolist()], np.zeros(count, int), start + np.arange(count) * 10**9,
        scores=scores, numbers=ages[:, None], policy="explorer", seed=seed,
    )  # fmt: skip
    times = np.asarray(rows.times).tolist()
    cases = [
        Case(rows.ids[row], rows.units[row], {"score": float(scores[row]), "feature.age": float(ages[row])}, times[row])
        for row in range(count)
    ]
    decided = decide(policy or explorer(), cases)
    rates = np.array([_rate(case, each.action) for case, each in zip(cases, decided, strict=True)])
    rows.decided = decided
    return Explored(rows, cases, decided, np.where(random.random(count) >= rates, AMOUNT, 0.0))


def decide(policy: Policy, cases: Sequence[Case]) -> list[DecidedRow]:
    """What is journaled of a policy's decisions where no limit refuses anything."""
    found = []
    for proposal in compile_policy(policy).propose(cases):
        taken = proposal.taken(proposal.wanted[0].action if proposal.wanted else None)
        found.append(
            DecidedRow(
                proposal.strategy,
                proposal.rule,
                taken.action,
                cost=taken.cost,
                expected_value=taken.expected_value,
                propensity=taken.propensity,
                is_control=proposal.is_control,
                withheld=proposal.withheld_action,
            )
        )
    return found


def write_explored(folder: Path, made: Explored) -> None:
    """The journal with the outcome ``value``."""
    write_rows(folder, made.rows, block_rows=700)
    write_outcomes(folder, "value", made.value, ids=made.rows.call_ids)


def true_value(policy: Policy, cases: Sequence[Case]) -> float:
    """What a policy is worth per case, on average over its draws."""
    law = ActionLaw(policy).probabilities(cases)
    costs = costs_of(compile_policy(policy), cases, law.actions)
    kept = np.array([[AMOUNT * (1 - _rate(case, action)) for action in law.actions] for case in cases])
    return float((law.values * (kept - costs)).sum(axis=1).mean())


def _rate(case: Case, action: str) -> float:
    """Calls help the old, mails the young."""
    score, age = case.facts["score"], case.facts["feature.age"]
    assert isinstance(score, float)
    helps = {"none": 0.0, "mail": 0.05 if age == 60 else 0.3, "call": 0.6 if age == 60 else 0.1}
    return score * (1 - helps[action])
