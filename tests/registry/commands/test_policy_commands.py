"""``scoreline policy`` as a person or a script meets it."""

from pathlib import Path

import pytest

from scoreline_registry import commands
from scoreline_registry.registry import Registry
from tests.registry.commands.test_commands import Shell
from tests.registry.decisions.policy_samples import GUARDIAN, fill, stored


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "registry")
    fill(Registry.create(shell.folder))
    for command in (commands.policy, commands.rollback):
        shell.group.add_command(command)
    return shell


def test_a_policy_is_planned_applied_listed_printed_and_removed(shell: Shell) -> None:
    planned = shell.ok("policy", "plan", "-", text=GUARDIAN).splitlines()
    assert planned[0] == "guardian: new policy for route spending, with the actions block, nudge, offer, step_up"
    assert planned[-1] == "units that get another strategy: 0.0000%; nothing is written"
    applied = shell.ok("policy", "apply", "-", "-m", "first", text=GUARDIAN)
    assert applied.splitlines()[-1] == "units that get another strategy: 0.0000%; revision 5"
    assert "Step in before a purchase is regretted." in shell.ok("policy", "list")
    printed = shell.ok("policy", "get", "guardian")
    assert shell.ok("policy", "apply", "-", text=printed).splitlines()[0] == "guardian: nothing differs"
    removed = ["policy guardian: removed", "nothing is written"]
    assert shell.ok("policy", "remove", "guardian", "--dry-run").splitlines() == removed
    assert shell.ok("policy", "remove", "guardian").splitlines() == ["policy guardian: removed", "revision 6"]
    assert "there is no policy yet" in shell.failure("policy", "get", "guardian")


def test_a_plan_shows_differences_warnings_and_shares(shell: Shell) -> None:
    shell.ok("policy", "apply", "-", text=GUARDIAN)
    text = GUARDIAN.replace("control: 10", "control: 0").replace("strict: 60, gentle: 40", "strict: 50, gentle: 50")
    lines = shell.ok("policy", "plan", "-", text=text).splitlines()
    assert lines[:3] == [
        "guardian: control: 10 -> 0",
        "guardian: rule 2: split {gentle:40,strict:60} -> {gentle:50,strict:50}",
        "guardian: warning: effects are learned against the control, and `control` is 0: they stay as they start",
    ]
    assert lines[-2].split() == ["2", "gentle", "40", "50"]
    assert lines[-1] == "units that get another strategy: 19.0000%; nothing is written"


def test_a_bad_policy_fails_in_one_line(shell: Shell) -> None:
    text = GUARDIAN.replace("action: step_up", "action: stepup")
    line = "policy guardian: strategies.strict: rule 'attacked': unknown action 'stepup'; did you mean 'step_up'?"
    assert line in shell.failure("policy", "apply", "-", text=text)
    unread = shell.failure("policy", "plan", "-", text=GUARDIAN.replace("cost: 2,", "cost: two,"))
    assert "actions.block.cost: 'two' is not a number" in unread


def test_scripts_read_json(shell: Shell) -> None:
    applied = shell.json("policy", "apply", "-", text=GUARDIAN)
    assert (applied["policy"], applied["revision"], applied["moved"]) == ("guardian", 5, 0)
    [listed] = shell.json("policy", "list")
    assert (listed["route"], listed["models"]) == ("spending", ["uplift@champion"])
    got = shell.json("policy", "get", "guardian")
    assert got == {"digest": listed["digest"], "document": stored().model_dump(mode="json")}
    planned = shell.json("policy", "plan", "-", text=GUARDIAN.replace("control: 10", "control: 5"))
    assert (planned["etag"], planned["revision"], planned["differences"]) == (
        listed["digest"],
        None,
        ["control: 10 -> 5"],
    )
    assert planned["moved"] == pytest.approx(0.05)
    stale = shell.failure("policy", "apply", "-", "--if-match", "0" * 64, text=GUARDIAN)
    assert "policy 'guardian' was changed by someone else" in stale


def test_a_policy_is_rolled_back_and_its_history_shown(shell: Shell) -> None:
    shell.ok("policy", "apply", "-", text=GUARDIAN)
    shell.ok("policy", "apply", "-", "-m", "more control", text=GUARDIAN.replace("control: 10", "control: 20"))
    shell.ok("rollback", "guardian", "--to", "5")
    shell.ok("rollback", "policies/guardian", "--to", "6")
    entries = shell.json("policy", "history", "guardian", "--limit", "3")
    assert [entry["revision"] for entry in entries] == [8, 7, 6]
    assert "control: 10 -> 20" in shell.ok("policy", "history", "guardian")


def test_packaged_policies_are_listed_and_printed(shell: Shell) -> None:
    assert "early" in shell.ok("policy", "example")
    names = [each["policy"] for each in shell.json("policy", "example")]
    assert names == ["churn", "credit-early-warning", "guardian", "propensity-offers"]
    assert {"policy": "churn", "route": "churn"}.items() <= shell.json("policy", "example", "churn").items()
    assert shell.ok("policy", "example", "guardian").startswith("policy: guardian\n")
    assert "did you mean 'churn'?" in shell.failure("policy", "example", "chrun")
