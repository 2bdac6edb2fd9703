"""Decisions stand in the block of their scores, and are read as they were made, whatever is done to the file."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from scoreline_registry.registry import Registry
from scoreline_server.forgetting.folder import forget
from scoreline_server.journal.commands import journal as journal_commands
from scoreline_server.journal.format.columns import RESULT_COLUMNS, Column
from scoreline_server.journal.format.decisions import NO_POLICY
from scoreline_server.journal.reading.arrow import write_parquet
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.journal.reading.records import Records
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.decided import DecidedRow, DecidedRows, Suppressed
from scoreline_server.scoring.results import ScoredBatch
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named

OFFER = DecidedRow(
    strategy="strict",
    rule="high",
    action="offer",
    cost=2.5,
    expected_value=17.25,
    propensity=0.9,
    variant="calm",
    variant_propensity=0.5,
    language="de",
    channel="email",
    suppressed=(Suppressed("block", "once-a-day", "frequency"), Suppressed("call", "money", "budget")),
    flags=("adversarial", "large"),
    shadows={"gentle": "none", "bold": "block"},
)
WITHHELD = DecidedRow(strategy="gentle", rule="rest", action="none", is_control=True, withheld="offer")


@pytest.fixture
def catalog(registry: Registry) -> Catalog:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    return catalog_of(registry)


def decided(catalog: Catalog, ids: Sequence[str], decisions: DecidedRows | None) -> ScoredBatch:
    """A batch of one call with these decisions."""
    rows = [entity(id_) if id_ == "failed" else entity(id_, income=1.0) for id_ in ids]
    _, seen = scored(catalog, named(*rows))
    return replace(seen[0], decisions=decisions)


def journaled(folder: Path, *batches: ScoredBatch) -> Records:
    journal = journal_in(folder)
    for batch in batches:
        journal(batch)
    journal.close()
    (records,) = read_records([folder])
    return records


def three(catalog: Catalog) -> list[ScoredBatch]:
    """Rows that were only scored, then those of two policies."""
    return [
        decided(catalog, ["plain"], None),
        decided(catalog, ["a", "failed", "b"], DecidedRows("guardian", 7, [OFFER, None, WITHHELD])),
        decided(catalog, ["c"], DecidedRows("churn", 9, [replace(WITHHELD, is_control=False, withheld="")])),
    ]


def test_decisions_are_read_as_they_were_made(catalog: Catalog, tmp_path: Path) -> None:
    rows = {row["entity_id"]: row for row in journaled(tmp_path, *three(catalog)).rows()}
    offer, withheld = rows["a"], rows["b"]
    assert (offer["decision.policy"], offer["decision.revision"]) == ("guardian", 7)
    for name in ("strategy", "rule", "action", "cost", "expected_value", "propensity", "variant", "language",
                 "channel", "variant_propensity"):  # fmt: skip
        assert offer[f"decision.{name}"] == getattr(OFFER, name)
    assert json.loads(offer["decision.suppressed"]) == [list(each) for each in OFFER.suppressed]
    assert json.loads(offer["decision.flags"]) == list(OFFER.flags)
    assert json.loads(offer["decision.shadows"]) == OFFER.shadows
    assert (offer["decision.control"], offer["decision.withheld"]) == (False, None)
    assert (withheld["decision.control"], withheld["decision.withheld"]) == (True, "offer")
    assert (withheld["decision.expected_value"], withheld["decision.suppressed"]) == (None, None)
    assert withheld["decision.flags"] is None
    assert (rows["c"]["decision.policy"], rows["c"]["decision.action"]) == ("churn", "none")
    for undecided in (rows["plain"], rows["failed"]):
        assert {value for name, value in undecided.items() if name.startswith("decision.")} == {None}


def test_rows_that_were_only_scored_have_no_columns_of_decisions(catalog: Catalog, tmp_path: Path) -> None:
    records = journaled(tmp_path, decided(catalog, ["a", "b"], None))
    assert max(records.raw) < Column.DECISION_TEXTS
    assert not any(name.startswith("decision.") for name in (*records.types, *records.columns))
    assert records.arrays.decisions is None


def test_arrays_of_selected_rows_keep_their_own_decisions(catalog: Catalog, tmp_path: Path) -> None:
    records = journaled(tmp_path, *three(catalog))
    selected = replace(records, kept=np.array([False, True, False, True, True])).arrays.decisions
    assert selected is not None
    assert len(selected) == 3
    assert [selected.policies[at][0] for at in selected.policy.tolist()] == ["guardian", "guardian", "churn"]
    assert [selected.texts[at] for at in selected.names[:, 2].tolist()] == ["offer", "none", "none"]
    assert selected.control.tolist() == [False, True, False]
    assert selected.suppressed == {0: [list(each) for each in OFFER.suppressed]}
    everything = records.arrays.decisions
    assert everything is not None
    assert everything.policy.tolist() == [NO_POLICY, 0, NO_POLICY, 0, 1]
    assert everything.numbers[1].tolist() == [0.9, 17.25, 2.5, 0.5]


def test_retention_keeps_decisions_with_the_scores(catalog: Catalog, tmp_path: Path) -> None:
    records = journaled(tmp_path, *three(catalog))
    slim = {column: data for column, data in records.raw.items() if column in RESULT_COLUMNS}
    kept = Records(records.file, records.route.slim(), slim).columns
    assert {name: kept[name] for name in kept if name.startswith("decision.")} == {
        name: values for name, values in records.columns.items() if name.startswith("decision.")
    }


def test_a_forgotten_row_takes_its_decision_along_and_leaves_those_of_others(catalog: Catalog, tmp_path: Path) -> None:
    mixed = DecidedRows("guardian", 7, [WITHHELD, OFFER, OFFER])
    before = list(journaled(tmp_path, decided(catalog, ["gone", "a", "b"], mixed)).rows())
    forget(tmp_path, "gone")
    (records,) = read_records([tmp_path])
    assert list(records.rows()) == before[1:]
    arrays = replace(records, kept=None).arrays.decisions
    assert arrays is not None
    assert arrays.policy.tolist() == [NO_POLICY, 0, 0]
    assert not arrays.control.any()


def test_decisions_are_columns_of_parquet_files(catalog: Catalog, tmp_path: Path) -> None:
    records = journaled(tmp_path, *three(catalog))
    file = tmp_path / "rows.parquet"
    assert write_parquet(file, records.types, [records.columns]) == 5
    table = pq.read_table(file)
    assert table["decision.control"].to_pylist() == [None, False, None, True, False]
    assert table["decision.cost"].to_pylist() == [None, 2.5, None, 0.0, 0.0]


def test_the_newest_rows_are_printed_with_their_decisions(catalog: Catalog, tmp_path: Path) -> None:
    journaled(tmp_path, *three(catalog))
    lines = CliRunner().invoke(journal_commands, ["tail", str(tmp_path)]).stdout.splitlines()
    assert lines[2].endswith("  guardian: offer")
    assert lines[4].endswith("  guardian: none (control, would be offer)")
    assert lines[5].endswith("  churn: none")
    assert not lines[1].endswith("none")
