"""Cases are read from journals as they were decided, each once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scoreline_server.analysis.decisions.cases import CaseQuery, read_cases
from scoreline_server.scoring.decided import DecidedRow, Suppressed
from tests.server.analysis.decisions.guardian import COSTS, proposed_of, world
from tests.server.analysis.rows import START, Rows, route_facts, write_rows

GUARDIAN = CaseQuery("guardian")


def test_cases_have_what_was_decided(tmp_path: Path) -> None:
    made = world(600, units=200, refused=0.3)
    write_rows(tmp_path, made.rows, block_rows=70)
    cases = read_cases([tmp_path], replace(GUARDIAN, segments=("feature.age",), numbers=("feature.age",)))
    assert len(cases) == 600
    assert [cases.texts[code] for code in cases.actions] == [each.action for each in made.decided]
    assert [cases.texts[code] for code in cases.proposed] == [proposed_of(score) for score in made.scores.tolist()]
    assert [cases.texts[code] for code in cases.variants] == [each.variant for each in made.decided]
    assert cases.costs.tolist() == [COSTS[each.action] for each in made.decided]
    assert cases.control.tolist() == [each.is_control for each in made.decided]
    assert np.isnan(cases.expected[cases.control]).all()
    assert cases.scores == pytest.approx(made.scores, abs=1e-6)
    assert len(np.unique(cases.units)) == len(set(made.rows.units))
    assert set(cases.names) == {"block", "nudge"}
    assert (cases.routes, set(cases.revisions.tolist())) == (("credit",), {3})
    assert sorted(set(cases.numbers["feature.age"].tolist())) == [30, 60]
    assert len(cases.segments["feature.age"].codes) == 600
    refused = np.array([bool(each.suppressed) for each in made.decided])
    assert refused.any()
    assert not cases.granted[refused].any()


def test_other_policies_and_rows_without_a_decision_are_left_out(tmp_path: Path) -> None:
    made = world(40, units=40)
    decided = [None if row % 2 else each for row, each in enumerate(made.decided)]
    write_rows(tmp_path, replace(made.rows, decided=decided))
    write_rows(tmp_path, replace(made.rows, policy="churn", seed=9), name="0-2")
    write_rows(tmp_path, replace(made.rows, decided=None, seed=8), name="0-3")
    assert len(read_cases([tmp_path], GUARDIAN)) == 20
    assert len(read_cases([tmp_path], CaseQuery("churn"))) == 40
    assert len(read_cases([tmp_path], CaseQuery("nobody"))) == 0


def test_a_journal_read_twice_and_retries_count_once(tmp_path: Path) -> None:
    made = world(50, units=50)
    rows = replace(made.rows, request_ids=[f"r{row}" for row in range(50)])
    retried = replace(rows, times=np.asarray(rows.times) + 10**9, seed=77)
    write_rows(tmp_path, rows)
    write_rows(tmp_path, retried, name="0-2")
    copy = tmp_path / "copy"
    write_rows(copy, rows)
    cases = read_cases([tmp_path, copy], GUARDIAN)
    assert (len(cases), cases.repeated) == (50, 100)
    assert (np.diff(cases.times) >= 0).all()


def test_units_are_those_of_the_policy(tmp_path: Path) -> None:
    decided = [DecidedRow("strict", "otherwise", "none")] * 6
    rows = Rows(
        route_facts({"credit@1": 1_000_000}), [f"u{row}" for row in range(6)], np.zeros(6, int),
        START + np.arange(6) * 10**9, contexts=[{"household": "a"}, {"household": "b"}, {}],
        context_index=np.array([0, 1, 0, 1, 2, 2]), decided=decided,
    )  # fmt: skip
    write_rows(tmp_path, rows)
    units = read_cases([tmp_path], replace(GUARDIAN, unit="context.household")).units
    assert units[0] == units[2] != units[1] == units[3]
    assert len(np.unique(units)) == 4
    assert len(np.unique(read_cases([tmp_path], replace(GUARDIAN, unit="entity_id")).units)) == 6


def test_quiet_hours_are_proposed_to_nobody(tmp_path: Path) -> None:
    quiet = Suppressed("push", "night", "quiet_hours")
    decided = [
        DecidedRow("strict", "r", "mail", suppressed=(quiet,)),
        DecidedRow("strict", "r", "none", suppressed=(quiet, Suppressed("call", "cap", "frequency"))),
    ]
    rows = Rows(
        route_facts({"credit@1": 1_000_000}), ["a", "b"], np.zeros(2, int), START + np.arange(2), decided=decided
    )
    write_rows(tmp_path, rows)
    cases = read_cases([tmp_path], GUARDIAN)
    assert [cases.texts[code] for code in cases.proposed] == ["mail", "call"]


def test_a_damaged_journal_is_counted(tmp_path: Path) -> None:
    path = write_rows(tmp_path, world(60, units=60).rows, block_rows=10)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    cases = read_cases([tmp_path], GUARDIAN)
    assert cases.damaged == 1
    assert 0 < len(cases) < 60
