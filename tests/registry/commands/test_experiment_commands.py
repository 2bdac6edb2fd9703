"""``scoreline ramp`` and ``scoreline experiment`` as a person or a script meets them."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scoreline.cli import lazy
from scoreline.cli.commands import CommandSpec
from scoreline_registry import commands
from scoreline_registry.history.weight_moves import MoveRamp
from scoreline_registry.registry import Registry
from scoreline_registry.routing.ramp import GuardEvidence
from tests.registry.samples import apply, publish, spec

SPLIT = {"credit@1": 100, "credit@2": 0}
METRIC = {"outcome": "default", "kind": "rate", "direction": "decrease"}
EXPERIMENT = {"primary": "default", "minimum_effect": 0.005, "metrics": {"default": METRIC}}
GUARDS = {"error_rate": 0.01, "score_shift": {"limit": 0.05, "by": "context.channel"}, "outcome": {"default": 0.02}}
RAMP = {"arm": "credit@2", "steps": [1, 25, 100], "hold": "30m", "guards": GUARDS}
PASSED = GuardEvidence(guard="error_rate", verdict="pass", limit=0.01, value=0.002, low=0, high=0.007, rows=9_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A registry with a route that has a ramp and an experiment."""
    registry = Registry.create(tmp_path)
    for _ in range(2):
        publish(registry)
    apply(registry, spec(SPLIT, ramp=RAMP, experiment=EXPERIMENT))
    return tmp_path


def invoke(group: str, folder: Path, *arguments: str) -> Result:
    command = getattr(commands, group)
    environment = {"SCORELINE_REGISTRY": str(folder)}
    return CliRunner().invoke(command, arguments, env=environment, catch_exceptions=False)


def ok(group: str, folder: Path, *arguments: str) -> str:
    result = invoke(group, folder, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(group: str, folder: Path, *arguments: str) -> Any:
    return json.loads(ok(group, folder, *arguments, "--json"))


def test_a_ramp_is_started_paused_resumed_and_aborted(folder: Path) -> None:
    seen = []
    for move in ("start", "pause", "resume", "abort"):
        assert ok("ramp", folder, move, "credit", "-m", "why").startswith("route credit: ramp of credit@2: ")
        found = as_json("ramp", folder, "status", "credit")
        seen.append((found["status"], found["step"], found["shares"]))
    on, off = [{"rule": 1, "percent": 1.0}], [{"rule": 1, "percent": 0.0}]
    assert seen == [("running", 1, on), ("paused", 1, on), ("running", 1, on), ("aborted", 1, off)]


def test_the_status_before_and_after_the_start(folder: Path) -> None:
    assert ok("ramp", folder, "status", "credit").splitlines() == [
        "ramp:    credit@2 in route credit",
        "status:  not started; `scoreline ramp start credit` starts it",
        "share:   0 %",
        "guard:   error_rate 0.01, after 200 batches",
        "guard:   score_shift 0.05 by context.channel, after 200 units",
        "guard:   outcome default 0.02, after 200 units with the outcome",
    ]
    ok("ramp", folder, "start", "credit")
    registry = Registry.open(folder)
    registry.commit(MoveRamp("credit", "advance", (PASSED,)), author="controller", message="")
    shown = ok("ramp", folder, "status", "credit")
    assert "status:  running, step 2 of 3\nshare:   25 %\nsince:   " in shown
    assert " UTC, held for 30m\n" in shown
    assert "advance  2     error_rate 0.002 [0, 0.007], limit 0.01, 9,000 batches\n" in shown
    found = as_json("ramp", folder, "status", "credit")
    assert found["moves"][1]["evidence"][0]["rows"] == 9_000
    assert found["held_until"] > found["since"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["pause", "credit"], "the ramp of credit@2 in route credit: it is not started"),
        (["start", "debit"], "route 'debit' is not in the registry"),
        (["start", "credit", "--if-match", "0" * 64], "route 'credit' was changed by someone else"),
    ],
)
def test_a_move_that_cannot_be_is_one_line(folder: Path, arguments: Sequence[str], problem: str) -> None:
    result = invoke("ramp", folder, *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {problem}")
    assert len(result.stderr.splitlines()) == 1


def test_a_dry_run_of_a_move_writes_nothing(folder: Path) -> None:
    shown = ok("ramp", folder, "start", "credit", "--dry-run")
    assert "started at step 1 of 3, 0 % -> 1 %" in shown
    assert shown.endswith("nothing is written\n")
    assert as_json("ramp", folder, "status", "credit")["status"] == "not_started"


def test_the_history_of_a_route_has_no_other_revisions(folder: Path) -> None:
    ok("ramp", folder, "start", "credit", "--author", "ann", "-m", "go")
    publish(Registry.open(folder))
    apply(Registry.open(folder), spec(route="other", split={"credit@1": 100}))
    ok("ramp", folder, "pause", "credit")
    shown = ok("route", folder, "history", "credit")
    assert [line.split()[0] for line in shown.splitlines() if line[0].isdigit()] == ["7", "4", "3"]
    assert "ann     route credit: ramp of credit@2: started at step 1 of 3, 0 % -> 1 %" in shown
    (newest,) = as_json("route", folder, "history", "credit", "--limit", "1")
    assert newest["revision"] == 7
    assert invoke("route", folder, "history", "debit").exit_code == 1


def test_a_package_adds_commands_to_a_shared_group(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = CommandSpec("scoreline_registry.commands:history", "Show it.", "server")
    lost = CommandSpec("no_such_package.commands:run", "Run it.", "server")
    monkeypatch.setattr(lazy, "SHARED", {"ramp": {"past": here, "lost": lost}})
    shown = ok("ramp", folder, "--help")
    assert "Show it." in shown
    assert "Run it." in shown
    assert "new route" in ok("ramp", folder, "past")
    failed = invoke("ramp", folder, "lost")
    assert failed.exit_code == 1
    assert failed.stderr == "Error: `scoreline ramp lost` needs no_such_package: pip install 'scoreline[server]'\n"


def test_the_plan_of_a_route_is_shown_with_who_changed_it(folder: Path) -> None:
    registry = Registry.open(folder)
    apply(registry, spec(SPLIT, ramp=RAMP, experiment={**EXPERIMENT, "alpha": 0.1}))
    shown = ok("experiment", folder, "show", "credit")
    assert shown.startswith("experiment:\n  primary: default\n  alpha: 0.1\n")
    assert "experiment alpha: 0.05 -> 0.1 (changed while running)\n" in shown
    found = as_json("experiment", folder, "show", "credit")
    assert found["digest"] == registry.latest().routes["credit"].experiment_digest
    assert found["experiment"]["metrics"] == {"default": METRIC}
    assert [change["changes"] for change in found["changes"]] == [
        ["experiment alpha: 0.05 -> 0.1 (changed while running)"]
    ]


def test_a_route_without_an_experiment_says_so(folder: Path) -> None:
    apply(Registry.open(folder), spec(SPLIT))
    result = invoke("experiment", folder, "show", "credit")
    assert result.stderr == "Error: route credit has no experiment: write a section `experiment` and apply it\n"


def test_rows_and_days_for_a_rate(folder: Path) -> None:
    asked = ("plan", "credit", "--baseline", "0.08", "--rows-per-day", "4000")
    found = as_json("experiment", folder, *asked)
    assert found["question"] | {"effect": -0.005, "share": 0.5, "alpha": 0.05} == found["question"]
    by_hand = (1.959964 + 0.841621) ** 2 * 2 * (0.08 * 0.92 + 0.075 * 0.925) / 0.005**2
    assert found["sizes"]["fixed_rows"] == math.ceil(by_hand) == 89_776
    assert found["sizes"]["fixed_days"] == 23
    assert found["sizes"]["watched_rows"] > found["sizes"]["tuned_rows"] > 89_776
    assert 0.25 < found["sizes"]["false_alarms"] < 0.31
    shown = ok("experiment", folder, *asked)
    assert "one look, at the end  89776              44888            23\n" in shown
    assert "used at all 30: 28.0% false alarms instead of 5.0%\n" in shown


def test_what_is_given_counts_before_the_route(folder: Path) -> None:
    given = ("--kind", "mean", "--sd", "3", "--effect", "0.5", "--alpha", "0.01", "--share", "20", "--looks", "5")
    found = as_json("experiment", folder, "plan", "credit", *given, "--exposed", "40", "--rows-per-day", "100")
    by_hand = (2.575829 + 0.841621) ** 2 * 9 * (1 / 0.8 + 1 / 0.2) / 0.5**2
    assert found["sizes"]["fixed_rows"] == math.ceil(by_hand) == 2_628
    assert found["sizes"]["fixed_days"] == 66
    assert as_json("experiment", folder, "plan", *given)["sizes"]["fixed_rows"] == 2_628


def test_the_shares_of_a_route_without_a_ramp_are_its_weights(folder: Path) -> None:
    split = {"credit@1": 60, "credit@2": 20, "credit@champion": 20}
    registry = Registry.open(folder)
    publish(registry, aliases=["champion"])
    apply(registry, spec(split, experiment=EXPERIMENT, holdout=50))
    question = as_json("experiment", folder, "plan", "credit", "--baseline", "0.1")["question"]
    assert (question["share"], question["exposed"]) == (0.25, 0.4)
    other = as_json("experiment", folder, "plan", "credit", "--baseline", "0.1", "--arm", "credit@champion")["question"]
    assert (other["share"], other["exposed"]) == (0.25, 0.4)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "give --kind rate with --baseline, or --kind mean with --sd"),
        (["--kind", "rate", "--baseline", "0.1"], "give --effect, the difference to find"),
        (["--kind", "mean", "--effect", "1"], "give --sd, the standard deviation of a value"),
        (["--kind", "rate", "--baseline", "0.1", "--effect", "-0.2"], "are rates between 0 and 1, not -0.1"),
        (["--kind", "mean", "--sd", "1", "--effect", "0"], "--effect is the difference to find, other than 0"),
        (["--kind", "mean", "--sd", "inf", "--effect", "1"], "--sd is the standard deviation of a value, above 0 and"),
        (["--kind", "mean", "--sd", "1", "--effect", "1e-12"], "no experiment has so many rows"),
        (["--kind", "rate", "--baseline", "0.1", "--effect", "1e-9"], "no experiment has so many rows"),
        (["--kind", "mean", "--sd", "1", "--effect", "1", "--power", "nan"], "--power is above 0 and at most 1"),
        (["--kind", "mean", "--sd", "1", "--effect", "1", "--rows-per-day", "nan"], "--rows-per-day is how many rows"),
        (["credit", "--baseline", "0.1", "--arm", "credit@7"], "credit@7 is not in the last rule of credit"),
        (["--kind", "mean", "--sd", "1", "--effect", "1", "--share", "100"], "share must be between 0 and 1"),
    ],
)
def test_a_plan_that_lacks_something_says_what(folder: Path, arguments: Sequence[str], problem: str) -> None:
    result = invoke("experiment", folder, "plan", *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
