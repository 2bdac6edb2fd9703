"""Journaled rows are scored again as they were decided, or by another version, and the differences are counted."""

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from scoreline_registry.documents.contract import Feature
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.retirement import Retire
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_registry.upkeep.garbage_collection import collect
from scoreline_server.analysis.replay.differences import Differences, Sample
from scoreline_server.analysis.replay.replay import replay, row_table
from scoreline_server.analysis.replay.report import Change, ReplayReport, Runtime
from scoreline_server.analysis.replay.routes import AsDecided, AsOf, Plan, Versions, WithVersion
from scoreline_server.analysis.replay.rows import JournaledRows
from scoreline_server.analysis.replay.scoring import INVALID, SLIM, score_again
from scoreline_server.errors import ErrorReason, ReplayError, ScoringError
from scoreline_server.journal.format.blocks import Kind, framed
from scoreline_server.journal.reading.reader import Selection, journal_files, read_records
from scoreline_server.journal.writing.encoding import Observed, RouteEncoder
from scoreline_server.journal.writing.slimming import slim
from tests.server.analysis.replay.replays import HERE, SPLIT, THIS, journal_calls, publish_split, requests_of
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import ROUTE, apply
from tests.server.toys import FEATURES, fragile_model, linear_graph, publish_linear, publish_neighbors, publish_sequence
from tests.server.wire import entity, named

ALL = Selection()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def split(registry: Registry) -> Registry:
    publish_split(registry)
    return registry


def report_of(folder: Path, plan: Plan, selection: Selection = ALL) -> ReplayReport:
    differences = Differences("test", plan.versions)
    for block in replay([folder], plan, selection):
        differences.add(block)
    return differences.report()


def test_rows_of_several_revisions_are_scored_again_as_they_were_decided(split: Registry, folder: Path) -> None:
    journal_calls(folder, split, requests_of(60, seed=1))
    split.commit(SetAlias("linear", "champion", 2), author="tester", message="move")
    journal_calls(folder, split, requests_of(60, seed=2))
    apply(split, SPLIT.replace("50, other@1: 50", "90, other@1: 10"))
    journal_calls(folder, split, requests_of(60, seed=3))
    report = report_of(folder, AsDecided(Versions(split)))
    assert report.rows > 400
    assert len({arm.revision for arm in report.arms}) == 3
    assert {arm.version for arm in report.arms if arm.model == "linear"} == {1, 2}
    assert set(report.not_replayed) == {INVALID}
    assert report.scores.equal == report.scores.rows > 300
    assert (report.errors, report.assigned, report.bands, report.most) == ((), (), (), ())
    assert report.beyond == 0
    assert report.runtimes == (Runtime(HERE.onnxruntime, HERE.host, True, report.replayed, 0.0, 0),)


def replayed(folder: Path, plan: Plan, selection: Selection = ALL) -> list[dict[str, object]]:
    """The rows of ``row_table`` as dicts."""
    tables = [row_table(block) for block in replay([folder], plan, selection)]
    return [dict(zip(table, row, strict=True)) for table in tables for row in zip(*table.values(), strict=True)]


def test_a_score_that_is_not_what_the_version_says_is_found(split: Registry, folder: Path) -> None:
    catalog, journal = catalog_of(split), journal_in(folder, facts=THIS)
    calls = [named(*(entity(f"c{at}", income=at / 10, debt=0.5) for at in range(20)))]
    _, (batch,) = scored(catalog, *calls)
    batch.results.scores[3] = np.nextafter(batch.results.scores[3], np.float32(1))
    batch.results.scores[7] += np.float32(0.5)
    journal(batch)
    journal.close()
    report = report_of(folder, AsDecided(Versions(split)))
    assert (report.scores.rows, report.scores.equal, report.beyond) == (20, 18, 2)
    assert report.scores.largest == pytest.approx(0.5)
    assert report.has_failed
    assert [row.entity_id for row in report.most] == ["c7", "c3"]
    assert report.scores.quantiles[0.0] == pytest.approx(-0.5)


def test_figures_equal_those_of_numpy_over_the_written_rows(split: Registry, folder: Path) -> None:
    journal_calls(folder, split, requests_of(60, seed=4))
    plan = WithVersion(Versions(split), ModelRef.parse("linear@2"))
    report, rows = report_of(folder, plan), replayed(folder, plan)
    both = [row for row in rows if row["score"] is not None and row["replayed_score"] is not None]
    before = np.array([row["score"] for row in both], np.float64)
    after = np.array([row["replayed_score"] for row in both], np.float64)
    found = report.scores
    assert (report.rows, found.rows) == (len(rows), len(both))
    assert found.mean == pytest.approx((after - before).mean())
    assert found.mean_absolute == pytest.approx(np.abs(after - before).mean())
    assert found.largest == np.abs(after - before).max() > 0.1
    assert list(found.quantiles.values()) == pytest.approx(np.quantile(after - before, list(found.quantiles)).tolist())
    for flips in report.flips:
        own = np.array([(row["model"], row["version"]) == (flips.model, flips.version) for row in both])
        assert flips.rows == own.sum()
        assert flips.up == ((before < flips.cut) & (after >= flips.cut) & own).sum()
        assert flips.down == ((before >= flips.cut) & (after < flips.cut) & own).sum()
    assert {(flips.model, flips.band) for flips in report.flips} == {
        ("linear", "low"), ("linear", "high"), ("other", "low"),
    }  # fmt: skip
    changed = [(row["band"], row["replayed_band"]) for row in both if row["band"] != row["replayed_band"]]
    assert {(each.before, each.after): each.rows for each in report.bands} == Counter(changed)
    assert sum(each.up + each.down for each in report.flips) > 10
    assert report.beyond is None
    assert not report.assigned


def test_rows_are_assigned_and_scored_as_of_another_revision(split: Registry, folder: Path) -> None:
    old = catalog_of(split)
    apply(split, SPLIT.replace("50, other@1: 50", "20, other@1: 80"))
    split.commit(SetAlias("linear", "champion", 2), author="tester", message="move")
    calls = requests_of(60, seed=5)
    journal_calls(folder, split, calls)
    answers = {
        asked.entity_id: score
        for call in calls
        for asked, score in zip(call.entities, scored(old, call)[0][0].scores, strict=True)
    }
    rows = replayed(folder, AsOf(Versions(split), old.revision))
    assert {row["replayed_version"] for row in rows if row["replayed_model"] == "linear"} == {1}
    for row in (row for row in rows if row["not_replayed"] is None and row["entity_id"] != "vip"):
        answer = answers[str(row["entity_id"])]
        if answer.HasField("error"):
            assert row["replayed_error"] == answer.error.reason
        else:
            assert (row["replayed_arm"], row["replayed_score"]) == (answer.arm, answer.score)
    report = report_of(folder, AsOf(Versions(split), old.revision))
    assert [(each.before, each.after) for each in report.assigned] == [("other@1", "linear@champion")]
    assert report.beyond is None


def test_rows_that_fell_back_are_scored_by_the_arm_that_served(registry: Registry, folder: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=fragile_model())
    publish_linear(registry, "plain", (0.05, 0.0, 0.0), aliases=("champion",))
    apply(registry, ROUTE + "fallback: plain@champion\n")
    calls = [named(entity(f"c{at}", income=float(at))) for at in range(20)]
    journal_calls(folder, registry, calls)
    rows = replayed(folder, AsDecided(Versions(registry)))
    assert {row["arm"] for row in rows} == {"linear@champion", "plain@champion"}
    assert all((row["arm"], row["score"]) == (row["replayed_arm"], row["replayed_score"]) for row in rows)
    assert {row["replayed_assigned_arm"] for row in rows} == {"linear@champion"}
    assert report_of(folder, AsDecided(Versions(registry))).beyond == 0
    again = replayed(folder, AsOf(Versions(registry), registry.latest().revision))
    assert [row["replayed_arm"] for row in again] == [row["arm"] for row in rows]
    assert [row["replayed_score"] for row in again] == [row["score"] for row in rows]


def test_a_row_that_a_version_fails_on_fails_no_other_batch(registry: Registry, folder: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    publish_linear(registry, "fragile", model_bytes=fragile_model())
    apply(registry)
    journal_calls(folder, registry, [named(entity(f"c{at}", income=20.0 if at == 30 else 0.5)) for at in range(100)])
    rows = replayed(folder, WithVersion(Versions(registry), ModelRef.parse("fragile@1")))
    failed = [row["entity_id"] for row in rows if row["replayed_error"]]
    assert "c30" in failed
    assert len(failed) <= 4
    assert {row["replayed_error"] for row in rows} == {None, "MODEL_FAILED"}


def test_rows_of_a_model_that_failed_are_expected_to_fail_again(registry: Registry, folder: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=fragile_model())
    publish_linear(registry, "plain", aliases=("champion",))
    apply(registry)
    journal_calls(folder, registry, [named(entity(f"c{at}", income=float(at))) for at in range(20)])
    rows = replayed(folder, AsDecided(Versions(registry)))
    assert {row["error"] for row in rows} == {None, "MODEL_FAILED"}
    assert all((row["error"], row["score"]) == (row["replayed_error"], row["replayed_score"]) for row in rows)
    repaired = report_of(folder, WithVersion(Versions(registry), ModelRef.parse("plain@champion")))
    failed = sum(row["error"] is not None for row in rows)
    assert repaired.errors == (Change("MODEL_FAILED", "", failed),)


def test_sequences_and_neighbors_are_scored_again(registry: Registry, folder: Path) -> None:
    publish_sequence(registry, "history", aliases=("champion",))
    apply(registry, "route: late\nschema: {like: history@champion}\nrules: [{split: {history@champion: 100}}]\n")
    publish_neighbors(registry, "around")
    apply(registry, "route: near\nschema: {like: around@champion}\nrules: [{split: {around@champion: 100}}]\n")
    random = np.random.default_rng(0)

    def items(most: int, *names: str) -> list[dict[str, float]]:
        return [{name: float(random.normal()) for name in names} for _ in range(int(random.integers(0, most)))]

    late = [named(entity(f"l{at}", steps=items(30, "paid", "late")), route="late") for at in range(80)]
    near = [named(entity(f"n{at}", income=1.0, neighbors=items(8, "late")), route="near") for at in range(80)]
    journal_calls(folder, registry, [*late, *near])
    report = report_of(folder, AsDecided(Versions(registry)))
    assert (report.rows, report.replayed, report.beyond) == (160, 160, 0)
    assert report.scores.equal == report.scores.rows < 160
    assert not report.errors
    only = report_of(folder, AsDecided(Versions(registry)), Selection(route="near"))
    assert (only.rows, only.scores.equal) == (80, 80)


def test_rows_are_left_out_where_a_model_takes_what_is_not_journaled(registry: Registry, folder: Path) -> None:
    secret = FEATURES[2].model_copy(update={"sensitive": True})
    publish_linear(registry, "linear", (1, 0, 1), features=(*FEATURES[:2], secret), aliases=("champion",))
    publish_linear(registry, "plain", (1, 0), features=FEATURES[:2])
    publish_linear(registry, "later", (1, 0, 1, 1), features=(*FEATURES, Feature(name="rate")))
    apply(registry, ROUTE.replace("{linear@champion: 100}", "{linear@champion: 50, plain@1: 50}"))
    journal_calls(folder, registry, [named(entity(f"c{at}", income=1.0, debt=2.0)) for at in range(60)])
    rows = replayed(folder, AsDecided(Versions(registry)))
    reasons = {row["arm"]: row["not_replayed"] for row in rows}
    assert reasons == {"linear@champion": "sensitive features are not journaled: debt", "plain@1": None}
    report = report_of(folder, AsDecided(Versions(registry)))
    (count,) = report.not_replayed.values()
    assert (report.replayed, report.scores.equal, report.beyond) == (60 - count, 60 - count, 0)
    assert 10 < count < 50
    later = report_of(folder, WithVersion(Versions(registry), ModelRef.parse("later@1")))
    assert later.not_replayed == {"sensitive features are not journaled: debt": 60}
    assert later.replayed == 0


def test_rows_without_inputs_are_counted(split: Registry, folder: Path) -> None:
    journal_calls(folder, split, requests_of(20, seed=9))
    for path in journal_files([folder]):
        slim(path, time.time())
    report = report_of(folder, AsDecided(Versions(split)))
    assert report.not_replayed == {SLIM: report.rows}
    assert report.rows > 40
    assert report.replayed == 0
    assert report_of(folder, WithVersion(Versions(split), ModelRef.parse("linear@1"))).not_replayed == {
        SLIM: report.rows
    }


def test_a_version_whose_files_are_gone_is_named(split: Registry, folder: Path) -> None:
    journal_calls(folder, split, requests_of(30, seed=6))
    split.commit(SetAlias("linear", "champion", 2), author="tester", message="move")
    split.commit(Retire("linear", 1), author="tester", message="retire")
    assert report_of(folder, AsDecided(Versions(split))).beyond == 0
    collect(split, retention=timedelta(0), author="tester")
    report = report_of(folder, AsDecided(Versions(split)))
    assert any("linear@1 was not loaded" in reason for reason in report.not_replayed)
    assert report.scores.equal == report.scores.rows > 0


@pytest.mark.parametrize(("shift", "beyond"), [(5e-7, 0), (2e-6, 30)])
def test_another_build_is_named_and_held_to_a_millionth(
    split: Registry, folder: Path, shift: float, beyond: int
) -> None:
    facts = replace(THIS, onnxruntime="1.2.3", host="elsewhere")
    journal, catalog = journal_in(folder, facts=facts), catalog_of(split)
    _, (batch,) = scored(catalog, named(*(entity(f"c{at}", income=at / 10, debt=0.5) for at in range(30))))
    batch.results.scores += np.float32(shift)
    journal(batch)
    journal.close()
    report = report_of(folder, AsDecided(Versions(split)))
    assert report.beyond == beyond
    assert report.runtimes == (Runtime("1.2.3", "elsewhere", False, 30, 1e-6, beyond),)
    assert report.scores.equal < 30


def test_a_journal_of_another_registry_is_refused(split: Registry, folder: Path, tmp_path: Path) -> None:
    journal_calls(folder, split, requests_of(3, seed=7))
    other = Registry.create(tmp_path / "other")
    for weights in (2.0, 3.0, 4.0):
        publish_linear(other, "linear", (weights, 0, 0), aliases=("champion",))
    apply(other)
    with pytest.raises(ReplayError, match="has other arms of route credit than the journal: give --registry"):
        report_of(folder, AsDecided(Versions(other)))


def test_a_selection_that_cuts_a_batch_compares_its_own_rows_alone(split: Registry, folder: Path) -> None:
    journal_calls(folder, split, requests_of(40, seed=8))
    times = sorted({int(str(row["time"])) for row in replayed(folder, AsDecided(Versions(split)))})
    middle = times[len(times) // 2]
    early = report_of(folder, AsDecided(Versions(split)), Selection(until=middle))
    late = report_of(folder, AsDecided(Versions(split)), Selection(since=middle))
    whole = report_of(folder, AsDecided(Versions(split)))
    assert early.rows
    assert late.rows
    assert early.rows + late.rows == whole.rows
    assert early.scores.equal + late.scores.equal == whole.scores.equal
    assert (early.beyond, late.beyond) == (0, 0)


def test_quantiles_of_many_differences_are_of_a_uniform_sample() -> None:
    sample = Sample(size=2000)
    for start in range(0, 50_000, 5000):
        sample.add(np.arange(start, start + 5000) / 50_000)
    assert len(sample) == 2000
    # The standard error of a sample's quantile is at most sqrt(0.25 / 2000) = 0.011.
    assert all(abs(level - value) < 0.05 for level, value in sample.quantiles().items())


def model_that_sees_its_batch() -> bytes:
    """score = sigmoid(income + rows / 1,000,000): like graphs whose sums depend on how many rows they get at once."""
    model = linear_graph((1.0, 0.0, 0.0))
    model.graph.initializer.append(numpy_helper.from_array(np.array(1e-6, np.float32), "millionth"))
    del model.graph.node[-1]
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["logit"], ["shape"]),
            helper.make_node("Cast", ["shape"], ["rows"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["rows", "millionth"], ["more"]),
            helper.make_node("Add", ["logit", "more"], ["sum"]),
            helper.make_node("Sigmoid", ["sum"], ["score"]),
        ]
    )
    return model.SerializeToString()


def block_of(registry: Registry, folder: Path, *, apart: bool) -> JournaledRows:
    """One block of 60 calls in batches of 1 to 4, whose times are a second apart or all equal."""
    catalog = catalog_of(registry)
    calls = [named(entity(f"c{at}", income=at / 50), entity(f"d{at}")) for at in range(60)]
    observed, at = list[Observed](), 0
    while at < len(calls):
        size = len(observed) % 4 + 1
        _, (batch,) = scored(catalog, *calls[at : at + size])
        observed.append(Observed(batch, nanoseconds=len(observed) * 10**9 * apart))
        at += size
    encoder = RouteEncoder(catalog.route("credit"), 1, None)
    folder.mkdir()
    blocks = [framed(Kind.FILE, THIS.body()), encoder.described(), encoder.encoded(observed)]
    (folder / "3-20261121T000000.000000Z.journal").write_bytes(b"".join(blocks))
    (records,) = read_records([folder])
    return JournaledRows.of(records)


@pytest.fixture
def seeing(registry: Registry) -> Registry:
    """A route to a model whose last bits depend on the batch."""
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=model_that_sees_its_batch())
    apply(registry)
    return registry


def test_rows_are_scored_in_the_batches_of_the_server(seeing: Registry, folder: Path) -> None:
    rows = block_of(seeing, folder, apart=True)
    route = AsDecided(Versions(seeing)).route(rows.route)
    assert (len(rows), len(rows.batches), len(rows.calls)) == (120, 24, 60)
    assert score_again(rows, route).equal.all()
    whole = replace(rows, batches=np.array([0]), calls=np.array([0]))
    assert not score_again(whole, route).equal.all()


def test_calls_of_batches_that_cannot_be_told_apart_are_scored_one_by_one(seeing: Registry, folder: Path) -> None:
    rows = block_of(seeing, folder, apart=False)
    route = AsDecided(Versions(seeing)).route(rows.route)
    assert len(rows.batches) == 1
    alone = [0, 20, 40, 60, 80, 100]  # the first call of each ten was a batch by itself
    assert score_again(rows, route).equal[alone].all()
    assert not score_again(replace(rows, calls=np.array([0])), route).equal[alone].all()


def test_another_arm_and_another_error_are_differences(split: Registry, folder: Path) -> None:
    journal = journal_in(folder, facts=THIS)
    _, (batch,) = scored(catalog_of(split), named(*(entity(f"c{at}", income=1.0) for at in range(20)), entity("bad")))
    assigned = batch.results.assigned.copy()
    batch.results.served = assigned  # who answered is as it was
    batch.results.assigned = np.where(np.arange(21) == 4, 1 - assigned, assigned)
    batch.results.errors[20] = ScoringError(ErrorReason.UNKNOWN_CATEGORY, "not so")
    journal(batch)
    journal.close()
    report = report_of(folder, AsDecided(Versions(split)))
    assert report.scores.equal == report.scores.rows == 20
    assert [(each.before, each.after, each.rows) for each in report.errors] == [
        ("UNKNOWN_CATEGORY", "MISSING_FEATURE", 1)
    ]
    (moved,) = report.assigned
    assert {moved.before, moved.after} == {"linear@champion", "other@1"}
    assert (moved.rows, report.beyond) == (1, 2)


def test_another_file_under_the_number_of_a_version_is_not_scored(registry: Registry, tmp_path: Path) -> None:
    other = Registry.create(tmp_path / "other")
    for each, slope in ((registry, 1.0), (other, 2.0)):
        publish_linear(each, "linear", (slope, 0, 0), aliases=("champion",))
        apply(each)
    folder = tmp_path / "journal"
    journal_calls(folder, registry, [named(entity("a", income=1.0))])
    reason = "linear@1 of this registry is another file than the one that served"
    assert report_of(folder, AsDecided(Versions(other))).not_replayed == {reason: 1}
