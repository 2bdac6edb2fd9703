"""Shadows score a sample of what was answered, beside it and never in its way."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.documents.contract import Feature
from scoreline_registry.registry import Registry
from scoreline_registry.routing.bucketing import bucket
from scoreline_server.app import Server
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.reading.reader import read_records, read_shadows
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.settings import Settings
from scoreline_server.shadows import Shadows
from tests.server.journals import catalog_of, scored
from tests.server.routes import ROUTE, apply
from tests.server.toys import CITY, FEATURES, publish_linear, publish_sequence, sigmoid
from tests.server.wire import entity, named, packed
from tests.waiting import wait_until

SHADOWED = ROUTE + "shadows: [{model: other@champion, sample: 25}]\n"
ALL = ROUTE + "shadows: [{model: other@champion}]\n"


@pytest.fixture
def two(registry: Registry) -> Registry:
    """A champion, and another model that is to shadow it."""
    publish_linear(registry, "linear", (1.0, 0.0, 0.0), aliases=("champion",))
    publish_linear(registry, "other", (-1.0, 0.0, 0.0), aliases=("champion",))
    return registry


class Kept:
    """Shadows without a server; what they score is in ``scores``."""

    def __init__(self, *, queue_rows: int = 1 << 20, is_busy: Callable[[], bool] = lambda: False) -> None:
        self.scores: list[ShadowScores] = []
        self.metrics = Metrics()
        self.shadows = Shadows(
            queue_rows=queue_rows, is_busy=is_busy, counting=self.metrics, keep=self.scores.append
        )  # fmt: skip

    def wait_for(self, rows: int) -> None:
        wait_until(lambda: sum(map(len, self.scores)) >= rows)

    def count(self, name: str) -> float:
        counts = self.metrics.counts().items()
        return sum(numbers[0] for (family, _), numbers in counts if family == f"scoreline_{name}")


def test_the_units_of_a_sample_are_those_of_its_salt_and_keep_their_scores(two: Registry) -> None:
    apply(two, SHADOWED)
    catalog, kept = catalog_of(two), Kept()
    kept.shadows.start()
    expected = {}
    for start in range(0, 1000, 100):
        ids = [f"c{at}" for at in range(start, start + 100)]
        (answer,), seen = scored(catalog, named(*(entity(id_, income=len(id_) / 10) for id_ in ids)))
        kept.shadows(seen[0])
        for id_, score in zip(ids, answer.scores, strict=True):
            if bucket("credit/shadow/other@champion", id_) < 0.25:
                expected[score.prediction_id] = float(sigmoid(-len(id_) / 10))
    kept.wait_for(len(expected))
    kept.shadows.close()
    assert 180 < len(expected) < 320
    found = {
        id_: score
        for scores in kept.scores
        for id_, score in zip(scores.prediction_ids, scores.scores.tolist(), strict=True)
    }
    assert found == pytest.approx(expected, abs=1e-6)
    assert {(s.route, s.ref, s.model, s.version) for s in kept.scores} == {("credit", "other@champion", "other", 1)}
    assert kept.count("shadow_rows") == len(expected)
    assert kept.count("shadow_dropped") == 0


def test_rows_without_a_unit_are_sampled_one_by_one(two: Registry) -> None:
    apply(two, SHADOWED)
    catalog, kept = catalog_of(two), Kept()
    kept.shadows.start()
    _, seen = scored(catalog, named(*(entity("", income=1.0) for _ in range(1000))))
    kept.shadows(seen[0])
    kept.wait_for(100)
    kept.shadows.close()
    assert 180 < sum(map(len, kept.scores)) < 320


def test_calls_of_all_forms_are_shadowed_in_one_batch(registry: Registry) -> None:
    publish_linear(registry, "linear", (1.0, 0, 0, 0), features=(*FEATURES, CITY), aliases=("champion",))
    publish_linear(registry, "other", (0, 0, 0, 1.0), features=(*FEATURES, CITY), aliases=("champion",))
    apply(registry, ALL.replace("debt: number", "debt: number, city: category"))
    catalog, kept = catalog_of(registry), Kept()
    asked = [
        named(*(entity(f"u{at}", income=1.0, city=city) for city in ("rome", "oslo")[: 1 + at % 2])) for at in range(6)
    ]
    _, seen = scored(catalog, *asked)
    kept.shadows(seen[0])
    kept.shadows(seen[0])
    kept.shadows.start()
    kept.wait_for(18)
    kept.shadows.close()
    (scores,) = kept.scores
    rome, oslo = float(sigmoid(1)), float(sigmoid(0))
    assert scores.scores.tolist() == pytest.approx([rome, rome, oslo] * 6, abs=1e-6)
    assert [id_.partition("-")[2] for id_ in scores.prediction_ids] == ["0", "0", "1"] * 6


def test_histories_are_shadowed(registry: Registry) -> None:
    publish_sequence(registry, "linear", aliases=("champion",))
    publish_sequence(registry, "other", (0.0, 5.0), aliases=("champion",))
    apply(registry, ALL.replace("features: {income: number, age: number, debt: number}", "like: linear@champion"))
    kept = Kept()
    steps = [{"paid": 1.0, "late": 2.0}, {"paid": 1.0, "late": 1.0}]
    _, seen = scored(catalog_of(registry), named(entity("a", steps=steps), entity("b", steps=steps[:1])))
    kept.shadows.start()
    kept.shadows(seen[0])
    kept.wait_for(2)
    kept.shadows.close()
    assert kept.scores[0].scores.tolist() == pytest.approx([float(sigmoid(1.5)), float(sigmoid(1.0))], abs=1e-6)


def test_rows_that_were_not_answered_are_not_shadowed_and_those_it_refuses_say_why(registry: Registry) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    strict = (*FEATURES[:2], Feature(name="debt", required=True))
    publish_linear(registry, "other", features=strict, aliases=("champion",))
    apply(registry, ALL)
    kept = Kept()
    _, seen = scored(
        catalog_of(registry), named(entity("a", age=30.0), entity("b", income=1.0), entity("c", income=1.0, debt=1.0))
    )
    kept.shadows.start()
    kept.shadows(seen[0])
    kept.wait_for(2)
    kept.shadows.close()
    (scores,) = kept.scores
    assert [id_.partition("-")[2] for id_ in scores.prediction_ids] == ["1", "2"]
    assert scores.errors == {0: "MISSING_FEATURE"}
    assert np.isnan(scores.scores).tolist() == [True, False]
    assert (kept.count("shadow_errors"), kept.count("shadow_rows")) == (1, 1)


def test_a_shadow_whose_model_fails_says_so_and_goes_on(two: Registry) -> None:
    apply(two, ALL)
    catalog, kept = catalog_of(two), Kept()
    _, seen = scored(catalog, named(entity("a", income=1.0)))
    model = catalog.routes["credit"].shadows[0].model
    session = model.session
    object.__setattr__(model, "session", None)
    kept.shadows.start()
    kept.shadows(seen[0])
    kept.wait_for(1)
    object.__setattr__(model, "session", session)
    kept.shadows(seen[0])
    kept.wait_for(2)
    kept.shadows.close()
    assert [scores.errors for scores in kept.scores] == [{0: "MODEL_FAILED"}, {}]


def test_what_does_not_fit_the_queue_is_dropped_counted_and_costs_the_caller_nothing(two: Registry) -> None:
    apply(two, ALL)
    catalog = catalog_of(two)
    busy = threading.Event()
    busy.set()
    kept = Kept(queue_rows=100, is_busy=busy.is_set)
    kept.shadows.start()
    _, seen = scored(catalog, named(*(entity(f"c{at}", income=1.0) for at in range(30))))
    slowest = 0.0
    for _ in range(50):
        start = time.thread_time()
        kept.shadows(seen[0])
        slowest = max(slowest, time.thread_time() - start)
    assert slowest < 0.01
    assert not kept.scores
    dropped = kept.count("shadow_dropped")
    assert 1500 - 200 <= dropped <= 1500 - 90
    busy.clear()
    kept.wait_for(int(1500 - dropped))
    kept.shadows.close()
    assert sum(map(len, kept.scores)) == 1500 - dropped


def test_what_waits_at_the_end_or_comes_later_is_dropped_and_counted(two: Registry) -> None:
    apply(two, ALL)
    _, seen = scored(catalog_of(two), named(*(entity(f"c{at}", income=1.0) for at in range(30))))
    kept = Kept(is_busy=lambda: True)
    kept.shadows(seen[0])
    kept.shadows.close()
    assert kept.count("shadow_dropped") == 30
    kept.shadows(seen[0])
    assert kept.count("shadow_dropped") == 60


def test_a_shadow_that_cannot_be_loaded_stops_no_route_and_is_told(two: Registry, settings: Settings) -> None:
    apply(two, ALL)
    publish_linear(two, "other", golden_shift=0.5, aliases=("champion",))
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = rpc.ScoringServiceStub(channel)
        assert stub.Score(named(entity("a", income=1.0))).scores[0].model == "linear"
        status = rpc.StatusServiceStub(channel).GetStatus(pb.GetStatusRequest())
        assert "route credit lacks its shadow other@champion: golden rows differ" in status.problem
        assert [(route.route, route.problem) for route in status.routes] == [("credit", "")]
        publish_linear(two, "other", (-1.0, 0, 0), aliases=("champion",))
        wait_until(lambda: not rpc.StatusServiceStub(channel).GetStatus(pb.GetStatusRequest()).problem)
        assert [shadow.model.version for shadow in server.watcher.catalog.routes["credit"].shadows] == [3]


def test_moving_a_shadows_alias_brings_its_new_version(two: Registry, settings: Settings) -> None:
    apply(two, ALL)
    with Server(settings) as server:
        publish_linear(two, "other", (0.0, 0, 0), aliases=("champion",))
        server.watcher.refresh()
        (shadow,) = server.watcher.catalog.routes["credit"].shadows
        assert shadow.model.version == 2
        assert ("other", 2) in server.watcher.catalog.models


def test_what_a_server_answers_and_its_shadows_say_is_in_its_journal(
    two: Registry, settings: Settings, tmp_path: Path
) -> None:
    apply(two, ALL)
    answered = {}
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = rpc.ScoringServiceStub(channel)
        for at in range(20):
            (score,) = stub.Score(named(entity(f"c{at}", income=float(at) / 10))).scores
            answered[score.prediction_id] = score.score
        digest = stub.GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest
        response = stub.Score(packed(digest, [[0.1, 30, 2]] * 3))
        answered |= {f"{response.call_id.hex()}-{row}": float(sigmoid(0.1)) for row in range(3)}
        wait_until(lambda: sum(map(len, read_shadows([tmp_path / "registry-journal"]))) >= 23)
    folder = tmp_path / "registry-journal"
    rows = {row["prediction_id"]: row["score"] for records in read_records([folder]) for row in records.rows()}
    assert rows == pytest.approx(answered, abs=1e-6)
    shadowed = {
        id_: 1 - score
        for scores in read_shadows([folder])
        for id_, score in zip(scores.prediction_ids, scores.scores.tolist(), strict=True)
    }
    assert shadowed == pytest.approx(answered, abs=1e-6)
    assert all(0 < scores.microseconds < 10e6 for scores in read_shadows([folder]))


def test_a_journal_can_be_switched_off(two: Registry, settings: Settings, tmp_path: Path) -> None:
    apply(two, ALL)
    silent = settings.model_copy(update={"journal_dir": "off"})
    with Server(silent) as server, grpc.insecure_channel(server.address) as channel:
        rpc.ScoringServiceStub(channel).Score(named(entity("a", income=1.0)))
    assert not (tmp_path / "registry-journal").exists()
