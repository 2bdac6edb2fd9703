"""Moves of a ramp and of an allocation as revisions: what they keep, what they refuse, and what the history says."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scoreline_registry.errors import ConflictError, InvalidError, NotFoundError, RefusedError
from scoreline_registry.history.changes import Change, StopArm
from scoreline_registry.history.commits import Commit
from scoreline_registry.history.rollback import RollbackAll, RollbackRoute
from scoreline_registry.history.weight_moves import MoveRamp, Reallocate
from scoreline_registry.registry import Registry
from scoreline_registry.routing.allocation import ArmEvidence
from scoreline_registry.routing.ramp import MAX_EVIDENCE, GuardEvidence, RampMoveName, RampState
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.storage import MemoryStorage
from tests.registry.samples import MOMENT, apply, publish, spec

ROOT = Path(__file__).parents[3]
RAMP = {"arm": "credit@2", "steps": [5, 25, 100], "hold": "30m", "guards": {"error_rate": 0.01}}
SPLIT = {"credit@1": 100, "credit@2": 0}
METRIC = {"outcome": "sale", "kind": "rate", "direction": "increase"}
EXPERIMENT = {"primary": "sale", "metrics": {"sale": METRIC}}
ALLOCATE = {"metric": "sale", "every": "1h", "floor": 5}
PASSED = GuardEvidence(guard="error_rate", verdict="pass", limit=0.01, value=0.002, low=0, high=0.007, rows=9_000)
BREACHED = GuardEvidence(
    guard="score_shift", verdict="breach", limit=0.05, value=0.21, low=0.18, rows=1_200, segment="context.channel = web"
)


def clock() -> Iterator[datetime]:
    """Every look is 31 minutes after the one before."""
    return (MOMENT + timedelta(minutes=31 * look) for look in range(10_000))


@pytest.fixture
def ramped() -> Registry:
    """A registry with three versions and a route with a ramp that is not started."""
    registry = Registry.create(MemoryStorage(), clock=clock().__next__)
    for _ in range(3):
        publish(registry, aliases=["champion"])
    apply(registry, spec(SPLIT, ramp=RAMP))
    return registry


def commit(registry: Registry, change: Change, *, if_match: str | None = None) -> Commit:
    return registry.commit(change, author="controller", message="", if_match=if_match)


def move(registry: Registry, *names: RampMoveName, evidence: tuple[GuardEvidence, ...] = ()) -> Commit:
    return [commit(registry, MoveRamp("credit", name, evidence)) for name in names][-1]


def route(registry: Registry) -> RouteDocument:
    return registry.latest().routes["credit"]


def state(registry: Registry) -> RampState:
    found = route(registry).ramp_state
    assert found is not None
    return found


def share(registry: Registry, ref: str = "credit@2") -> int:
    return sum(arm.millionths for rule in route(registry).rules for arm in rule.arms if arm.ref == ref)


def story(registry: Registry) -> list[str]:
    entry = next(registry.history(1))
    return [str(event) for event in entry.events]


def test_the_history_tells_the_story_of_a_ramp(ramped: Registry) -> None:
    lines = []
    for name in ("start", "advance", "pause", "resume"):
        move(ramped, name, evidence=(PASSED,) if name == "advance" else ())
        lines.append(story(ramped)[0])
    move(ramped, "roll_back", evidence=(PASSED, BREACHED))
    lines.append(story(ramped)[0])
    assert lines == [
        "route credit: ramp of credit@2: started at step 1 of 3, 0 % -> 5 %",
        (
            "route credit: ramp of credit@2: step 2 of 3, 5 % -> 25 %, after 31 min, guards: "
            "error_rate 0.002 [0, 0.007], limit 0.01, 9,000 batches"
        ),
        "route credit: ramp of credit@2: paused at step 2 of 3, 25 %, after 31 min",
        "route credit: ramp of credit@2: resumed at step 2 of 3, 25 %, after 62 min",
        (
            "route credit: ramp of credit@2: rolled back at step 2 of 3, 25 % -> 0 %, after 31 min, breached: "
            "score_shift 0.21 [0.18, open] where context.channel = web, limit 0.05, 1,200 units; "
            "error_rate 0.002 [0, 0.007], limit 0.01, 9,000 batches"
        ),
    ]


def test_a_revision_carries_the_evidence_of_its_move(ramped: Registry) -> None:
    move(ramped, "start")
    revision = move(ramped, "advance", evidence=(PASSED,)).revision
    move(ramped, "roll_back", evidence=(BREACHED,))
    then = ramped.at(revision).routes["credit"].ramp_state
    assert then is not None
    assert then.moves[-1].evidence == (PASSED,)
    assert [made.evidence for made in state(ramped).moves] == [(), (PASSED,), (BREACHED,)]


def test_a_step_knows_the_revision_with_which_it_began(ramped: Registry) -> None:
    begun = [move(ramped, name).revision for name in ("start", "advance")]
    assert state(ramped).revision == begun[-1]
    publish(ramped)
    move(ramped, "pause")
    assert state(ramped).revision == begun[-1]
    resumed = move(ramped, "resume").revision
    assert state(ramped).revision == resumed == begun[-1] + 3
    move(ramped, "advance", "finish")
    assert state(ramped).revision == resumed + 1


def test_of_two_controllers_with_one_proposal_one_wins(ramped: Registry) -> None:
    move(ramped, "start")
    seen = ramped.latest().route_digests["credit"]
    commit(ramped, MoveRamp("credit", "advance", (PASSED,)), if_match=seen)
    with pytest.raises(ConflictError):
        commit(ramped, MoveRamp("credit", "advance", (PASSED,)), if_match=seen)
    with pytest.raises(ConflictError):
        commit(ramped, MoveRamp("credit", "advance", (PASSED,), step=0))
    assert state(ramped).step == 1
    move(ramped, "roll_back")
    assert not move(ramped, "roll_back").written


def test_two_processes_that_race_for_each_move_make_it_once(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path)
    for _ in range(2):
        publish(registry)
    steps = list(range(1, 21))
    apply(registry, spec(SPLIT, ramp={**RAMP, "steps": steps}))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    program = [sys.executable, "-W", "error", "-m", "tests.registry.ramp_race", str(tmp_path)]
    racers = [
        subprocess.Popen([*program, name], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        for name in ("left", "right")
    ]
    results = [json.loads(racer.communicate()[0]) for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    moves = [(made.move, made.step) for made in state(registry).moves]
    assert moves == [("start", 0), *(("advance", step) for step in range(1, 20)), ("finish", 19)]
    authors = [entry.author for entry in registry.history() if entry.author in {"left", "right"}]
    assert len(authors) == len(moves) == sum(result["won"] for result in results)


def test_the_same_file_applied_again_leaves_a_running_ramp_alone(ramped: Registry) -> None:
    move(ramped, "start", "advance")
    before = route(ramped)
    plan = ramped.apply_route(spec(SPLIT, ramp=RAMP), author="ci", message="")
    assert plan.differences == ()
    assert route(ramped) == before
    apply(ramped, spec({"credit@1": 75, "credit@2": 25}, ramp=RAMP))
    assert route(ramped) == before
    changed = ramped.apply_route(spec(SPLIT, ramp=RAMP, fallback="credit@3"), author="ci", message="")
    assert changed.differences == ("fallback: none -> credit@3",)
    assert (route(ramped).rules, route(ramped).ramp_state) == (before.rules, before.ramp_state)
    assert move(ramped, "advance").written
    assert share(ramped) == 1_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"ramp": {**RAMP, "hold": "1m"}},
        {"ramp": None},
        {"salt": "other"},
        {"unit": "context.household"},
        {"holdout": 5},
        {"rules": [{"split": {"credit@1": 50, "credit@2": 50}}]},
        {"rules": [{"when": {"a": {"eq": 1}}, "split": {"credit@1": 100}}, {"split": SPLIT}]},
    ],
)
@pytest.mark.parametrize("last", ["advance", "pause"])
def test_a_file_that_would_cut_off_a_ramp_is_refused(
    ramped: Registry, changes: dict[str, object], last: RampMoveName
) -> None:
    move(ramped, "start", last)
    stays = "leave the section `ramp`, the rules, unit, salt and holdout as they are"
    way_out = f": {stays}, or end it with `scoreline ramp abort credit`"
    with pytest.raises(RefusedError, match=f"the ramp of credit@2 is (running|paused){way_out}"):
        apply(ramped, spec(SPLIT, **{"ramp": RAMP, **changes}))


def test_a_changed_section_begins_anew_once_a_ramp_has_ended(ramped: Registry) -> None:
    move(ramped, "start", "abort")
    plan = ramped.apply_route(spec(SPLIT, ramp={**RAMP, "hold": "1h"}), author="ann", message="")
    assert plan.differences == (
        "ramp of credit@2: not started any more (was aborted at step 1 of 3)",
        "ramp: credit@2 by 5, 25, 100 %, each for 30m, alpha 0.05 -> credit@2 by 5, 25, 100 %, each for 1h, alpha 0.05",
    )
    assert route(ramped).ramp_state is None
    move(ramped, "start")
    assert share(ramped) == 50_000


def test_a_done_ramp_keeps_its_weights_until_the_section_goes(ramped: Registry) -> None:
    move(ramped, "start", "advance", "advance", "finish")
    apply(ramped, spec(SPLIT, ramp=RAMP))
    assert share(ramped) == 1_000_000
    plan = ramped.plan_route(spec({"credit@1": 0, "credit@2": 100}))
    assert plan.moved == 0
    assert ramped.plan_route(spec(SPLIT)).moved == 1
    with pytest.raises(RefusedError, match="its first step, 5 %, is not above the 50 % of credit@2"):
        apply(ramped, spec({"credit@1": 50, "credit@2": 50}, ramp=RAMP))


def test_a_rollback_into_a_ramp_restores_its_weights_and_pauses_it(ramped: Registry) -> None:
    move(ramped, "start")
    within = ramped.latest()
    move(ramped, "advance", "abort")
    commit(ramped, RollbackRoute("credit", within))
    assert route(ramped).rules == within.routes["credit"].rules
    assert (state(ramped).status, state(ramped).step) == ("paused", 0)
    assert story(ramped)[0] == (
        "route credit: ramp of credit@2: restored as of an earlier revision: paused at step 1 of 3"
    )
    since = state(ramped).since
    move(ramped, "resume")
    assert state(ramped).since > since
    move(ramped, "abort")
    assert share(ramped) == 0


def test_a_rollback_of_everything_pauses_a_ramp_and_one_to_the_present_does_not(ramped: Registry) -> None:
    move(ramped, "start")
    within = ramped.latest()
    assert not commit(ramped, RollbackAll(within)).written
    assert state(ramped).status == "running"
    move(ramped, "advance")
    commit(ramped, RollbackAll(within))
    assert state(ramped).status == "paused"


def test_stopping_the_arm_ends_its_ramp_and_stopping_another_does_not(ramped: Registry) -> None:
    split = {"credit@1": 60, "credit@3": 40, "credit@2": 0}
    apply(ramped, spec(split, ramp=RAMP))
    move(ramped, "start")
    commit(ramped, StopArm("credit", "credit@3"))
    assert state(ramped).status == "running"
    move(ramped, "abort")
    assert (share(ramped, "credit@1"), share(ramped)) == (1_000_000, 0)
    move(ramped, "start")
    commit(ramped, StopArm("credit", "credit@2"))
    assert route(ramped).ramp is None
    assert route(ramped).ramp_state is None
    assert story(ramped)[-1].startswith("route credit: ramp guard error_rate: removed")


def test_a_move_names_what_is_not_there(ramped: Registry) -> None:
    with pytest.raises(NotFoundError):
        commit(ramped, MoveRamp("debit", "start"))
    with pytest.raises(InvalidError, match=f"at most {MAX_EVIDENCE} are kept"):
        MoveRamp("credit", "advance", (PASSED,) * (MAX_EVIDENCE + 1))


def test_an_experiment_that_changes_while_it_runs_is_told(ramped: Registry) -> None:
    running = {**EXPERIMENT, "start": (MOMENT + timedelta(days=1)).isoformat()}
    apply(ramped, spec(SPLIT, experiment=running))
    first = route(ramped).experiment_digest
    apply(ramped, spec(SPLIT, experiment={**running, "alpha": 0.1}))
    assert story(ramped) == ["route credit: experiment alpha: 0.05 -> 0.1"]
    started = {**running, "start": MOMENT.isoformat(), "alpha": 0.1}
    apply(ramped, spec(SPLIT, experiment=started))
    plan = ramped.plan_route(spec(SPLIT, experiment={**started, "alpha": 0.01}))
    assert plan.differences == ("experiment alpha: 0.1 -> 0.01 (changed while running)",)
    apply(ramped, spec(SPLIT, experiment={**started, "alpha": 0.01}))
    assert story(ramped) == ["route credit: experiment alpha: 0.1 -> 0.01 (changed while running)"]
    assert route(ramped).experiment_digest != first


def test_a_reallocation_moves_few_units_and_goes_on_when_the_file_is_applied_again(ramped: Registry) -> None:
    apply(ramped, spec({"credit@1": 50, "credit@2": 50}, experiment=EXPERIMENT, allocate=ALLOCATE))
    before = route(ramped)
    figures = (ArmEvidence(arm="credit@2", count=1200, mean=0.031, chance_best=0.91),)
    done = commit(ramped, Reallocate("credit", {"credit@1": 300_000, "credit@2": 700_000}, figures))
    assert done.route_plan("credit").moved == pytest.approx(0.2)
    assert story(ramped)[0] == (
        "route credit: allocation: change 1: credit@2 1,200 rows, mean 0.031, best with chance 0.91"
    )
    assert [arm.ref for arm in route(ramped).rules[0].arms] == [arm.ref for arm in before.rules[0].arms]
    assert not commit(ramped, Reallocate("credit", {"credit@1": 300_000, "credit@2": 700_000})).written
    apply(ramped, spec({"credit@1": 50, "credit@2": 50}, experiment=EXPERIMENT, allocate=ALLOCATE))
    assert share(ramped) == 700_000
    apply(ramped, spec({"credit@1": 90, "credit@2": 10}, experiment=EXPERIMENT, allocate=ALLOCATE))
    assert share(ramped) == 100_000
    assert route(ramped).allocation_state is None


def test_an_allocation_is_of_the_last_rule_alone(ramped: Registry) -> None:
    premium = {"when": {"segment": {"eq": "premium"}}, "split": {"credit@1": 10, "credit@3": 90}}
    even = {"split": {"credit@1": 50, "credit@2": 50}}
    changes: dict[str, Any] = {"rules": [premium, even], "experiment": EXPERIMENT}
    apply(ramped, spec(**changes, allocate=ALLOCATE))
    before = route(ramped)
    commit(ramped, Reallocate("credit", {"credit@1": 300_000, "credit@2": 700_000}))
    after = route(ramped)
    assert after.rules[0] == before.rules[0]
    assert [arm.millionths for arm in after.rules[1].arms] == [300_000, 700_000]
    apply(ramped, spec(**changes, allocate=ALLOCATE))
    assert route(ramped) == after
    premium["split"] = {"credit@1": 40, "credit@3": 60}
    apply(ramped, spec(**changes, allocate=ALLOCATE))
    assert [arm.millionths for arm in route(ramped).rules[0].arms] == [400_000, 600_000]
    assert route(ramped).rules[1] == after.rules[1]
    at_the_floor = {"credit@1": 50_000, "credit@2": 950_000}
    assert commit(ramped, Reallocate("credit", at_the_floor)).written


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ({"credit@1": 990_000, "credit@2": 10_000}, "credit@2 would get 1 %, below the floor of 5 %"),
        ({"credit@1": 900_000, "credit@2": 200_000}, "the weights total 110 %, not 100"),
        (
            {"credit@1": 900_000, "credit@3": 100_000},
            "weights of credit@1, credit@3 for a rule with credit@1, credit@2",
        ),
    ],
)
def test_weights_that_cannot_be_are_refused(ramped: Registry, weights: dict[str, int], problem: str) -> None:
    with pytest.raises(RefusedError, match="it has no allocation"):
        commit(ramped, Reallocate("credit", weights))
    apply(ramped, spec({"credit@1": 50, "credit@2": 50}, experiment=EXPERIMENT, allocate=ALLOCATE))
    with pytest.raises(RefusedError) as caught:
        commit(ramped, Reallocate("credit", weights))
    assert problem in str(caught.value)
