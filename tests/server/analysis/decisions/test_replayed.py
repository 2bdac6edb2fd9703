"""Journaled decisions decided again: by the policy that ran nothing changes, by another one what it says."""

from dataclasses import replace
from pathlib import Path

import pytest

from scoreline_registry.decisions.specs.policy_file import policy_of
from scoreline_server.analysis.decisions import replayed
from scoreline_server.analysis.decisions.cases import CaseQuery
from scoreline_server.analysis.decisions.replayed import Moved, replay_policy
from scoreline_server.scoring.decided import Suppressed
from tests.server.analysis.decisions.explorer import BY_AGE, EXPLORER, explored, explorer, write_explored
from tests.server.analysis.rows import write_rows

QUERY = CaseQuery("explorer")


def test_the_policy_that_ran_decides_all_again(tmp_path: Path) -> None:
    made = explored(500, units=200)
    write_explored(tmp_path, made)
    replay = replay_policy((tmp_path,), QUERY, explorer())
    assert (replay.cases, replay.changed, replay.proposals_changed, replay.unknown) == (500, 0, 0, 0)
    assert replay.control_before == replay.control_after == sum(each.is_control for each in made.decided)
    assert all(each.before == each.after and each.cost_before == each.cost_after for each in replay.actions)
    assert replay.missing_facts == ()


def test_another_policy_moves_decisions_and_money(tmp_path: Path) -> None:
    made = explored(500)
    write_explored(tmp_path, made)
    replay = replay_policy((tmp_path,), QUERY, policy_of(BY_AGE, source="by-age"))
    after = {each.action: each for each in replay.actions}
    called = [
        case.facts["feature.age"] == 60 and not each.is_control
        for case, each in zip(made.cases, made.decided, strict=True)
    ]
    assert after["call"].after == sum(called)
    assert after["call"].cost_after == pytest.approx(0.8 * sum(called))
    assert after["call"].cost_before == pytest.approx(sum(each.action == "call" for each in made.decided))
    assert after["none"].after == replay.control_after == replay.control_before
    assert replay.changed == sum(moved.cases for moved in replay.moved)
    assert {(moved.before, moved.after) for moved in replay.moved} >= {("mail", "call"), ("call", "mail")}
    assert sum(each.after for each in replay.actions) == 500


def test_limits_are_counted_in_the_order_of_time(tmp_path: Path) -> None:
    made = explored(400, units=20)
    write_explored(tmp_path, made)
    limited = EXPLORER + "limits: [{name: once, kind: frequency, at_most: 1, per: 30d, actions: [call, mail]}]\n"
    replay = replay_policy((tmp_path,), QUERY, policy_of(limited, source="limited"))
    units = {unit for unit, each in zip(made.rows.units, made.decided, strict=True) if not each.is_control}
    acted = {each.action: each.after for each in replay.actions}
    assert acted["call"] + acted["mail"] == len(units)
    assert replay.refused_after == sum(each.action != "none" for each in made.decided) - len(units)
    assert replay.proposals_changed == 0


def test_another_control_is_said(tmp_path: Path) -> None:
    write_explored(tmp_path, explored(300))
    replay = replay_policy((tmp_path,), QUERY, policy_of(EXPLORER.replace("control: 20", "control: 0"), source="all"))
    assert replay.control_before > 0
    assert replay.control_after == 0
    assert Moved("none", "call", 0) not in replay.moved


def test_what_limits_refused_before_is_counted(tmp_path: Path) -> None:
    made = explored(200)
    refused = [
        replace(each, action="mail", cost=0.1, suppressed=(Suppressed("call", "cap", "total"),))
        if each.action == "call"
        else each
        for each in made.decided
    ]
    write_rows(tmp_path, replace(made.rows, decided=refused))
    replay = replay_policy((tmp_path,), QUERY, explorer())
    assert replay.refused_before == sum(bool(each.suppressed) for each in refused)
    assert replay.moved == (Moved("mail", "call", replay.refused_before),)
    assert replay.proposals_changed == 0


def test_facts_that_the_journal_does_not_keep_are_named(tmp_path: Path) -> None:
    write_rows(tmp_path, explored(20).rows)
    unknown = BY_AGE.replace("feature.age: {gte: 45}", "event.amount: {gte: 45}")
    replay = replay_policy((tmp_path,), QUERY, policy_of(unknown, source="event"))
    assert replay.missing_facts == ("event.amount",)
    assert replay_policy((tmp_path,), CaseQuery("nobody"), explorer()).cases == 0


def test_decisions_whose_inputs_retention_removed_are_counted(tmp_path: Path) -> None:
    made = explored(60)
    write_rows(tmp_path, replace(made.rows, route=made.rows.route.slim(), numbers=None))
    replay = replay_policy((tmp_path,), QUERY, explorer())
    assert (replay.cases, replay.unknown, replay.older) == (0, 60, 0)


def test_of_too_many_decisions_the_newest_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = explored(60)
    write_rows(tmp_path, made.rows)
    monkeypatch.setattr(replayed, "MAX_REPLAYED", 25)
    replay = replay_policy((tmp_path,), QUERY, explorer())
    assert (replay.cases, replay.unknown, replay.older) == (25, 0, 35)
    assert replay.control_before == sum(each.is_control for each in made.decided[-25:])
