"""The value of a policy that never ran, from the journal of one that did, where the truth is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_file import policy_of
from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_registry.statistics.off_policy.logged import NoSupportError
from scoreline_server.analysis.decisions.cases import CaseQuery
from scoreline_server.analysis.decisions.policy_history import PolicyHistory
from scoreline_server.analysis.decisions.value import ValueReport, ValueRequest, evaluate
from scoreline_server.scoring.decided import Suppressed
from tests.server.analysis.decisions.explorer import (
    BY_AGE,
    EXPLORER,
    explored,
    explorer,
    registry_with,
    true_value,
    write_explored,
)
from tests.server.analysis.rows import DAY, START, write_rows

QUERY = CaseQuery("explorer")
NOW = START + 2000 * DAY


def by_age() -> Policy:
    return policy_of(BY_AGE, source="by-age")


def evaluated(folder: Path, target: Policy | None = None, **options: Any) -> ValueReport:
    registry = registry_with(folder, EXPLORER)
    request = ValueRequest((folder / "journal",), QUERY, "value", now=NOW, **options)
    return evaluate(request, target or by_age(), PolicyHistory(registry, "explorer"))


def test_the_value_of_another_policy_is_covered(tmp_path: Path) -> None:
    made = explored(2_500, seed=3)
    write_explored(tmp_path / "journal", made)
    report = evaluated(tmp_path)
    truth = true_value(by_age(), made.cases)
    ran = true_value(explorer(), made.cases)
    assert truth > ran
    assert (report.cases, report.used, report.reproduced, report.supported) == (2_500, 2_500, 1.0, 1.0)
    assert isinstance(report.logged, Estimate)
    assert report.logged.low < ran < report.logged.high
    for estimate in report.values:
        assert isinstance(estimate.value, Estimate)
        assert isinstance(estimate.gain, Estimate)
        assert estimate.value.low < truth < estimate.value.high
        assert estimate.gain.low < truth - ran < estimate.gain.high
    assert report.values[0].estimator == "doubly robust"
    shares = {each.action: (each.logged, each.target) for each in report.actions}
    assert shares["none"][1] == pytest.approx(0.2)
    assert shares["call"][1] == pytest.approx(0.4, abs=0.02)
    assert report.cost_target == pytest.approx(0.4 * 0.8 + 0.4 * 0.1, abs=0.02)
    assert not report.notes


def test_the_policy_that_ran_is_worth_what_it_got(tmp_path: Path) -> None:
    made = explored(600)
    write_explored(tmp_path / "journal", made)
    report = evaluated(tmp_path, explorer())
    assert isinstance(report.logged, Estimate)
    assert report.largest_weight == pytest.approx(1)
    assert report.effective == pytest.approx(600)
    robust, *weighed = (each.gain for each in report.values)
    assert isinstance(robust, Estimate)
    assert robust.low < 0 < robust.high
    for gain in weighed:
        assert isinstance(gain, Estimate)
        assert gain.value == pytest.approx(0, abs=1e-9)


def test_an_action_that_never_ran_is_refused_by_name_or_left_out(tmp_path: Path) -> None:
    write_explored(tmp_path / "journal", explored(400))
    visit = policy_of(BY_AGE.replace("action: call", "action: visit").replace("call:", "visit:"), source="visit")
    with pytest.raises(NoSupportError, match="'visit', which the log never takes"):
        evaluated(tmp_path, visit)
    report = evaluated(tmp_path, visit, supported=True)
    assert 0.4 < report.supported < 0.6
    assert dict(report.left_out)["without support"] == 400 - report.used


def test_strategies_that_shared_units_support_each_other(tmp_path: Path) -> None:
    split = (
        EXPLORER.split("strategies:")[0]
        + """
strategies:
  calling: {rules: [{name: all, action: call}]}
  mailing: {rules: [{name: all, action: mail}]}
rules: [{split: {calling: 50, mailing: 50}}]
"""
    )
    made = explored(2_000, policy=policy_of(split, source="split"))
    write_explored(tmp_path / "journal", made)
    registry = registry_with(tmp_path, split)
    request = ValueRequest((tmp_path / "journal",), QUERY, "value", now=NOW)
    report = evaluate(request, by_age(), PolicyHistory(registry, "explorer"))
    found = report.values[0].value
    assert isinstance(found, Estimate)
    assert found.low < true_value(by_age(), made.cases) < found.high
    assert report.largest_weight == pytest.approx(2)


def test_thompson_sampling_is_weighed_by_its_own_posteriors(tmp_path: Path) -> None:
    by = "{by: thompson, among: [mail, call], floor: 0.1}"
    sampled = EXPLORER.replace("{by: uniform, among: [mail, call], share: 0.6}", by)
    sampled = sampled.replace("{reduces: 0.3}", "{learned: {reduces: 0.1, weight: 10}}")
    sampled = sampled.replace("{reduces: 0.1}, channel", "{learned: {reduces: 0.1, weight: 20}}, channel")
    sampled += "learning: {outcome: value, matured: 1d}\n"
    made = explored(1_500, policy=policy_of(sampled, source="sampled"), seed=4)
    write_explored(tmp_path / "journal", made)
    registry = registry_with(tmp_path, sampled)
    request = ValueRequest((tmp_path / "journal",), QUERY, "value", now=NOW)
    report = evaluate(request, by_age(), PolicyHistory(registry, "explorer"))
    assert (report.used, report.reproduced) == (1_500, 1.0)
    assert isinstance(report.mean_weight, Estimate)
    assert report.mean_weight.low < 1 < report.mean_weight.high
    found = report.values[0].value
    assert isinstance(found, Estimate)
    assert found.low < true_value(by_age(), made.cases) < found.high


def test_decisions_that_limits_refused_weigh_by_what_was_left(tmp_path: Path) -> None:
    made = explored(800)
    refused = [
        replace(each, action="mail", cost=0.1, suppressed=(Suppressed("call", "cap", "total"),))
        if each.action == "call"
        else each
        for each in made.decided
    ]
    write_explored(tmp_path / "journal", replace(made, rows=replace(made.rows, decided=refused)))
    report = evaluated(tmp_path)
    # Nobody could be called in these cases, by no policy.
    assert report.reproduced == 1
    assert report.used == 800


def test_what_cannot_be_evaluated_is_left_out_and_counted(tmp_path: Path) -> None:
    made = explored(300)
    unknown = replace(made.rows, route=replace(made.rows.route, revision=99, key=99))
    write_rows(tmp_path / "journal", unknown)
    report = evaluated(tmp_path)
    assert report.used == 0
    assert dict(report.left_out) == {"without a mature outcome": 300}
    assert report.notes[0].severity == "problem"
    everything = evaluated(tmp_path, absent_is_zero=True)
    assert dict(everything.left_out) == {"of a revision that the registry does not have": 300}


def test_decisions_whose_inputs_retention_removed_are_left_out(tmp_path: Path) -> None:
    made = explored(60)
    slim = replace(made.rows, route=made.rows.route.slim(), numbers=None)
    write_explored(tmp_path / "journal", replace(made, rows=slim))
    report = evaluated(tmp_path)
    assert dict(report.left_out) == {"without inputs in the journal": 60}
    assert report.used == 0


def test_facts_that_the_journal_lacks_show(tmp_path: Path) -> None:
    made = explored(500)
    changed = [replace(each, withheld="", action="call", is_control=False) for each in made.decided]
    write_explored(tmp_path / "journal", replace(made, rows=replace(made.rows, decided=changed)))
    report = evaluated(tmp_path)
    assert report.reproduced < 0.9
    assert "made again" in report.notes[-1].text


def test_few_decisions_have_no_interval(tmp_path: Path) -> None:
    write_explored(tmp_path / "journal", explored(30))
    report = evaluated(tmp_path)
    assert isinstance(report.values[0].value, TooFew)
    assert any("too few" in note.text for note in report.notes)


def test_clipping_is_stated(tmp_path: Path) -> None:
    write_explored(tmp_path / "journal", explored(600))
    report = evaluated(tmp_path, clip=1.0)
    assert report.clipped > 0.01
    assert "clipped at 1" in report.values[0].estimator
    assert any("clipping takes" in note.text for note in report.notes)
    assert np.isfinite(report.effective)
