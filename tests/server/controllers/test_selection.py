"""Which rows count for a step: those of its revisions, assigned by chance, of calls that are not repeats."""

from pathlib import Path

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.controllers.feed import JournalFeed
from scoreline_server.controllers.selection import Selection, Step
from scoreline_server.controllers.step_rows import StepRows
from scoreline_server.journal.reading.records import Records
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named

ROUTE = """
route: credit
schema: {features: {income: number, age: number, debt: number}}
rules:
  - when: {country: {eq: norway}}
    split: {linear@1: 100}
  - split: {linear@1: 50, linear@2: 50}
testers: {tester: linear@2}
holdout: 10
"""
STEP = Step("credit", "linear@2", since=0)


@pytest.fixture
def two(registry: Registry) -> Registry:
    """A route with two arms, a rule that has only one of them, testers and a holdout."""
    publish_linear(registry, "linear", (1.0, 0.0, 0.0))
    publish_linear(registry, "linear", (2.0, 0.0, 0.0))
    apply(registry, ROUTE)
    return registry


def journaled(registry: Registry, folder: Path, *requests: pb.ScoreRequest) -> list[Records]:
    """The records of calls, each scored alone."""
    journal = journal_in(folder)
    for request in requests:
        for batch in scored(catalog_of(registry), request)[1]:
            journal(batch)
    journal.close()
    return [found for found in JournalFeed([folder], 0).news() if isinstance(found, Records)]


def selected(records: list[Records], step: Step = STEP) -> list[StepRows]:
    selection = Selection(step)
    return [rows for each in records if (rows := selection.rows(each)) is not None]


def test_rows_that_chance_did_not_assign_do_not_count(two: Registry, tmp_path: Path) -> None:
    units = [entity(f"u{at}", income=1.0) for at in range(400)]
    abroad = [entity(f"n{at}", income=1.0, context={"country": "norway"}) for at in range(50)]
    (rows,) = selected(journaled(two, tmp_path / "journal", named(*units, entity("tester", income=1.0), *abroad)))
    assert 320 < len(rows) < 390  # all but about a tenth, the holdout
    assert 0.4 < rows.in_arm.mean() < 0.6
    assert rows.scores[rows.in_arm].tolist() == pytest.approx([0.8808] * int(rows.in_arm.sum()), abs=1e-4)
    assert set(rows.strata.tolist()) == {int(rows.strata[0])}


def test_the_first_row_of_a_unit_and_the_first_of_retried_calls_count(two: Registry, tmp_path: Path) -> None:
    call = named(*(entity(f"u{at}", income=1.0) for at in range(20)))
    call.request_id = "once"
    again = named(*(entity(f"u{at}", income=1.0) for at in range(30)))
    found = selected(journaled(two, tmp_path / "journal", call, call, again))
    rows = sum(map(len, found))
    units = sum(int(each.is_first.sum()) for each in found)
    once = selected(journaled(two, tmp_path / "other", call, again))
    assert rows == sum(map(len, once))
    assert units == sum(int(each.is_first.sum()) for each in once) < rows


def test_rows_of_earlier_revisions_do_not_count(two: Registry, tmp_path: Path) -> None:
    records = journaled(two, tmp_path / "journal", named(*(entity(f"u{at}", income=1.0) for at in range(50))))
    revision = two.latest().revision
    assert selected(records, Step("credit", "linear@2", 0, revision=revision))
    assert not selected(records, Step("credit", "linear@2", 0, revision=revision + 1))
    assert not selected(records, Step("credit", "linear@2", since=2**62))
    assert not selected(records, Step("credit", "linear@3", 0))
    assert not selected(records, Step("churn", "linear@2", 0))


def test_segments_are_facts_of_rows(two: Registry, tmp_path: Path) -> None:
    units = [entity(f"u{at}", income=1.0, context={"web": at % 2 == 0}) for at in range(60)]
    units += [entity(f"v{at}", debt=2.5) for at in range(60)]
    step = Step("credit", "linear@2", 0, segments=("context.web", "feature.debt", "feature.unknown"))
    (rows,) = selected(journaled(two, tmp_path / "journal", named(*units)), step)
    assert {*rows.segments["context.web"]} == {"true", "false", "none"}
    assert {*rows.segments["feature.debt"]} == {"2.5", "none"}
    assert {*rows.segments["feature.unknown"]} == {"unknown"}


def test_rows_that_were_scored_together_are_one_batch(two: Registry, tmp_path: Path) -> None:
    calls = [named(*(entity(f"c{call}u{at}", income=1.0) for at in range(10))) for call in range(3)]
    found = selected(journaled(two, tmp_path / "journal", *calls))
    batches = np.concatenate([each.batches for each in found])
    ids = np.concatenate([each.calls for each in found])
    assert len(set(batches.tolist())) == len(set(ids.tolist())) == 3
