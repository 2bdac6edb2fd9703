"""``scoreline profile`` as a person or a script meets it."""

from pathlib import Path

import pytest

from scoreline_registry import commands
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.registry import Registry
from tests.registry.commands.test_commands import Shell
from tests.registry.profiles.samples import SPENDING, changed, profile


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "registry")
    Registry.create(shell.folder)
    for command in (commands.profile, commands.rollback):
        shell.group.add_command(command)
    return shell


def test_a_profile_is_planned_applied_listed_printed_and_removed(shell: Shell) -> None:
    assert shell.ok("profile", "plan", "-", text=SPENDING).splitlines()[-1] == "nothing is written"
    assert shell.ok("profile", "apply", "-", "-m", "first", text=SPENDING).splitlines()[-1] == "revision 1"
    listed = shell.ok("profile", "list")
    assert "spending" in listed
    assert "What is known of each customer." in listed
    printed = shell.ok("profile", "get", "spending")
    assert shell.ok("profile", "apply", "-", text=printed).splitlines() == [
        "spending: nothing differs",
        "revision 1",
    ]
    removed = ["profile spending: removed", "nothing is written"]
    assert shell.ok("profile", "remove", "spending", "--dry-run").splitlines() == removed
    assert shell.ok("profile", "remove", "spending").splitlines() == [
        "profile spending: removed",
        "revision 2",
        "its entities stay in the store; `scoreline profile clear --profile spending --yes` removes them",
    ]
    assert "there is no profile yet" in shell.failure("profile", "get", "spending")


def test_packaged_profiles_are_listed_printed_and_applied(shell: Shell) -> None:
    assert "session-urgency" in shell.ok("profile", "example")
    assert {"profile": "rfm"}.items() <= shell.json("profile", "example", "rfm").items()
    assert [each["profile"] for each in shell.json("profile", "example")][:2] == ["card-customer", "card-terminal"]
    guardian = shell.ok("profile", "example", "spending-guardian")
    assert shell.ok("profile", "apply", "-", text=guardian).splitlines()[-1] == "revision 1"
    assert "did you mean 'rfm'?" in shell.failure("profile", "example", "rfn")


def test_a_change_says_which_features_get_other_values(shell: Shell) -> None:
    shell.ok("profile", "apply", "-", text=SPENDING)
    text = changed("half_life: 7d", "half_life: 9d")
    assert shell.ok("profile", "apply", "-", "--dry-run", text=text).splitlines() == [
        "spending: feature spent_recently: half_life 7d -> 9d",
        "features with other values: spent_recently",
        "nothing is written",
    ]


def test_scripts_read_json(shell: Shell) -> None:
    applied = shell.json("profile", "apply", "-", text=SPENDING)
    assert (applied["profile"], applied["revision"], applied["changes_anything"]) == ("spending", 1, True)
    [listed] = shell.json("profile", "list")
    assert (listed["profile"], listed["events"]) == ("spending", ["click", "purchase", "referral", "refund"])
    got = shell.json("profile", "get", "spending")
    assert got["digest"] == listed["digest"]
    assert got["features"] == feature_digests(profile())
    planned = shell.json("profile", "plan", "-", text=changed("lateness: 1h", "lateness: 2h"))
    assert (planned["etag"], planned["revision"]) == (listed["digest"], None)
    assert planned["differences"] == ["lateness: 1h -> 2h"]
    stale = shell.failure("profile", "apply", "-", "--if-match", "0" * 64, text=SPENDING)
    assert "profile 'spending' was changed by someone else" in stale


def test_a_profile_is_rolled_back(shell: Shell) -> None:
    shell.ok("profile", "apply", "-", text=SPENDING)
    shell.ok("profile", "apply", "-", text=changed("lateness: 1h", "lateness: 2h"))
    rolled_back = shell.ok("rollback", "profiles/spending", "--to", "1").splitlines()
    assert rolled_back == ["profile spending: lateness: 2h -> 1h", "revision 3"]
    assert shell.ok("rollback", "spending", "--to", "3") == "nothing differs; nothing is written\n"


def test_the_history_of_a_profile_is_shown(shell: Shell) -> None:
    shell.ok("profile", "apply", "-", text=SPENDING)
    shell.ok("profile", "apply", "-", text=changed("profile: spending", "profile: other"))
    shell.ok("profile", "apply", "-", "-m", "slow sources", text=changed("lateness: 1h", "lateness: 2h"))
    newest, oldest = shell.json("profile", "history", "spending")
    assert (newest["revision"], newest["message"], oldest["revision"]) == (3, "slow sources", 1)
    assert [event["detail"] for event in newest["events"]] == ["lateness: 1h -> 2h"]
    assert [each["revision"] for each in shell.json("profile", "history", "spending", "--limit", "1")] == [3]
    assert "did you mean 'spending'?" in shell.failure("profile", "history", "spendings")


def test_a_wrong_profile_is_refused_with_what_is_wrong(shell: Shell) -> None:
    text = changed("half_life: 7d", "half_lif: 7d")
    assert "features.spent_recently: unknown key 'half_lif'; did you mean 'half_life'?" in shell.failure(
        "profile", "apply", "-", text=text
    )
