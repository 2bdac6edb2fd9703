"""Rows as arrays are the rows as columns, and fingerprints of texts tell texts apart."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Band
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import NO_RULE
from scoreline_registry.routing.experiment import DEFAULT_KEEP_DAYS
from scoreline_server.journal.format.columns import RESULT_COLUMNS, Column, packed_texts
from scoreline_server.journal.format.facts import ArmFacts, RouteFacts, RuleFacts, ShadowFacts
from scoreline_server.journal.format.fingerprints import packed_keys, text_keys
from scoreline_server.journal.reading.reader import read_records
from scoreline_server.journal.reading.records import Records
from scoreline_server.journal.reading.row_arrays import NO_ARM
from scoreline_server.scoring.compiled_route import NO_BAND
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import CITY, FEATURES, publish_linear
from tests.server.wire import entity, named

BY_CUSTOMER = """
route: credit
schema:
  features: {income: number, age: number, debt: number, city: category}
unit: context.customer
rules:
  - split: {linear@champion: 70, other@1: 30}
holdout: 10
shadows: [{model: third@1, sample: 25}]
"""
SECTIONS = """
outcomes: {keep_days: 365}
experiment: {primary: loss, metrics: {loss: {outcome: default, kind: rate, direction: decrease}}}
"""


@pytest.fixture
def by_customer(registry: Registry) -> Registry:
    bands = (Band(name="low", from_score=0.0), Band(name="high", from_score=0.6))
    publish_linear(registry, "linear", (1.0, 0, 0, 0), features=(*FEATURES, CITY), aliases=("champion",), bands=bands)
    publish_linear(registry, "other", (-1.0, 0, 0, 0), features=(*FEATURES, CITY), bands=bands[1:])
    publish_linear(registry, "third", (2.0, 0, 0, 0), features=(*FEATURES, CITY), bands=bands)
    apply(registry, BY_CUSTOMER)
    return registry


def journaled(registry: Registry, folder: Path, *requests: pb.ScoreRequest) -> Records:
    """The requests, scored and journaled as one block."""
    _, seen = scored(catalog_of(registry), *requests)
    journal = journal_in(folder)
    journal(seen[0])
    journal.close()
    (records,) = read_records([folder])
    return records


def calls() -> Sequence[pb.ScoreRequest]:
    """Calls of one and of several rows; some rows without unit, without income or with a city that nobody knows."""
    requests = []
    for call in range(12):
        rows = [
            entity(
                f"e{call}-{row}", income=float(row - 1) if (call + row) % 4 else None, city=f"city {row % 2}",
                context={"customer": f"Kundé {call % 5}"} if call != 7 else {"channel": "web"},
            )
            for row in range(1 + call % 3)
        ]  # fmt: skip
        requests.append(named(*rows))
        requests[-1].request_id = f"r{call // 2}" if call % 3 else ""
    return requests


@pytest.mark.parametrize("every", [1, 2, 3])
def test_arrays_say_what_the_columns_say(by_customer: Registry, tmp_path: Path, every: int) -> None:
    records = journaled(by_customer, tmp_path, *calls())
    if every > 1:
        records = replace(records, kept=np.arange(len(records)) % every == 0)
    columns, arrays, route = records.columns, records.arrays, records.route
    ids = [f"{call.hex()}-{at}" for call, at in zip(arrays.call_ids.tolist(), arrays.places.tolist(), strict=True)]
    assert ids == columns["prediction_id"]
    assert len(arrays) == len(ids)
    assert arrays.times.tolist() == columns["time"]
    assert [None if arm == NO_ARM else route.arms[arm].ref for arm in arrays.assigned] == columns["assigned_arm"]
    served = [None if failed else route.arms[arm].ref for arm, failed in zip(arrays.served, arrays.failed, strict=True)]
    assert served == columns["arm"]
    assert [arrays.errors.get(row) for row in range(len(arrays))] == columns["error"]
    assert any(columns["error"])
    assert not all(columns["error"])
    assert [None if rule == NO_RULE else rule for rule in arrays.rules] == columns["rule"]
    assert [None if np.isnan(share) else share for share in arrays.shares.tolist()] == columns["share"]
    reasons = [None if failed else pb.Reason.Name(reason).removeprefix("REASON_")
               for reason, failed in zip(arrays.reasons.tolist(), arrays.failed, strict=True)]  # fmt: skip
    assert reasons == columns["reason"]
    scores = np.array([np.nan if score is None else score for score in columns["score"]], np.float32)
    assert np.array_equal(arrays.scores, scores, equal_nan=True)
    assert [None if band == NO_BAND else route.bands[band] for band in arrays.bands] == columns["band"]
    assert np.allclose(arrays.latencies_ms, columns["latency_ms"])
    assert arrays.missing.tolist() == columns["missing"]
    assert arrays.units == columns["unit"]
    assert [id_ or None for id_ in arrays.request_ids] == columns["request_id"]
    contexts = [json.loads(context) if context else {} for context in columns["context"]]
    assert [arrays.contexts[index] for index in arrays.context_index] == contexts
    for at, name in enumerate(route.numbers):
        numbers = np.array([np.nan if number is None else number for number in columns[f"feature.{name}"]], np.float32)
        assert np.array_equal(arrays.numbers[:, at], numbers, equal_nan=True)
    names = [*arrays.dictionary, None]
    assert [names[code] for code in arrays.categories[:, 0]] == columns["feature.city"]
    assert np.array_equal(arrays.unit_keys, text_keys(arrays.units))
    assert np.array_equal(arrays.request_keys, text_keys(arrays.request_ids))
    assert arrays.has_inputs


def test_rows_say_whether_their_profiles_were_read(by_customer: Registry, tmp_path: Path) -> None:
    catalog = catalog_of(by_customer)
    _, (without,) = scored(catalog, calls()[0])
    _, (batch,) = scored(catalog, *calls()[1:3])
    batch.results.profile_states = np.array([1, 2, 3, 0, 1], np.uint8)
    journal = journal_in(tmp_path)
    for each in (without, batch):
        journal(each)
    journal.close()
    (records,) = read_records([tmp_path])
    assert records.columns["profile_state"] == [None, "READ", "NEW", "UNREACHABLE", None, "READ"]
    assert replace(records, kept=np.arange(6) >= 2).arrays.profile_states.tolist() == [2, 3, 0, 1]
    slim = {column: data for column, data in records.raw.items() if column in RESULT_COLUMNS}
    assert Records(records.file, records.route, slim).arrays.profile_states.tolist() == [0, 1, 2, 3, 0, 1]


def test_rows_of_routes_without_profiles_have_no_column_for_them(by_customer: Registry, tmp_path: Path) -> None:
    records = journaled(by_customer, tmp_path, *calls())
    assert Column.PROFILE_STATES not in records.raw
    assert set(records.columns["profile_state"]) == {None}


def test_a_route_is_described_with_its_shares_shadows_and_band_edges(by_customer: Registry, tmp_path: Path) -> None:
    route = journaled(by_customer, tmp_path, *calls()).route
    assert route.rules == (RuleFacts({"linear@champion": 700_000, "other@1": 300_000}),)
    assert route.holdout_millionths == 100_000
    assert (route.outcome_days, route.experiment) == (DEFAULT_KEEP_DAYS, "")
    assert [(arm.ref, arm.cuts, arm.bands) for arm in route.arms] == [
        ("linear@champion", (0.0, 0.6), ("low", "high")),
        ("other@1", (0.6,), ("high",)),
    ]
    (shadow,) = route.shadows
    assert (shadow.ref, shadow.version, shadow.sample_millionths) == ("third@1", 1, 250_000)
    assert (shadow.cuts, shadow.bands) == ((0.0, 0.6), ("low", "high"))


THREE_RULES = """
route: credit
schema:
  features: {income: number, age: number, debt: number, city: category}
rules:
  - {when: {channel: {eq: web}}, split: {linear@champion: 80, other@1: 20}}
  - {when: {channel: {eq: shop}}, split: {other@1: 100}}
  - split: {linear@champion: 99.5, third@1: 0.5}
testers: {e0: third@1}
holdout: 30
fallback: linear@1
"""


def test_rows_name_the_rule_that_decided_and_the_share_of_their_arm(by_customer: Registry, tmp_path: Path) -> None:
    apply(by_customer, THREE_RULES)
    rows = [
        entity(f"e{row}", income=float(row), age=1.0, debt=1.0, city="oslo", context={"channel": channel})
        for row, channel in enumerate(("web", "shop", "phone") * 20)
    ]
    catalog = catalog_of(by_customer)
    object.__setattr__(
        next(arm for arm in catalog.routes["credit"].arms if arm.ref == "other@1").model, "session", None
    )
    _, seen = scored(catalog, named(*rows))
    journal = journal_in(tmp_path)
    journal(seen[0])
    journal.close()
    (records,) = read_records([tmp_path])
    assigner = catalog.routes["credit"].assigner
    shares = {(0, "linear@champion"): 0.8, (0, "other@1"): 0.2, (1, "other@1"): 1.0,
              (2, "linear@champion"): 0.995, (2, "third@1"): 0.005}  # fmt: skip
    kinds = set()
    for row in records.rows():
        one = assigner.assign(row["entity_id"], json.loads(row["context"]))
        ruled = one.reason not in {"HOLDOUT", "OVERRIDE"}
        assert row["rule"] == (one.rule if ruled else None)
        assert row["share"] == (shares[one.rule or 0, one.arm] if ruled else None)
        assert row["assigned_arm"] == one.arm
        kinds.add((one.reason, row["reason"] == "FALLBACK"))
    assert kinds == {
        ("OVERRIDE", False),
        ("HOLDOUT", False),
        ("RULE_MATCH", False),
        ("RULE_MATCH", True),
        ("SPLIT", False),
    }


def test_rows_of_a_route_with_one_rule_need_no_column_for_it(by_customer: Registry, tmp_path: Path) -> None:
    apply(by_customer, BY_CUSTOMER.replace("holdout: 10\n", ""))
    records = journaled(by_customer, tmp_path, *calls())
    assert Column.RULES not in records.raw
    assert set(records.columns["rule"]) == {0}
    assert set(records.columns["share"]) == {0.7, 0.3, None}


def test_a_route_is_described_with_the_time_of_its_outcomes_and_the_plan_of_its_experiment(
    by_customer: Registry, tmp_path: Path
) -> None:
    apply(by_customer, BY_CUSTOMER + SECTIONS)
    route = journaled(by_customer, tmp_path, *calls()).route
    document = catalog_of(by_customer).routes["credit"].document
    assert route.outcome_days == 365
    assert document.experiment is not None
    assert route.experiment == document.experiment.digest


FACTS = RouteFacts(
    key=1, route="credit", revision=2, unit="entity_id", schema_digest="d", numbers=("income",), categories=(),
    hashed=(), left_out=(), step_features=(), bands=("low",), arms=(ArmFacts("a@1", "a", 1, "x", (0.5,), ("low",)),),
    rules=(RuleFacts({"a@1": 1_000_000}),), shadows=(ShadowFacts("b@1", "b", 1, "y", 10, (0.1,), ("low",)),),
    holdout_millionths=7, outcome_days=365, experiment="e",
)  # fmt: skip


def test_what_newer_writers_describe_is_read_back_and_passed_over_by_older_readers() -> None:
    assert RouteFacts.read(FACTS.body()) == FACTS
    written = json.loads(FACTS.body())
    assert [set(arm) for arm in written["arms"]] == [{"ref", "model", "version", "digest"}]
    for part in (written, *written["rules"], *written["shadows"], *written["arm_bands"]):
        part["newer"] = 1
    assert RouteFacts.read(json.dumps(written).encode()) == FACTS


def test_a_description_by_an_older_writer_has_no_shares_and_waits_for_outcomes_as_long_as_others() -> None:
    written = json.loads(FACTS.body())
    newer = {"rules", "shadows", "holdout_millionths", "outcome_days", "experiment", "arm_bands"}
    facts = RouteFacts.read(json.dumps({name: written[name] for name in written.keys() - newer}).encode())
    assert (facts.rules, facts.shadows, facts.holdout_millionths, facts.experiment) == ((), (), 0, "")
    assert facts.outcome_days == DEFAULT_KEEP_DAYS
    assert facts.arms == (ArmFacts("a@1", "a", 1, "x"),)


@given(st.lists(st.text(max_size=40), max_size=30))
def test_texts_have_one_fingerprint_exactly_where_they_are_equal(texts: list[str]) -> None:
    keys = text_keys(texts).tolist()
    assert [key == 0 for key in keys] == [not text for text in texts]
    assert len(set(keys)) == len(set(texts))
    assert dict(zip(texts, keys, strict=True)) == dict(zip(reversed(texts), reversed(keys), strict=True))
    assert [text_keys([text])[0] for text in texts] == keys


def test_a_hundred_thousand_ids_have_as_many_fingerprints_spread_over_all_bits() -> None:
    keys = text_keys([f"customer-{number}" for number in range(100_000)])
    assert len(np.unique(keys)) == 100_000
    for shift in range(0, 64, 8):
        counts = np.bincount((keys >> np.uint64(shift)).astype(np.uint8), minlength=256)
        assert counts.min() > 300
        assert counts.max() < 500


def test_data_that_is_not_so_many_texts_has_no_fingerprints() -> None:
    with pytest.raises(ValueError, match="not 3 texts"):
        packed_keys(memoryview(packed_texts(["ab", "c"]) + b"more"), 3)
