"""What the journal teaches a policy whose world is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.policy_state import CutValue
from scoreline_registry.decisions.specs.policy_file import policy_of
from scoreline_server.analysis.decisions.learning import JournalEvidence
from tests.server.analysis.decisions.guardian import CONTROL, World, world, write_world
from tests.server.analysis.rows import DAY, START, route_facts, write_outcomes, write_rows

GUARDIAN = """
policy: guardian
route: credit
control: 20
actions:
  block: {cost: 2, benefit: 20, effect: {learned: {reduces: 0.2, weight: 50}}, channel: push}
  nudge: {cost: 0.1, benefit: 20, effect: {learned: {reduces: 0.2, weight: 50}}, channel: push}
cuts:
  top: {share: 0.05, start: 0.5, window: 30d}
  old: {share: 0.5, of: feature.age, start: 45, window: 30d}
  best: {costs: {false_positive: 1, false_negative: 4}, outcome: returned, matured: 1d, start: 0.9, window: 90d}
strategies:
  usual:
    rules:
      - {name: high, when: {score: {gte: {cut: top}}, feature.age: {gte: {cut: old}}}, action: block}
      - {name: rest, when: {score: {gte: {cut: best}}}, choose: [nudge]}
      - {name: otherwise, action: none}
messages:
  nudge: {by: thompson, floor: 0.1, variants: {calm: {en: {default: "wait"}}, firm: {en: {default: "stop"}}}}
learning: {outcome: returned, matured: 1d, window: 90d}
"""
NOW = START + 60 * DAY


@pytest.fixture
def policy() -> Policy:
    return policy_of(GUARDIAN, source="guardian.yaml")


def journaled(folder: Path, count: int = 8_000, **options: Any) -> World:
    made = world(count, units=count, **options)
    write_rows(folder, made.rows)
    write_outcomes(folder, "returned", made.returned, ids=made.rows.call_ids, observed_at=np.asarray(made.rows.times))
    return made


def evidence(folder: Path, now: int = START + 20 * DAY) -> JournalEvidence:
    return JournalEvidence((folder,), now, {3: round(CONTROL * 1_000_000)}.get)


def test_a_cut_is_held_at_its_share_of_the_cases(policy: Policy, tmp_path: Path) -> None:
    made = journaled(tmp_path)
    found = evidence(tmp_path).cuts(policy)
    assert found["top"].value == pytest.approx(np.quantile(made.scores, 0.95), abs=1e-3)
    assert found["top"].reached == pytest.approx(0.05, abs=1e-3)
    assert found["top"].cases == 8_000
    # Ages are 30 and 60: half of the cases reach 45 already.
    assert "old" not in found


def test_a_cut_by_costs_looks_at_outcomes_that_no_action_changed(policy: Policy, tmp_path: Path) -> None:
    journaled(tmp_path, count=30_000)
    found = evidence(tmp_path).cuts(policy)["best"]
    # Scores are calibrated without actions: 1 / (1 + 4).
    assert found.value == pytest.approx(0.2, abs=0.07)
    assert found.cost is not None


def test_a_cut_that_was_found_stays(policy: Policy, tmp_path: Path) -> None:
    journaled(tmp_path)
    after = policy.model_copy(update={"cuts_state": evidence(tmp_path).cuts(policy)})
    assert evidence(tmp_path).cuts(after) == {}


def test_bounds_hold_a_cut(policy: Policy, tmp_path: Path) -> None:
    journaled(tmp_path)
    bounded = policy.cuts["top"].model_copy(update={"highest": 0.6})
    found = evidence(tmp_path).cuts(policy.model_copy(update={"cuts": {**policy.cuts, "top": bounded}}))
    assert found["top"].value == 0.6
    again = policy.model_copy(update={"cuts": {**policy.cuts, "top": bounded}, "cuts_state": {"top": found["top"]}})
    assert "top" not in evidence(tmp_path).cuts(again)


def test_cases_outside_the_window_and_young_outcomes_do_not_count(policy: Policy, tmp_path: Path) -> None:
    journaled(tmp_path)
    assert evidence(tmp_path, START + 200 * DAY).cuts(policy) == {}
    assert evidence(tmp_path, START + 200 * DAY).effects(policy) is None
    young = evidence(tmp_path, START + DAY // 2)
    assert set(young.cuts(policy)) == {"top"}
    assert young.effects(policy) is None


def test_effects_are_those_of_the_world(policy: Policy, tmp_path: Path) -> None:
    journaled(tmp_path, count=16_000, refused=0.4)
    found = evidence(tmp_path).effects(policy)
    assert found is not None
    # Two fifths of the blocks became nudges, which is part of what a proposed block does: 0.6 * 0.5 + 0.4 * 0.2.
    assert found.effects["block"].mean == pytest.approx(0.38, abs=4 * found.effects["block"].spread)
    assert found.effects["nudge"].mean == pytest.approx(0.2, abs=4 * found.effects["nudge"].spread)
    assert found.effects["nudge"].spread < 0.1
    assert set(found.variants) == {"nudge"}
    assert evidence(tmp_path).effects(policy.model_copy(update={"effects_state": found})) is None


def test_variants_count_the_cases_that_got_them(policy: Policy, tmp_path: Path) -> None:
    made = journaled(tmp_path)
    found = evidence(tmp_path).effects(policy)
    assert found is not None
    calm = np.array([each.variant == "calm" for each in made.decided])
    counts = found.variants["nudge"]["calm"]
    assert (counts.successes, counts.failures) == (1 + (calm & made.returned).sum(), 1 + (calm & ~made.returned).sum())


def test_cases_under_another_share_of_the_control_do_not_mix(policy: Policy, tmp_path: Path) -> None:
    journaled(tmp_path)
    other = JournalEvidence((tmp_path,), START + 20 * DAY, {3: 500_000}.get)
    found = other.effects(policy)
    assert found is None or not found.effects


def test_an_empty_journal_teaches_nothing(policy: Policy, tmp_path: Path) -> None:
    assert evidence(tmp_path).cuts(policy) == {}
    assert evidence(tmp_path).effects(policy) is None
    write_rows(tmp_path, replace(world(40, units=40).rows, decided=None, route=route_facts({"credit@1": 1_000_000})))
    assert evidence(tmp_path).cuts(policy) == {}


def test_a_cut_of_an_unknown_fact_stays(policy: Policy, tmp_path: Path) -> None:
    write_world(tmp_path, world(400, units=400))
    unknown = policy.cuts["old"].model_copy(update={"of": "feature.unknown"})
    state = {"top": CutValue(value=0.1, at=evidence(tmp_path).cuts(policy)["top"].at)}
    changed = policy.model_copy(update={"cuts": {**policy.cuts, "old": unknown}, "cuts_state": state})
    assert "old" not in evidence(tmp_path).cuts(changed)
