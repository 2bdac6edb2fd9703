"""The verbs of upkeep as a person or a script meets them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scoreline_registry import commands
from scoreline_registry.registry import Registry
from tests.registry.commands.test_commands import Shell
from tests.registry.samples import apply, manifest, publish, spec


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path / "registry")
    for command in (
        commands.rollback,
        commands.retire,
        commands.unretire,
        commands.gc,
        commands.verify,
        commands.promote,
        commands.export,
    ):
        shell.group.add_command(command)
    return shell


@pytest.fixture
def filled(shell: Shell) -> Registry:
    """Two versions of ``credit``, the champion moved from the first to the second, and a route of the same name."""
    registry = Registry.create(shell.folder)
    publish(registry, aliases=["champion"])
    apply(registry, spec())
    publish(registry, aliases=["champion"], data=b"second")
    return registry


def test_a_model_a_route_or_everything_is_rolled_back(shell: Shell, filled: Registry) -> None:
    assert "write models/credit or routes/credit" in shell.run("rollback", "credit", "--to", "1").output
    planned = shell.json("rollback", "models/credit", "--to", "1", "--dry-run")
    assert (planned["written"], planned["revision"]) == (False, 3)
    assert planned["events"] == [{"kind": "alias", "name": "credit@champion", "detail": "2 -> 1"}]
    assert shell.ok("rollback", "models/credit", "--to", "1", "-m", "worse").splitlines() == [
        "alias credit@champion: 2 -> 1",
        "revision 4",
    ]
    assert shell.ok("rollback", "routes/credit", "--to", "2") == "nothing differs; nothing is written\n"
    assert shell.json("rollback", "--all", "--to", "3")["revision"] == 5
    for arguments in ([], ["credit", "--all"], ["--all", "--expect", "x"], ["arms/credit"], ["models/../x"]):
        assert shell.run("rollback", *arguments, "--to", "1").exit_code == 2
    assert "revision '99' is not in the registry" in shell.failure("rollback", "--all", "--to", "99")


def test_a_version_is_retired_brought_back_and_collected(shell: Shell, filled: Registry) -> None:
    assert "alias credit@champion points to it" in shell.failure("retire", "credit@2")
    digest = shell.json("models", "show", "credit")["digest"]
    assert "version credit@1: retired" in shell.ok("retire", "credit@1", "--expect", digest)
    assert "changed by someone else" in shell.failure("unretire", "credit@1", "--expect", digest)
    assert "intact, retired" in shell.ok("models", "show", "credit@1")
    assert shell.json("unretire", "credit@1")["written"] is True
    assert shell.run("retire", "credit@champion").exit_code == 2
    shell.ok("retire", "credit@1")
    assert shell.json("gc")["retired"] == []
    assert "would remove credit@1: retired" in shell.ok("gc", "--retention-days", "0", "--dry-run")
    assert shell.json("gc", "--retention-days", "0")["retired"] == ["credit@1"]
    assert "removed" in shell.ok("models", "show", "credit@1")
    assert shell.json("models", "show", "credit@1")["versions"][0]["manifest"] is None
    assert shell.json("verify")["findings"] == []


def test_verify_tells_by_its_exit_code(shell: Shell, filled: Registry) -> None:
    assert "all as committed" in shell.ok("verify")
    (shell.folder / "models/credit/1/golden.npz").write_bytes(b"rotten")
    (shell.folder / "models/credit/2/model.onnx").unlink()
    result = shell.run("verify")
    assert result.exit_code == 1
    assert "models/credit/1/golden.npz: its sha256 is" in result.stdout
    assert "models/credit/2/model.onnx: it is missing" in result.stdout
    assert "2 PROBLEMS" in result.stdout
    shell.folder = shell.folder / "nothing"
    assert "make one with `scoreline init`" in shell.failure("verify")


def test_verify_of_a_registry_whose_root_is_lost_still_names_it(shell: Shell, filled: Registry) -> None:
    (shell.folder / "registry.json").unlink()
    result = shell.run("verify", "--json")
    assert result.exit_code == 1
    assert '"key": "registry.json"' in result.stdout


def test_owners_and_labels_find_models(shell: Shell, filled: Registry) -> None:
    publish(filled, "churn")
    assert "owner nobody -> risk" in shell.ok("models", "own", "credit", "risk")
    shell.ok("models", "label", "credit", "tier=gold", "country=nl")
    assert [one["model"] for one in shell.json("models", "list", "--owner", "risk", "--label", "tier=gold")] == [
        "credit"
    ]
    assert [one["model"] for one in shell.json("models", "list", "--owner", "-")] == ["churn"]
    assert shell.json("models", "list", "--label", "tier=silver") == []
    shell.ok("models", "label", "credit", "tier-", "country=be")
    assert shell.json("models", "list", "--label", "country")[0]["labels"] == {"country": "be"}
    shell.ok("models", "own", "credit", "-")
    assert shell.json("models", "show", "credit")["owner"] is None
    for arguments in (["tier"], ["=x"], ["Tier=x"], ["tier="], ["a=1", "a-"]):
        assert shell.run("models", "label", "credit", *arguments).exit_code == 2
    assert "printable" in shell.failure("models", "own", "credit", " ")


def test_two_versions_are_compared(shell: Shell, filled: Registry) -> None:
    filled.publish(
        "credit", files={"model.onnx": b"x"}, manifest=manifest(metrics={"auc": 0.8}), author="ann", message=""
    )
    shown = shell.json("models", "compare", "credit@1", "credit@3")
    assert shown["metrics"] == [{"what": "auc", "left": None, "right": 0.8}]
    assert {one["what"] for one in shown["files"]} == {"golden.npz", "manifest.json", "model.onnx"}
    assert (shown["golden"], shown["golden_note"]) == (None, "credit@3 has no golden rows")
    assert "credit@3 has no golden rows" in shell.ok("models", "compare", "credit@champion", "credit@3")


def test_an_arm_is_stopped(shell: Shell, filled: Registry) -> None:
    apply(filled, spec({"credit@champion": 90, "credit@1": 10}))
    assert shell.json("route", "stop", "credit", "credit@1", "--dry-run")["written"] is False
    assert "credit@champion 100 %" in shell.ok("route", "stop", "credit", "credit@1")
    assert "only arm of rule 1" in shell.failure("route", "stop", "credit", "credit@champion")


def test_a_tester_is_explained(shell: Shell, filled: Registry) -> None:
    apply(filled, spec(testers={"me": "credit@1"}))
    assert shell.json("route", "assign", "credit", "me")["reason"] == "OVERRIDE"
    assert "OVERRIDE" in shell.ok("route", "assign", "credit", "me", "--context", "a=1")


def test_a_version_is_promoted(shell: Shell, filled: Registry, tmp_path: Path) -> None:
    other = tmp_path / "prod"
    assert "no registry at" in shell.failure("promote", "credit@1", "--to", str(other))
    Registry.create(other)
    assert "would copy credit@2" in shell.ok("promote", "credit@champion", "--to", str(other), "--dry-run")
    done = shell.json("promote", "credit@champion", "--to", str(other), "--alias", "champion")
    assert (done["version"], done["copied"], done["source"]["version"]) == (1, True, 2)
    assert "has the files of credit@2 already, as credit@1" in shell.ok("promote", "credit@2", "--to", str(other))


def test_models_are_exported(shell: Shell, filled: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "triton"
    assert "would write" in shell.ok("export", "triton", str(folder), "--dry-run")
    assert not folder.exists()
    assert len(shell.json("export", "triton", str(folder))["written"]) == 3
    assert shell.run("export", "triton", str(folder), "--watch", "--dry-run").exit_code == 2


def test_a_watching_export_follows_until_it_is_interrupted(shell: Shell, filled: Registry, tmp_path: Path) -> None:
    program = "from scoreline_registry.commands import export; export()"
    arguments = ["triton", str(tmp_path / "out"), "--watch", "--poll-seconds", "0.1", "--registry", str(shell.folder)]
    watching = subprocess.Popen(
        [sys.executable, "-u", "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watching.stdout
    lines = iter(watching.stdout.readline, "")
    assert any("is at revision 3" in line for line in lines)
    publish(filled, data=b"third")
    assert any("is at revision 4" in line for line in lines)
    assert (tmp_path / "out/credit/3/model.onnx").read_bytes() == b"third"
    os.kill(watching.pid, signal.SIGINT)
    watching.communicate(timeout=10)


@pytest.mark.parametrize("name", ["../x", "", "x" * 300, "a\x00b", "Credit", "cr\u00e9dit", "\u0441redit", "a b", "-"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "show", "{name}@1"),
        ("models", "own", "{name}", "risk"),
        ("models", "label", "credit", "{name}=x"),
        ("models", "compare", "credit@1", "{name}@1"),
        ("alias", "set", "credit@{name}", "1"),
        ("alias", "list", "{name}"),
        ("route", "show", "{name}"),
        ("route", "stop", "{name}", "credit@1"),
        ("route", "assign", "{name}", "u"),
        ("retire", "{name}@1"),
        ("rollback", "models/{name}", "--to", "1"),
        ("promote", "{name}@1", "--to", "nowhere"),
    ],
)
def test_hostile_names_are_refused_with_one_clear_line(
    shell: Shell, filled: Registry, arguments: tuple[str, ...], name: str
) -> None:
    before = sorted(path for path in shell.folder.parent.rglob("*"))
    result = shell.run(*(part.format(name=name) for part in arguments))
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(line) < 400
    assert sorted(path for path in shell.folder.parent.rglob("*")) == before
