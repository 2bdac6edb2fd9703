"""The commands as a person or a script meets them: what is printed, what is written, and the exit code."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import grpc
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from scoreline.v1 import scoring_pb2, scoring_pb2_grpc
from scoreline_registry import commands
from scoreline_registry.documents.contract import Band, Feature, ScoreContract, SequenceContract
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from tests.registry.samples import apply, manifest, publish, spec

ROUTE = """
route: credit
schema: {like: credit@champion}
rules:
  - when: {segment: {eq: premium}}
    split: {credit@champion: 90, credit@2: 10}
  - split: {credit@champion: 100}
"""


DAILY = SequenceContract(features=("balance",), max_length=90)


class Shell:
    """Runs commands against one registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.group = click.Group(
            "scoreline",
            commands=[commands.init, commands.models, commands.alias, commands.route, commands.history],
        )

    def run(self, *arguments: str, text: str | None = None) -> Result:
        """The result of one command; an exception that is no exit fails the test."""
        result = CliRunner().invoke(
            self.group, arguments, input=text, env={"SCORELINE_REGISTRY": str(self.folder)}, catch_exceptions=False
        )
        assert "Traceback" not in result.output
        return result

    def ok(self, *arguments: str, text: str | None = None) -> str:
        """What a command printed that must succeed."""
        result = self.run(*arguments, text=text)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str, text: str | None = None) -> Any:
        """What a command printed as JSON."""
        return json.loads(self.ok(*arguments, "--json", text=text))

    def failure(self, *arguments: str, text: str | None = None) -> str:
        """The one line of a command that must fail."""
        result = self.run(*arguments, text=text)
        assert (result.exit_code, result.stdout) == (1, "")
        (line,) = result.stderr.splitlines()
        return line.removeprefix("Error: ")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path / "registry")


@pytest.fixture
def filled(shell: Shell) -> Registry:
    """A registry with two versions of ``credit`` and the champion at the first."""
    registry = Registry.create(shell.folder)
    publish(registry, aliases=["champion"])
    publish(registry, data=b"second")
    return registry


def test_init_makes_a_registry_once(shell: Shell) -> None:
    assert "would make" in shell.ok("init", "--dry-run")
    assert not shell.folder.exists()
    made = shell.json("init")
    assert (made["created"], made["registry_id"]) == (True, Registry.open(shell.folder).registry_id)
    assert shell.json("init") == {**made, "created": False}
    assert "registry already" in shell.ok("init")


@pytest.mark.parametrize(
    "arguments", [("models", "list"), ("models", "show", "a"), ("alias", "list"), ("route", "list"), ("history",)]
)
def test_without_a_registry_every_command_says_how_to_make_one(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell.failure(*arguments) == f"there is no registry at {shell.folder}: make one with `scoreline init`"


def test_models_are_listed(shell: Shell, filled: Registry) -> None:
    assert shell.ok("models", "list").splitlines() == [
        "MODEL   VERSIONS  NEWEST  ALIASES        OWNER",
        "credit  2         2       champion -> 1",
    ]
    (model,) = shell.json("models", "list")
    assert (model["model"], model["versions"], model["aliases"]) == ("credit", [1, 2], {"champion": 1})
    assert model["digest"] == filled.latest().model_digests["credit"]


def test_a_model_is_shown_whole_or_by_reference(shell: Shell, filled: Registry) -> None:
    assert [version["version"] for version in shell.json("models", "show", "credit")["versions"]] == [1, 2]
    for ref in ("credit@1", "credit@champion"):
        (version,) = shell.json("models", "show", ref)["versions"]
        assert (version["version"], version["aliases"], version["damage"]) == (1, ["champion"], [])
        assert version["manifest"]["family"] == "lightgbm"
        assert "serving" not in version
    assert "intact" in shell.ok("models", "show", "credit@2")


def test_the_model_card_is_shown_and_where_it_is_not_that_is_said(shell: Shell, filled: Registry) -> None:
    files = {"model.onnx": b"third", "golden.npz": b"golden", "card.md": b"# credit\n\nWhat it is.\n"}
    filled.publish("credit", files=files, manifest=manifest(), author="tester", message="with a card")
    assert "inputs, bands, training: scoreline models show credit@3 --card" in shell.ok("models", "show", "credit")
    for ref in ("credit@3", "credit"):
        assert shell.ok("models", "show", ref, "--card") == "# credit\n\nWhat it is.\n"
    assert "--card" not in shell.ok("models", "show", "credit@2")
    assert shell.failure("models", "show", "credit@2", "--card") == "credit@2 was published without a model card"


def test_a_damaged_version_is_shown_with_what_is_wrong(shell: Shell, filled: Registry) -> None:
    folder = shell.folder / "models" / "credit" / "2"
    (folder / "model.onnx").write_bytes(b"sEcond")
    (folder / "manifest.json").unlink()
    result = shell.run("models", "show", "credit")
    assert result.exit_code == 1
    shown = result.stdout
    assert "DAMAGED" in shown
    assert "credit@2: models/credit/2/model.onnx is damaged: its sha256 is" in shown
    assert "credit@2: models/credit/2/manifest.json is damaged: it is missing" in shown
    first, second = json.loads(shell.run("models", "show", "credit", "--json").stdout)["versions"]
    assert (len(first["damage"]), len(second["damage"]), second["manifest"]) == (0, 2, None)


class _Status(scoring_pb2_grpc.StatusServiceServicer):
    def GetStatus(self, request: object, context: object) -> scoring_pb2.GetStatusResponse:  # noqa: N802
        ready, failed = scoring_pb2.MODEL_STATE_READY, scoring_pb2.MODEL_STATE_FAILED
        return scoring_pb2.GetStatusResponse(
            models=[
                scoring_pb2.ModelStatus(model="credit", version=1, state=ready),
                scoring_pb2.ModelStatus(model="credit", version=2, state=failed, problem="golden row 3 differs"),
            ]
        )


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server that serves version 1 and refused version 2."""
    running = grpc.server(ThreadPoolExecutor(1))
    scoring_pb2_grpc.add_StatusServiceServicer_to_server(_Status(), running)
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield f"127.0.0.1:{port}"
    running.stop(None).wait()


def test_a_server_is_asked_what_it_serves(shell: Shell, filled: Registry, server: str) -> None:
    publish(filled)
    states = [version["serving"] for version in shell.json("models", "show", "credit", "--server", server)["versions"]]
    assert states == [
        {"state": "ready", "problem": ""},
        {"state": "failed", "problem": "golden row 3 differs"},
        {"state": "not loaded", "problem": ""},
    ]
    assert "credit@2 is not served: golden row 3 differs" in shell.ok("models", "show", "credit", "--server", server)


def test_a_server_that_does_not_answer_is_a_failure(shell: Shell, filled: Registry) -> None:
    failure = shell.failure("models", "show", "credit", "--server", "127.0.0.1:1")
    assert failure.startswith("the server at 127.0.0.1:1 did not answer: ")


def test_one_version_is_shown_with_its_inputs_and_bands(shell: Shell, filled: Registry) -> None:
    bands = (Band(name="low", from_score=0.0), Band(name="high", from_score=0.25))
    score = ScoreContract(meaning="probability of default", bands=bands, extras=("anomaly_flag",))
    filled.publish(
        "banded",
        files={"model.onnx": b"graph"},
        manifest=manifest(Feature(name="age"), sequence=DAILY).model_copy(update={"score": score}),
        author="ann",
        message="",
    )
    lines = shell.ok("models", "show", "banded@1").splitlines()
    assert "features: 1, 0 of them required: age" in lines
    assert "sequence: at most 90 steps of: balance" in lines
    assert "score: probability, probability of default" in lines
    assert "bands: low from 0, high from 0.25" in lines
    assert "extra outputs: anomaly_flag" in lines


@pytest.mark.parametrize("group", ["alias", "route", "models"])
def test_lists_of_commands_cut_no_sentence(shell: Shell, group: str) -> None:
    assert "..." not in shell.ok(group, "--help").partition("Commands:")[2]


def test_an_alias_is_removed_unless_a_route_uses_it(shell: Shell, filled: Registry) -> None:
    assert shell.ok("alias", "set", "credit@stable", "2")
    assert shell.json("alias", "remove", "credit@stable", "--dry-run")["written"] is False
    assert "alias credit@stable: 2 -> nothing" in shell.ok("alias", "remove", "credit@stable")
    assert "stable" not in filled.latest().models["credit"].aliases
    assert "'credit@stable' is not in the registry" in shell.failure("alias", "remove", "credit@stable")
    apply(filled, spec())
    assert "route credit uses it: change the route first" in shell.failure("alias", "remove", "credit@champion")


def test_an_alias_is_moved_by_number_or_by_another_alias(shell: Shell, filled: Registry) -> None:
    moved = shell.json("alias", "set", "credit@champion", "2", "--author", "ann", "-m", "better")
    assert moved == {"alias": "credit@champion", "version": 2, "previous": 1, "revision": 3, "written": True}
    assert "points to version 2 (before: nothing); revision 4" in shell.ok("alias", "set", "credit@stable", "champion")
    assert "(before: 2); nothing is written" in shell.ok("alias", "set", "credit@stable", "champion")
    assert shell.ok("alias", "list", "credit").splitlines()[1:] == ["credit  champion  2", "credit  stable    2"]
    assert shell.json("alias", "list")[1] == {"model": "credit", "alias": "stable", "version": 2}
    newest, named = filled.history(2)
    assert (named.author, named.message) == ("ann", "better")
    assert newest.author


def test_a_dry_run_checks_and_writes_nothing(shell: Shell, filled: Registry) -> None:
    assert shell.json("alias", "set", "credit@champion", "2", "--dry-run")["written"] is False
    assert "would point" in shell.ok("alias", "set", "credit@champion", "2", "--dry-run")
    assert "versions 1, 2" in shell.failure("alias", "set", "credit@champion", "9", "--dry-run")
    assert shell.json("route", "apply", "-", "--dry-run", text=ROUTE)["revision"] is None
    assert filled.latest().revision == 2


def test_a_stale_etag_is_a_failure(shell: Shell, filled: Registry) -> None:
    digest = shell.json("models", "show", "credit")["digest"]
    shell.ok("alias", "set", "credit@champion", "2", "--expect", digest)
    assert "changed by someone else" in shell.failure("alias", "set", "credit@champion", "1", "--expect", digest)
    assert "changed by someone else" in shell.failure("route", "apply", "-", "--expect", digest, text=ROUTE)


def test_a_route_is_planned_applied_and_shown(shell: Shell, filled: Registry, tmp_path: Path) -> None:
    file = tmp_path / "credit.yaml"
    file.write_text(ROUTE)
    assert "nothing is written" in shell.ok("route", "plan", str(file))
    applied = shell.json("route", "apply", str(file), "-m", "first")
    assert (applied["revision"], applied["differences"], applied["moved"]) == (3, ["new route"], 0.0)
    file.write_text(ROUTE.replace("90", "60").replace("10", "40", 1))
    planned = shell.json("route", "plan", str(file))
    assert planned["moved"] == 0.3
    assert planned["rules"][0]["shares"][1] == {"arm": "credit@2", "before": 10.0, "after": 40.0}
    assert "units that change arm: 30.0000%" in shell.ok("route", "plan", str(file))
    file.write_text(shell.ok("route", "show", "credit"))
    assert shell.json("route", "plan", str(file))["changes_anything"] is False
    stored = shell.json("route", "show", "credit")
    assert stored["digest"] == filled.latest().route_digests["credit"]
    assert stored["document"]["rules"][0]["arms"][1]["ranges"] == [{"start": 900_000, "end": 1_000_000}]
    assert shell.json("route", "list") == [
        {"route": "credit", "digest": stored["digest"], "models": ["credit@champion", "credit@2"]}
    ]


def test_an_assignment_is_explained(shell: Shell, filled: Registry) -> None:
    apply(filled, spec({"credit@champion": 50, "credit@2": 50}, rules=[
        {"when": {"age": {"gte": 18}, "segment": {"eq": "7"}}, "split": {"credit@2": 100}},
        {"split": {"credit@champion": 50, "credit@2": 50}},
    ]))  # fmt: skip
    split = shell.json("route", "assign", "credit", "customer-1")
    assert (split["reason"], split["rule"]) == ("SPLIT", 2)
    assert 0 <= split["bucket"] < 1
    matched = shell.json("route", "assign", "credit", "customer-1", "--context", "age=18.5", "--context", 'segment="7"')
    assert (matched["arm"], matched["version"], matched["reason"]) == ("credit@2", 2, "RULE_MATCH")
    other = shell.json("route", "assign", "credit", "customer-1", "--context", "age=18.5", "--context", "segment=7")
    assert other["reason"] == "SPLIT"
    assert "RULE_MATCH" not in shell.ok("route", "assign", "credit", "customer-1")
    unnamed = shell.run("route", "assign", "credit", "")
    assert unnamed.exit_code == 2
    assert "splits by entity_id: give a UNIT that is not empty" in unnamed.stderr


def test_an_assignment_by_context_hashes_what_a_server_would(shell: Shell, filled: Registry) -> None:
    apply(filled, spec({"credit@champion": 50, "credit@2": 50}, unit="context.household", rules=[
        {"when": {"household": {"prefix": "h"}}, "split": {"credit@champion": 50, "credit@2": 50}},
        {"split": {"credit@champion": 50, "credit@2": 50}},
    ]))  # fmt: skip
    of_household = shell.json("route", "assign", "credit", "h-7")
    of_member = shell.json("route", "assign", "credit", "customer-1", "--context", "household=h-7")
    assert (of_household["unit"], of_household["rule"]) == ("h-7", 1)
    assert of_member == of_household


def test_history_is_shown_newest_first(shell: Shell, filled: Registry) -> None:
    filled.commit(SetAlias("credit", "champion", 2), author="ann", message="two\nlines")
    lines = shell.ok("history", "--limit", "2").splitlines()
    assert lines[0].split() == ["REVISION", "WHEN", "(UTC)", "AUTHOR", "CHANGE", "MESSAGE"]
    assert lines[1].startswith("3 ")
    assert lines[1].endswith("alias credit@champion: 1 -> 2  two lines")
    assert len(lines) == 3
    newest, *_ = shell.json("history")
    assert newest["events"] == [{"kind": "alias", "name": "credit@champion", "detail": "1 -> 2"}]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("models", "show", "credti"), "model 'credti' is not in the registry: did you mean 'credit'?"),
        (("models", "show", "credit@9"), "version 'credit@9' is not in the registry: credit has versions 1, 2"),
        (("route", "show", "credit"), "route 'credit' is not in the registry: there is no route yet"),
        (("route", "apply", "-"), "<stdin>: a route is a mapping"),
        (("alias", "set", "credit@champion", "2", "--author", ""), "commit: the author is 1 to 200"),
        (("models", "list", "--registry", "shelf://x"), "storage failed on shelf://x: nothing installed opens"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(
    shell: Shell, filled: Registry, arguments: tuple[str, ...], line: str
) -> None:
    assert shell.failure(*arguments, text="").startswith(line)


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "show"),
        ("models", "show", "../up"),
        ("models", "show", "credit@"),
        ("alias", "set", "credit", "1"),
        ("alias", "set", "credit@1", "1"),
        ("alias", "set", "credit@champion", "-1"),
        ("alias", "set", "credit@champion", "x y"),
        ("route", "apply", "no-such-file.yaml"),
        ("route", "assign", "credit"),
        ("route", "assign", "credit", "u", "--context", "novalue"),
        ("history", "--limit", "0"),
        ("history", "--nonsense"),
    ],
)
def test_bad_usage_is_exit_code_2(shell: Shell, filled: Registry, arguments: tuple[str, ...]) -> None:
    apply(filled, spec())
    assert shell.run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("words", "begun", "completed"),
    [
        (("models", "show"), "c", ["credit"]),
        (("models", "show"), "credit@", ["credit@champion", "credit@1", "credit@2"]),
        (("alias", "set"), "cr", ["credit@"]),
        (("alias", "set"), "credit@ch", ["credit@champion"]),
        (("alias", "list"), "", ["credit"]),
        (("route", "show"), "cr", ["credit"]),
        (("models", "show"), "x", []),
    ],
)
def test_a_shell_completes_names(
    shell: Shell, filled: Registry, words: tuple[str, ...], begun: str, completed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    apply(filled, spec())
    monkeypatch.setenv("SCORELINE_REGISTRY", str(shell.folder))
    asked = ShellComplete(shell.group, {}, "scoreline", "_SCORELINE_COMPLETE")
    assert [item.value for item in asked.get_completions(list(words), begun)] == completed


def test_without_a_registry_nothing_is_completed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCORELINE_REGISTRY", str(shell.folder))
    asked = ShellComplete(shell.group, {}, "scoreline", "_SCORELINE_COMPLETE")
    assert asked.get_completions(["models", "show"], "c") == []


def test_a_file_that_is_no_text_is_a_failure(shell: Shell, filled: Registry, tmp_path: Path) -> None:
    (tmp_path / "route.yaml").write_bytes(b"\xff\xfe")
    assert shell.failure("route", "plan", str(tmp_path / "route.yaml")).endswith("is not UTF-8 text")


def _program(command: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", f"from scoreline_registry.commands import {command}; {command}()"]


def test_a_real_process_answers_the_same(shell: Shell, filled: Registry) -> None:
    listed = subprocess.run(
        [*_program("models"), "list", "--registry", str(shell.folder), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(listed.stdout) == shell.json("models", "list")
    failed = subprocess.run(
        [*_program("models"), "show", "nobody", "--registry", str(shell.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert len(failed.stderr.splitlines()) == 1


def test_a_terminal_gets_a_table_and_markup_stays_text(shell: Shell, filled: Registry) -> None:
    filled.commit(SetAlias("credit", "champion", 2), author="[bold]ann", message="")
    terminal, process_side = pty.openpty()
    arguments = [*_program("history"), "--registry", str(shell.folder)]
    subprocess.run(arguments, stdout=process_side, check=True, env={**os.environ, "COLUMNS": "150", "TERM": "xterm"})
    os.close(process_side)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "[bold]ann" in shown
    assert "│" in shown
