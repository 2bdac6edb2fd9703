"""What was scored is in the journal, and can be read from it alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Band, Feature
from scoreline_registry.registry import Registry
from scoreline_server.errors import StartError
from scoreline_server.journal.format.extras import extra_columns, extra_types, packed_extras
from scoreline_server.journal.format.privacy import Hasher, read_hasher
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.reading.reader import Selection, journal_files, read_records, read_shadows
from scoreline_server.journal.reading.records import Records, shadow_columns
from tests.server.journals import FACTS, catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import CITY, FEATURES, publish_linear, publish_sequence
from tests.server.wire import entity, named, packed

SPLIT = """
route: credit
schema:
  features: {income: number, age: number, debt: number, city: category}
rules:
  - split: {linear@champion: 50, other@1: 50}
holdout: 10
fallback: linear@1
"""

SECRET = Feature(name="debt", sensitive=True)
SECRET_CITY = CITY.model_copy(update={"sensitive": True})


ALL = Selection()


def rows_of(folder: Path, selection: Selection = ALL) -> list[dict[str, object]]:
    return [row for records in read_records([folder], selection) for row in records.rows()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def split(registry: Registry) -> Registry:
    bands = (Band(name="low", from_score=0.0), Band(name="high", from_score=0.6))
    publish_linear(registry, "linear", (1.0, 0, 0, 0), features=(*FEATURES, CITY), aliases=("champion",), bands=bands)
    publish_linear(registry, "other", (-1.0, 0, 0, 0), features=(*FEATURES, CITY), bands=bands[:1])
    apply(registry, SPLIT)
    return registry


def test_extra_outputs_are_journaled_for_the_callers_that_asked(registry: Registry, folder: Path) -> None:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",), extra=True)
    apply(registry)
    asked = named(entity("a", income=1.0), entity("failed"), entity("b", income=-2.0), extras=["logit"])
    _, seen = scored(catalog_of(registry), named(entity("plain", income=3.0)), asked)
    journal = journal_in(folder)
    journal(seen[0])
    journal.close()
    (records,) = read_records([folder])
    assert records.types["extra.logit"] == "float32"
    assert records.columns["entity_id"] == ["plain", "a", "failed", "b"]
    assert records.columns["extra.logit"] == [None, 1.0, None, -2.0]


def test_extra_outputs_of_any_shape_and_batch_are_read_as_they_were_answered(split: Registry) -> None:
    catalog = catalog_of(split)
    batches = [scored(catalog, named(*(entity(f"c{at}", income=1.0) for at in range(rows))))[1][0] for rows in (2, 3)]
    for batch, values in zip(batches, ([0.5, 1.5], [2.5, np.nan, 4.5]), strict=True):
        batch.requests[0].extras = ["flag", "members"]
        numbers = np.array(values, np.float32)
        rows = np.arange(len(values))
        batch.results.extras["flag"] = [(rows, numbers)]
        batch.results.extras["members"] = [(rows[1:], np.stack([numbers, -numbers], axis=1)[1:])]
    raw = {int(column): memoryview(data) for column, data in packed_extras(batches).items()}
    assert extra_types(raw) == {"extra.flag": "float32", "extra.members": "float32s"}
    assert extra_columns(raw, 5) == {
        "extra.flag": [0.5, 1.5, 2.5, None, 4.5],
        "extra.members": [None, [1.5, -1.5], None, [None, None], [4.5, -4.5]],
    }


def test_every_fact_of_a_row_is_what_its_caller_was_told(split: Registry, folder: Path) -> None:
    entities = [
        entity(f"c{at}", income=float(at), debt=None, city="oslo", context={"channel": "web", "at": at})
        for at in range(40)
    ]
    request = named(*entities, entity("bad", age=200.0, city="rome"))
    request.request_id = "request-1"
    (answer,), seen = scored(catalog_of(split), request)
    journal = journal_in(folder)
    journal(seen[0])
    journal.close()
    rows = rows_of(folder)
    assert len(rows) == len(answer.scores) == 41
    for row, score, asked in zip(rows[:40], answer.scores, entities, strict=False):
        assert row["prediction_id"] == score.prediction_id
        assert (row["score"], row["band"] or "") == (score.score, score.band)
        assert (row["arm"], row["model"], row["version"]) == (score.arm, score.model, score.version)
        assert row["assigned_arm"] == row["arm"]
        assert row["reason"] == pb.Reason.Name(score.reason).removeprefix("REASON_")
        assert (row["missing"], row["defaulted"]) == (score.quality.missing, score.quality.defaulted)
        assert (row["entity_id"], row["unit"]) == (asked.entity_id, asked.entity_id)
        assert row["feature.income"] == asked.features["income"].number
        assert (row["feature.city"], row["feature.debt"], row["feature.age"]) == ("oslo", None, None)
        assert json.loads(str(row["context"])) == {"channel": "web", "at": asked.context["at"].number}
        assert (row["request_id"], row["route"], row["revision"]) == ("request-1", "credit", answer.revision)
        assert row["model_digest"] in {arm.model.digest for arm in seen[0].route.arms}
        assert row["schema_digest"] == seen[0].route.layout.digest
        assert (row["onnxruntime"], row["host"], row["worker"]) == ("2", "here", 3)
        assert row["error"] is None
        assert isinstance(row["latency_ms"], float)
        assert 1 <= row["latency_ms"] < 1000
    assert {row["arm"] for row in rows[:40]} == {"linear@champion", "other@1"}
    assert {row["band"] for row in rows[:40]} >= {"low", "high"}
    failed = rows[40]
    assert failed["error"] == answer.scores[40].error.reason == "MISSING_FEATURE"
    assert [failed[name] for name in ("score", "arm", "model", "reason", "band")] == [None] * 5
    assert failed["assigned_arm"] in {"linear@champion", "other@1"}
    assert (failed["feature.age"], failed["feature.city"]) == (200.0, "rome")


def test_the_arm_that_was_assigned_is_told_from_the_one_that_served(registry: Registry, folder: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "other")
    apply(registry, "route: credit\nschema: {like: other@1}\nrules: [{split: {other@1: 100}}]\nfallback: linear@1\n")
    catalog = catalog_of(registry)
    broken = catalog.routes["credit"].arms[0].model
    object.__setattr__(broken, "session", None)
    _, seen = scored(catalog, named(entity("a", income=1.0)))
    journal = journal_in(folder)
    journal(seen[0])
    journal.close()
    (row,) = rows_of(folder)
    assert (row["assigned_arm"], row["arm"], row["reason"]) == ("other@1", "linear@1", "FALLBACK")


def test_batches_that_share_a_block_keep_their_rows(split: Registry, folder: Path) -> None:
    catalog = catalog_of(split)
    asked, seen = {}, []
    for at in range(20):
        requests = [
            named(
                *(entity(f"{at}-{call}-{row}", income=float(row), city=city, context={"at": at}) for row in range(call))
            )
            for call, city in ((1, "oslo"), (3, "rome"), (2, f"city {at}"))
        ]
        answers, observed = scored(catalog, *requests)
        seen += observed
        for request, answer in zip(requests, answers, strict=True):
            for one, score in zip(request.entities, answer.scores, strict=True):
                asked[score.prediction_id] = (one.entity_id, one.features["city"].text, score.arm, score.score, at)
    journal = journal_in(folder)
    for batch in seen:
        journal(batch)
    journal.close()
    found = {
        row["prediction_id"]: (
            row["entity_id"], row["feature.city"], row["arm"], row["score"], json.loads(str(row["context"]))["at"]
        )
        for row in rows_of(folder)
    }  # fmt: skip
    assert found == asked
    assert len(asked) == 20 * 6


def test_packed_rows_and_histories_come_back_as_they_were_sent(registry: Registry, folder: Path) -> None:
    publish_sequence(registry, "history", aliases=("champion",))
    apply(registry, "route: late\nschema: {like: history@champion}\nrules: [{split: {history@champion: 100}}]\n")
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    catalog = catalog_of(registry)
    steps = [[{"paid": 1.0, "late": 2.0}], [{"paid": 3.0}, {"late": 4.0}, {}]]
    histories = named(*(entity(f"h{at}", steps=one) for at, one in enumerate(steps)), route="late")
    numbers = [[1.5, np.nan, 3.0], [4.0, 5.0, -0.0]]
    _, seen = scored(catalog, histories, packed(catalog.routes["credit"].layout.digest, numbers))
    journal = journal_in(folder)
    for one in seen:
        journal(one)
    journal.close()
    late = rows_of(folder, Selection(route="late"))
    assert [row["step.paid"] for row in late] == [[1.0], [3.0, None, None]]
    assert [row["step.late"] for row in late] == [[2.0], [None, 4.0, None]]
    credit = rows_of(folder, Selection(route="credit"))
    assert [[row[f"feature.{name}"] for name in ("income", "age", "debt")] for row in credit] == [
        [1.5, None, 3.0],
        [4.0, 5.0, 0.0],
    ]


@pytest.fixture
def secret(registry: Registry) -> Registry:
    features = (*FEATURES[:2], SECRET, SECRET_CITY)
    publish_linear(registry, "linear", (1.0, 0, 0, 0), features=features, aliases=("champion",))
    publish_linear(registry, "open", (1.0, 0, 0, 0), features=(*FEATURES, CITY))
    apply(registry, SPLIT.replace("other@1", "open@1"))
    return registry


SECRETS = named(
    entity("a", income=1.0, age=50.0, debt=123456.0, city="atlantis"),
    entity("b", income=1.0, age=50.0, debt=123456.0, city="rome"),
    entity("c", income=1.0, debt=7.0),
)


def test_what_is_sensitive_to_one_model_is_in_no_file(secret: Registry, folder: Path) -> None:
    _, seen = scored(catalog_of(secret), SECRETS)
    journal = journal_in(folder)
    journal(seen[0])
    journal.close()
    rows = rows_of(folder)
    assert [row["feature.age"] for row in rows] == [50.0, 50.0, None]
    assert not {name for row in rows for name in row if "debt" in name or "city" in name}
    (file,) = journal_files([folder])
    assert b"atlantis" not in file.read_bytes()
    assert np.float32(123456).tobytes() not in file.read_bytes()
    (records,) = read_records([folder])
    assert records.route.left_out == ("debt", "city")


def test_hashes_of_sensitive_values_can_be_compared_and_nothing_else(secret: Registry, folder: Path) -> None:
    _, seen = scored(catalog_of(secret), SECRETS)
    journal = journal_in(folder, hasher=Hasher(b"a key of 16 bytes or more"))
    journal(seen[0])
    journal.close()
    first, second, third = rows_of(folder)
    assert first["hash.debt"] == second["hash.debt"] != third["hash.debt"]
    assert first["hash.city"] != second["hash.city"]
    assert third["hash.city"] is None
    assert "feature.debt" not in first
    (file,) = journal_files([folder])
    assert b"atlantis" not in file.read_bytes()
    other = Hasher(b"another key of 16 bytes").categories("city", np.array([0], np.int32), ["atlantis"])
    assert other.hex() != first["hash.city"]
    mine = Hasher(b"a key of 16 bytes or more")
    assert mine.categories("city", np.array([0], np.int32), ["atlantis"]).hex() == first["hash.city"]
    assert mine.numbers("debt", np.array([0.0], np.float32)) == mine.numbers("debt", np.array([-0.0], np.float32))
    assert mine.fingerprint != Hasher(b"another key of 16 bytes").fingerprint


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short\n")
    with pytest.raises(StartError, match="5 bytes"):
        read_hasher(tmp_path / "key")
    with pytest.raises(StartError, match="journal_hmac_key_file"):
        read_hasher(tmp_path / "absent")
    assert read_hasher(None) is None


def test_a_route_is_described_once_per_file_and_again_when_it_changes(split: Registry, folder: Path) -> None:
    before = catalog_of(split)
    _, first = scored(before, named(entity("a", income=1.0)))
    apply(split, SPLIT.replace("50, other@1: 50", "90, other@1: 10"))
    _, second = scored(catalog_of(split), named(entity("a", income=1.0)))
    journal = journal_in(folder)
    for one in (first[0], first[0], second[0]):
        journal(one)
    journal.close()
    journal = journal_in(folder)
    journal(second[0])
    journal.close()
    revisions = [records.route.revision for records in read_records([folder]) for _ in records.rows()]
    assert revisions == [before.revision, before.revision, before.revision + 1, before.revision + 1]
    descriptions = [file.read_bytes().count(b'"schema_digest"') for file in journal_files([folder])]
    assert descriptions == [2, 1]


def test_rows_are_selected_by_route_and_time_and_retries_dropped(split: Registry, folder: Path) -> None:
    catalog, request = catalog_of(split), named(entity("a", income=1.0), entity("b", income=2.0))
    request.request_id = "again"
    other = named(entity("c", income=3.0))
    seen = [scored(catalog, one)[1][0] for one in (request, request, other, other)]
    journal = journal_in(folder)
    for one in seen:
        journal(one)
    journal.close()
    assert [row["entity_id"] for row in rows_of(folder)] == ["a", "b", "a", "b", "c", "c"]
    assert [row["entity_id"] for row in rows_of(folder, Selection(drop_retries=True))] == ["a", "b", "c", "c"]
    times = [int(str(row["time"])) for row in rows_of(folder)]
    assert times == sorted(times)
    assert len(rows_of(folder, Selection(until=times[2]))) + len(rows_of(folder, Selection(since=times[2]))) == 6
    assert not rows_of(folder, Selection(until=times[0]))
    assert not rows_of(folder, Selection(route="nothing"))


def test_shadow_scores_come_back_with_the_predictions_that_they_belong_to(tmp_path: Path, folder: Path) -> None:
    scores = ShadowScores(
        route="credit", revision=4, ref="b@champion", model="b", version=2, digest="d",
        call_ids=bytes(range(12)) * 2, places=np.array([0, 5], np.uint16),
        scores=np.array([0.5, np.nan], np.float32), errors={1: "MODEL_FAILED"}, microseconds=1500,
    )  # fmt: skip
    journal = journal_in(folder)
    journal.shadows(scores)
    journal.close()
    (found,) = read_shadows([folder])
    assert found.prediction_ids == [f"{bytes(range(12)).hex()}-0", f"{bytes(range(12)).hex()}-5"]
    assert (found.route, found.ref, found.version, found.errors) == ("credit", "b@champion", 2, {1: "MODEL_FAILED"})
    assert np.array_equal(found.scores, scores.scores, equal_nan=True)
    assert shadow_columns(found)["latency_ms"] == [1.5, 1.5]
    assert not list(read_shadows([folder], Selection(until=scores.nanoseconds)))
    assert not list(read_shadows([folder], Selection(route="other")))


def test_files_are_for_their_owner_and_named_by_worker_and_start(split: Registry, folder: Path) -> None:
    _, seen = scored(catalog_of(split), named(entity("a", income=1.0)))
    for _ in range(2):
        journal = journal_in(folder)
        journal(seen[0])
        journal.close()
    files = journal_files([folder])
    assert len(files) == 2
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.name.startswith(f"{FACTS.worker}-2")
        assert file.suffix == ".journal"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_server_that_scores_nothing_writes_no_file(folder: Path) -> None:
    journal_in(folder).close()
    assert not folder.exists()


def test_the_rows_of_several_hosts_are_read_together(split: Registry, tmp_path: Path) -> None:
    _, seen = scored(catalog_of(split), named(entity("a", income=1.0)))
    for host in ("one", "two"):
        journal = journal_in(tmp_path / host)
        journal(seen[0])
        journal.close()
    found = list(read_records([tmp_path / "one", tmp_path / "two"]))
    assert [len(records) for records in found] == [1, 1]
    assert all(isinstance(records, Records) for records in found)
