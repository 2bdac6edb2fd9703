"""``scoreline policy preview`` as a person or a script meets it."""

import json
from pathlib import Path

import pytest

from scoreline_registry import commands
from scoreline_registry.decisions.policy_state import CutValue
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.history.policy_changes import SetCuts
from scoreline_registry.registry import Registry
from tests.registry.commands.test_commands import Shell
from tests.registry.decisions.policy_samples import GUARDIAN, fill
from tests.registry.samples import MOMENT

POLICY = """
policy: guardian
route: spending
salt: test
currency: EUR
control: 50
actions:
  nudge: {cost: 0.5, benefit: {feature: amount}, effect: {reduces: 0.5}, channel: email}
  hold: {cost: 1}
strategies:
  usual:
    rules:
      - {name: high, when: {score: {gte: 0.8}}, action: hold}
      - {name: middle, when: {score: {gte: 0.3}, context.kind: {exists: true}}, choose: [nudge]}
      - {name: otherwise, action: none}
limits:
  - {name: daily, kind: frequency, at_most: 1, per: 1d, actions: [nudge]}
  - {name: night, kind: quiet_hours, from: "22:00", to: "08:00", actions: [hold]}
messages:
  nudge: {en: "You spent {{ value | default(0) | money }}.", de: "Sie sparen {{ value | default(0) | money }}."}
"""
ROWS = """
{"entity_id": "u3", "score": 0.5, "amount": 40, "context": {"kind": "card"}, "time": "2026-11-18T12:00Z"}
{"entity_id": "u3", "score": 0.9, "amount": 40, "time": "2026-11-18T23:00Z"}
{"entity_id": "u1", "score": 0.5, "amount": 40, "context": {"kind": "card"}, "time": "2026-11-18T12:00Z"}
{"entity_id": "u3", "score": 0.5, "context": {"kind": "card"}, "time": "2026-11-18T12:00Z"}
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "registry")
    shell.group.add_command(commands.policy)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    return shell


def preview(shell: Shell, *options: str, rows: str = "rows.jsonl") -> str:
    folder = shell.folder.parent
    return shell.ok("policy", "preview", str(folder / "policy.yaml"), str(folder / rows), *options)


def test_a_table_has_one_line_for_each_row_and_counts_the_actions(shell: Shell) -> None:
    lines = preview(shell, "--language", "de").splitlines()
    assert lines[0].split() == ["ROW", "UNIT", "STRATEGY", "RULE", "ACTION", "VALUE", "COUNTS", "FOR", "MESSAGE"]
    assert lines[1].split()[:8] == ["1", "u3", "usual", "middle", "nudge", "9.5", "daily", "Sie"]
    assert lines[1].endswith("Sie sparen 9,50 €.")
    assert lines[2].split() == ["2", "u3", "usual", "high", "none", "0"]
    assert "none (control: nudge)" in lines[3]
    assert lines[4].split() == ["4", "u3", "usual", "middle", "none", "0"]
    assert lines[5] == "4 rows: none 2, nudge 1, control 1"
    assert preview(shell, "-n", "0").splitlines()[-1] == lines[5]


def test_a_trace_says_how_each_rule_and_action_was_tried(shell: Shell) -> None:
    assert preview(shell, "--trace").splitlines()[:11] == [
        "row 1 u3: nudge, by strategy usual (STATIC)",
        "  rule high: no, score gte 0.8 and it is 0.5",
        "  rule middle: matches",
        "  nudge: 9.5 = 40 x 0.25 - 0.5, propensity 1",
        "  none: 0, propensity 0",
        "  counts for daily",
        "  message (en): You spent €9.50.",
        "row 2 u3: none, by strategy usual (STATIC)",
        "  rule high: matches",
        "  none: 0, propensity 1",
        "  hold: left out, limit night",
    ]
    text = preview(shell, "--trace")
    assert "row 3 u1: none, by strategy usual (STATIC); the unit is in the control share" in text
    assert "  nudge: left out, feature.amount is missing" in text


def test_json_has_everything(shell: Shell) -> None:
    found = json.loads(preview(shell, "--json", "--trace", "--channel", "push"))
    assert found["actions"] == {"none": 3, "control": 1}
    assert found["rows"][0]["left_out"] == [{"action": "nudge", "reason": "other_channel", "by": "email"}]
    assert found["rows"][0]["rules"][0]["tests"] == [{"fact": "score", "test": "gte 0.8", "value": 0.5, "holds": False}]


def test_csv_is_read_by_its_name(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("entity_id,score,amount,context.kind,time\nu3,0.5,40,card,2026-11-18T12:00Z\n")
    assert preview(shell, rows="rows.csv").splitlines()[-1] == "1 rows: nudge 1"
    assert preview(shell, "--format", "csv", rows="rows.csv") == preview(shell, rows="rows.csv")


@pytest.mark.parametrize(
    ("policy", "rows", "problem"),
    [
        (POLICY.replace("choose: [nudge]", "choose: [nugde]"), ROWS, "nugde"),
        (POLICY.replace("score: {gte: 0.3}, ", "score: {gte: 0.9}, "), ROWS, "never"),
        (POLICY, "{", "line 1: it is not JSON"),
        (POLICY, '{"time": "soon"}', "row 1: "),
    ],
)
def test_what_is_wrong_is_one_line(shell: Shell, tmp_path: Path, policy: str, rows: str, problem: str) -> None:
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "rows.jsonl").write_text(rows)
    result = shell.run("policy", "preview", str(tmp_path / "policy.yaml"), str(tmp_path / "rows.jsonl"))
    assert result.exit_code == 1
    assert problem in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_template_that_would_be_refused_is_shown_as_a_problem(shell: Shell, tmp_path: Path) -> None:
    refused = POLICY.replace("You spent", "{% for x in 'ab' %}x{% endfor %}")
    (tmp_path / "policy.yaml").write_text(refused)
    assert "problem: a loop is not allowed" in preview(shell)


def test_a_registry_gives_the_cuts_in_force_and_checks_the_policy(shell: Shell, tmp_path: Path) -> None:
    registry = Registry.create(shell.folder)
    fill(registry)
    registry.apply_policy(read_policy(GUARDIAN, source="test"), author="ann", message="")
    (tmp_path / "policy.yaml").write_text(GUARDIAN)
    (tmp_path / "rows.jsonl").write_text('{"entity_id": "u", "score": 0.6, "context": {"vip": true}}\n')
    registry.commit(SetCuts("guardian", {"top": CutValue(value=0.5, at=MOMENT, cases=100)}), author="ann", message="")
    start, found = preview(shell, "--trace"), preview(shell, "--trace", "--registry", str(shell.folder))
    assert "rule top: no, score gte 0.8 and it is 0.6" in start
    assert "rule top: matches" in found
    (tmp_path / "policy.yaml").write_text(GUARDIAN.replace("feature.amount: {gt: 100}", "feature.amuont: {gt: 100}"))
    assert "amuont" in shell.failure(
        "policy", "preview", str(tmp_path / "policy.yaml"), "-", "--registry", str(shell.folder)
    )
