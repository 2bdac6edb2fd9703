"""From decisions of a real server to what they teach: effects, the value of another policy, and new revisions."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

import scoreline
from scoreline import Decision, Outcome
from scoreline_registry.commands import policy as policy_commands
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_server.controllers.policy_controller import AUTHOR, PolicyController
from scoreline_server.journal.reading.reader import read_records
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import running
from tests.waiting import wait_until

COUNT, BATCH = 1_500, 250
RETENTION = """
policy: retention
route: credit
control: 30
actions:
  mail: {cost: 0.1, benefit: 20, effect: {learned: {reduces: 0.1, weight: 20}}, channel: email}
  call: {cost: 1, benefit: 20, effect: {reduces: 0.3}}
  visit: {cost: 9, benefit: 20, effect: {uplift: uplift@1}}
cuts: {top: {share: 0.1, start: 0.05, window: 7d}}
strategies:
  usual:
    rules:
      - {name: best, when: {score: {gte: {cut: top}}}, choose: [mail, call, visit]}
      - {name: otherwise, action: none}
    explore: {by: uniform, among: [mail, call], share: 0.8}
limits: [{name: budget, kind: budget, at_most: 400, per: total, actions: [call]}]
messages:
  mail: {by: thompson, floor: 0.2, variants: {calm: {en: {default: "Stay?"}}, warm: {en: {default: "Please stay"}}}}
learning: {outcome: left, matured: 1s, window: 7d}
"""
MAIL_ALL = RETENTION.replace("choose: [mail, call, visit]", "action: mail").replace(
    "\n    explore: {by: uniform, among: [mail, call], share: 0.8}", ""
)


class Place(NamedTuple):
    """Where a server ran: its registry, its journal and what it decided."""

    registry: Registry
    address: str
    journal: Path
    decisions: list[Decision]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Customers that a server decided about, with outcomes: mails keep four of five who would leave, calls nobody."""
    folder = tmp_path_factory.mktemp("learning")
    registry = Registry.create(folder / "registry")
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    publish_linear(registry, "uplift", (0.5, 0, 0))
    apply(registry)
    registry.apply_policy(read_policy(RETENTION, source="test"), author="tester", message="apply")
    random = np.random.default_rng(5)
    incomes = random.normal(size=COUNT)
    ids = [f"c{place}" for place in range(COUNT)]
    with running(folder / "registry", folder / "log") as server, scoreline.Client(server.address) as client:
        decisions = client.decide_many("retention", {"income": incomes.tolist()}, entity_ids=ids)
        assert not any(decision.error for decision in decisions)
        leaving = [0.2 if decision.action == "mail" else 1.0 for decision in decisions]
        left = random.random(COUNT) < 1 / (1 + np.exp(-incomes)) * np.array(leaving)
        for name, values in (("left", left.astype(float)), ("value", np.where(left, 0.0, 20.0))):
            outcomes = [
                Outcome(prediction_id=decision.decision_id, name=name, value=float(value))
                for decision, value in zip(decisions, values, strict=True)
            ]
            for start in range(0, COUNT, BATCH):
                assert client.report_outcomes("credit", outcomes[start : start + BATCH]).accepted == BATCH
        journal = folder / "registry-journal"
        wait_until(lambda: sum(len(records) for records in read_records([journal])) == COUNT)
    return Place(registry, str(folder / "registry"), journal, decisions)


def run(place: Place, *arguments: object) -> dict[str, object]:
    """What a command of ``scoreline policy`` prints as JSON."""
    given = [*map(str, arguments), "--registry", place.address, "--json"]
    result = CliRunner().invoke(policy_commands, given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.output)
    return found


def test_effects_are_found_from_the_journal_beside_the_registry(place: Place) -> None:
    found = run(place, "effect", "retention", "--maturity-days", "0")
    assert (found["cases"], found["control_shares"], found["notes"]) == (COUNT, [30.0], [])
    effects = {(each["action"], each["metric"], each["variant"]): each for each in found["effects"]}  # type: ignore[attr-defined]
    assert effects["mail", "left", ""]["verdict"] == "lower"
    assert effects["mail", "net value", ""]["verdict"] == "higher"
    assert {name for action, _, name in effects if action == "mail"} == {"", "calm", "warm"}
    taken = {each["action"]: each["taken"] for each in found["actions"] if not each["variant"]}  # type: ignore[attr-defined]
    decided = [decision.action for decision in place.decisions]
    assert {name: decided.count(name) for name in ("mail", "call")} == {name: taken[name] for name in ("mail", "call")}


def test_the_value_of_another_policy_is_estimated(place: Place, tmp_path: Path) -> None:
    (tmp_path / "mail.yaml").write_text(MAIL_ALL)
    found = run(place, "value", tmp_path / "mail.yaml", "--maturity-days", "0")
    assert found["used"] == COUNT
    assert found["reproduced"] == 1
    robust = found["values"][0]  # type: ignore[index]
    assert robust["estimator"] == "doubly robust"
    assert robust["gain"]["low"] > 0


def test_a_plan_replays_what_was_decided(place: Place, tmp_path: Path) -> None:
    # What the second model says of a visit is not journaled, and scored again.
    assert sum(decision.action == "visit" for decision in place.decisions) > 50
    (tmp_path / "same.yaml").write_text(RETENTION)
    same = run(place, "plan", tmp_path / "same.yaml", "--replay", "1d")["replay"]
    assert (same["cases"], same["proposals_changed"], same["changed"]) == (COUNT, 0, 0)  # type: ignore[index]
    (tmp_path / "mail.yaml").write_text(MAIL_ALL)
    other = run(place, "plan", tmp_path / "mail.yaml", "--replay", "1d")["replay"]
    called = sum(decision.action == "call" for decision in place.decisions)
    assert other["changed"] >= called  # type: ignore[index]
    after = {each["action"]: each["after"] for each in other["actions"]}  # type: ignore[index]
    assert after.get("call", 0) == 0


def test_a_controller_commits_what_was_learned(place: Place) -> None:
    wait_until(lambda: _is_mature(place))
    assert PolicyController(place.registry, [place.journal]).look() == ["retention"]
    policy = place.registry.latest().policies["retention"]
    assert policy.effects_state is not None
    assert policy.effects_state.effects["mail"].mean == pytest.approx(0.8, abs=0.2)
    assert set(policy.effects_state.variants["mail"]) == {"calm", "warm"}
    scores = [decision.score.score for decision in place.decisions if decision.score is not None]
    assert policy.cut_values["top"] == pytest.approx(np.quantile(scores, 0.9), abs=0.01)
    assert [entry.author for entry in place.registry.history(2)] == [AUTHOR, AUTHOR]


def _is_mature(place: Place) -> bool:
    """Whether the newest decision is older than the policy's maturity."""
    newest = max(int(records.times.max()) for records in read_records([place.journal]))
    return place.registry.now().timestamp() > newest / 10**9 + 1
