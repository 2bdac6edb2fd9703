"""Effects of actions against the control, from journals whose truth is known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_server.analysis.decisions.cases import CaseQuery
from scoreline_server.analysis.decisions.effect_report import EffectRequest, report_effects
from scoreline_server.analysis.decisions.report import (
    ActionEffect,
    EffectPlan,
    EffectReport,
    document,
    head,
    tables,
)
from tests.server.analysis.decisions.guardian import AMOUNT, CONTROL, COSTS, world, write_world
from tests.server.analysis.rows import DAY, START, write_outcomes, write_rows

NOW = START + 2000 * DAY
SHARES = {3: round(CONTROL * 1_000_000)}


def reported(folder: Path, plan: EffectPlan = EffectPlan(), **query: object) -> EffectReport:  # noqa: B008 - frozen
    request = EffectRequest((folder,), CaseQuery("guardian", **query), plan=plan, now=NOW)  # type: ignore[arg-type]
    return report_effects(request, SHARES.get)


def effect(report: EffectReport, action: str, metric: str, variant: str = "") -> ActionEffect:
    (found,) = [
        each for each in report.effects if (each.action, each.metric, each.variant) == (action, metric, variant)
    ]
    return found


def test_effects_are_those_of_the_actions(tmp_path: Path) -> None:
    made = world(12_000, units=12_000)
    write_world(tmp_path, made)
    report = reported(tmp_path)
    assert (report.cases, report.mature, report.control_shares) == (12_000, 12_000, (20.0,))
    assert not report.notes
    block = effect(report, "block", "returned")
    assert block.kind == "rate"
    # Scores from 0.7 to 1 with half of the risk taken away.
    assert isinstance(block.sequential, Estimate)
    assert block.sequential.low < -0.425 < block.sequential.high
    assert block.sequential.always_valid
    assert block.verdict == "lower"
    assert list(block.values) == pytest.approx([0.85, 0.425], abs=0.03)
    nudge = effect(report, "nudge", "returned")
    assert isinstance(nudge.sequential, Estimate)
    assert nudge.sequential.low < -0.1 < nudge.sequential.high
    net = effect(report, "block", "net value")
    assert isinstance(net.sequential, Estimate)
    assert net.sequential.low < 0.425 * AMOUNT - COSTS["block"] < net.sequential.high
    assert net.verdict == "higher"
    for variant in ("calm", "firm"):
        assert effect(report, "nudge", "returned", variant).cases[0] == nudge.cases[0]
    together = effect(report, "any action", "returned")
    assert together.cases == (nudge.cases[0] + block.cases[0], nudge.cases[1] + block.cases[1])


def test_counts_and_money_are_those_of_the_journal(tmp_path: Path) -> None:
    made = world(1_000, units=300, refused=0.5)
    write_world(tmp_path, made)
    found = {(each.action, each.variant): each for each in reported(tmp_path).actions}
    taken = np.array([each.action == "nudge" for each in made.decided])
    nudge, block = found["nudge", ""], found["block", ""]
    assert nudge.taken == taken.sum()
    assert nudge.cost == pytest.approx(0.1 * taken.sum())
    assert dict(nudge.outcomes)["returned"] == (taken & made.returned).sum()
    assert nudge.value == pytest.approx(AMOUNT * (taken & ~made.returned).sum())
    assert block.refused == sum(bool(each.suppressed) for each in made.decided)
    assert block.control == sum(each.withheld == "block" for each in made.decided)
    assert block.proposed == block.control + block.refused + block.taken
    assert found["any action", ""].taken == nudge.taken + block.taken
    assert found["nudge", "calm"].taken + found["nudge", "firm"].taken == nudge.taken


def test_what_limits_refuse_does_not_bias_the_comparison(tmp_path: Path) -> None:
    made = world(12_000, units=12_000, refused=0.5)
    write_world(tmp_path, made)
    block = effect(reported(tmp_path), "block", "returned")
    # Half of the proposed blocks became nudges.
    assert isinstance(block.sequential, Estimate)
    assert block.sequential.low < -(0.5 * 0.425 + 0.5 * 0.17) < block.sequential.high
    assert block.cases[0] == sum(each.withheld == "block" for each in made.decided)


def test_cases_of_one_unit_are_a_ratio_over_units(tmp_path: Path) -> None:
    made = world(12_000, units=1_500)
    write_world(tmp_path, made)
    block = effect(reported(tmp_path), "block", "returned")
    assert block.kind == "ratio"
    assert sum(block.units) <= 1_500 < sum(block.cases)
    assert isinstance(block.sequential, Estimate)
    assert block.sequential.low < -0.425 < block.sequential.high


def test_without_an_effect_nothing_is_shown(tmp_path: Path) -> None:
    write_world(tmp_path, world(4_000, units=4_000, scale=0.0, seed=5))
    report = reported(tmp_path)
    shown = [each for each in report.effects if each.metric == "returned" and each.verdict in ("higher", "lower")]
    assert not shown


def test_segments_compare_within_themselves(tmp_path: Path) -> None:
    write_world(tmp_path, world(8_000, units=8_000))
    report = reported(tmp_path, segments=("feature.age", "context.none"))
    assert [segment.by for segment in report.segments] == ["feature.age"] * 2
    assert sum(segment.cases for segment in report.segments) == 8_000
    assert {each.action for segment in report.segments for each in segment.effects} == {"any action", "block", "nudge"}
    assert [note.text for note in report.notes] == ["no case has context.none"]


def test_young_cases_and_late_outcomes_do_not_count(tmp_path: Path) -> None:
    made = world(600, units=600)
    write_world(tmp_path, made)
    young = report_effects(
        EffectRequest((tmp_path,), CaseQuery("guardian"), plan=EffectPlan(maturity_days=3), now=START + DAY), SHARES.get
    )
    assert young.mature == 0
    assert all(isinstance(each.sequential, TooFew) for each in young.effects)
    late = reported(tmp_path, EffectPlan(maturity_days=3))
    assert late.mature == 600
    assert late.outcomes[0].late == 600


def test_unreported_cases_count_as_zero_where_that_is_said(tmp_path: Path) -> None:
    made = world(4_000, units=4_000)
    write_rows(tmp_path, made.rows)
    happened = np.flatnonzero(made.returned)
    write_outcomes(tmp_path, "returned", np.ones(len(happened)), ids=made.rows.call_ids[happened])
    known, whole = (
        effect(reported(tmp_path, EffectPlan(absent_is_zero=flag)), "block", "returned") for flag in (False, True)
    )
    assert known.values == (1.0, 1.0)
    assert list(whole.values) == pytest.approx([0.85, 0.425], abs=0.05)
    assert whole.verdict == "lower"


def test_a_report_is_json_and_tables(tmp_path: Path) -> None:
    write_world(tmp_path, world(1_200, units=1_200))
    report = reported(tmp_path, segments=("feature.age",))
    made = json.loads(json.dumps(document(report), allow_nan=False))
    assert made["schema_version"] == 1
    assert made["actions"][0]["outcomes"].keys() == {"returned"}
    assert made["effects"][0]["sequential"]["kind"] in ("estimate", "too_few")
    assert head(report) == "policy guardian: 1,200 decisions, 1,200 mature"
    shown = list(tables(report))
    assert [table.title for table in shown][:2] == ["actions", "effects against the control"]
    assert all(len(row) == len(table.columns) for table in shown for row in table.rows)
    everything = dict(zip(shown[0].columns, shown[0].rows[0], strict=True))
    assert everything["refused"] == "0"
    assert int(everything["proposed"]) == int(everything["control"]) + int(everything["taken"])


@pytest.mark.parametrize(
    ("control", "outcomes", "message"),
    [(False, True, "no case is of the control"), (True, False, "no outcome is reported")],
)
def test_what_is_missing_is_said(tmp_path: Path, control: bool, outcomes: bool, message: str) -> None:
    made = world(100, units=100)
    if not control:
        kept = [each if not each.is_control else replace(each, is_control=False) for each in made.decided]
        made = replace(made, rows=replace(made.rows, decided=kept))
    if outcomes:
        write_world(tmp_path, made)
    else:
        write_rows(tmp_path, made.rows)
    notes = reported(tmp_path).notes
    assert notes[0].severity == "problem"
    assert message in notes[0].text
    tables(reported(tmp_path))


def test_outcomes_that_nobody_reported_are_named(tmp_path: Path) -> None:
    write_world(tmp_path, world(200, units=200))
    request = EffectRequest((tmp_path,), CaseQuery("guardian"), ("returnd",), EffectPlan(value="money"), NOW)
    (note,) = report_effects(request, SHARES.get).notes
    assert note.severity == "problem"
    assert note.text.startswith("no outcome is called money, returnd; there are ")


def test_a_policy_without_decisions_has_an_empty_report(tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    report = reported(tmp_path)
    assert (report.cases, report.effects, report.actions) == (0, (), ())
    assert "no decisions" in report.notes[0].text


@pytest.mark.acceptance
@pytest.mark.parametrize("units", [3_000, 600])
def test_actions_without_an_effect_are_rarely_shown_to_have_one(tmp_path: Path, units: int) -> None:
    alarms = 0
    for seed in range(100):
        folder = tmp_path / str(seed)
        write_world(folder, world(3_000, units=units, scale=0.0, seed=1_000 + seed))
        report = reported(folder)
        alarms += any(each.metric == "returned" and each.verdict in ("higher", "lower") for each in report.effects)
    # At most 5 of 100, at any look; 10 or more would be a chance of 3 %.
    assert alarms < 10
