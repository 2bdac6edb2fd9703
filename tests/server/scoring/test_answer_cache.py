"""A cache of answers: what it keeps, what it never changes, and what it does not keep."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.documents.contract import Band, InputContract, Points, ScoreContract, SequenceContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.differences import Differences
from scoreline_server.analysis.replay.replay import replay
from scoreline_server.analysis.replay.report import ReplayReport
from scoreline_server.analysis.replay.routes import AsDecided, Versions
from scoreline_server.answer_stores.memory import MemoryAnswers
from scoreline_server.app import Server
from scoreline_server.journal.reading.reader import Selection
from scoreline_server.loading import loader
from scoreline_server.loading.watcher import Watcher
from scoreline_server.scoring.answer_cache import MOST_ROWS, AnswerCaching, CachedRun, decoded, encoded
from scoreline_server.scoring.binding import Binding
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.rows import RaggedBlock, RowBlock
from scoreline_server.settings import Settings
from tests.server.analysis.replay.replays import THIS
from tests.server.analysis.replay.test_replay import model_that_sees_its_batch
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import ROUTE, apply
from tests.server.scoring.test_neighbors import AROUND
from tests.server.scoring.test_score import SEQUENCE_ROUTE
from tests.server.toys import CITY, FEATURES, fragile_model, publish_linear, publish_neighbors, publish_sequence
from tests.server.wire import entity, named, packed

CACHE = "cache: {keep: 1h, from_microseconds: 0}\n"


@dataclass
class CountingSession:
    """A session of ONNX Runtime that counts the rows of each run."""

    session: Any
    runs: list[int]

    def run(self, outputs: Sequence[str], inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        self.runs.append(len(next(iter(inputs.values()))))
        found: list[npt.NDArray[Any]] = self.session.run(outputs, inputs)
        return found


@dataclass
class Cached:
    """What a server of a registry with a cache of answers does with batches of calls."""

    registry: Registry
    store: MemoryAnswers = field(default_factory=lambda: MemoryAnswers(1 << 20))
    runs: list[int] = field(default_factory=list)
    looks: list[tuple[str, str, int, int]] = field(default_factory=list)
    row_microseconds: float | None = None

    def looked_up(self, route: str, model: LoadedModel, *, hits: int, misses: int) -> None:
        self.looks.append((route, f"{model.name}@{model.version}", hits, misses))

    def load(self, registry: Registry, name: str, version: int) -> LoadedModel:
        model = loader.load(registry, name, version)
        cost = model.row_microseconds if self.row_microseconds is None else self.row_microseconds
        return replace(model, session=CountingSession(model.session, self.runs), row_microseconds=cost)

    @cached_property
    def watcher(self) -> Watcher:
        return Watcher(self.registry, poll_seconds=1, load=self.load, caching=AnswerCaching(self.store, counting=self))

    def score(self, *requests: pb.ScoreRequest) -> list[pb.ScoreResponse]:
        """The answers to requests that are scored together by the newest revision."""
        self.watcher.refresh()
        return scored(self.watcher.catalog, *requests)[0]


def same(answers: Sequence[pb.ScoreResponse]) -> list[bytes]:
    """Answers as bytes, without what names the single call."""
    plain = []
    for answer in answers:
        copy = pb.ScoreResponse.FromString(answer.SerializeToString())
        copy.ClearField("call_id")
        for score in copy.scores:
            score.ClearField("prediction_id")
        plain.append(copy.SerializeToString(deterministic=True))
    return plain


@pytest.fixture
def credit(registry: Registry) -> Registry:
    """Route credit with a cache, to a model with a category, bands, points and an extra output."""
    publish_linear(
        registry, "linear", (1.0, 0.1, -0.5, 0.2), features=(*FEATURES, CITY), aliases=("champion",), extra=True,
        bands=(Band(name="low", from_score=0.0), Band(name="high", from_score=0.5)),
        points=Points(base=600, odds=50, pdo=20),
    )  # fmt: skip
    apply(registry, ROUTE.replace("debt: number", "debt: number, city: category") + CACHE)
    return registry


def people(count: int, *, seed: int) -> list[pb.Entity]:
    """Entities of whom many have the same features; some lack a feature, one has an unknown city, one is refused."""
    draw = np.random.default_rng(seed)
    rows = []
    for at in range(count):
        age = None if draw.random() < 0.3 else float(draw.integers(15, 18))
        city = [None, "oslo", "rome", "atlantis"][int(draw.integers(4))]
        income = "a text" if at == 5 else float(draw.integers(0, 2))
        rows.append(entity(f"u{at}", income=income, age=age, debt=float(draw.integers(0, 2)), city=city))
    return rows


def test_a_row_that_was_scored_before_is_answered_without_the_model(credit: Registry) -> None:
    server = Cached(credit)
    request = named(entity("ann", income=1.0, age=20, debt=2.0, city="rome"), extras=["logit"])
    (first,) = server.score(request)
    server.runs.clear()
    other = named(entity("bob", income=1.0, age=20, debt=2.0, city="rome"), extras=["logit"])
    (second,) = server.score(other)
    assert server.runs == []
    assert same([first]) == same([second])
    assert server.looks == [("credit", "linear@1", 0, 1), ("credit", "linear@1", 1, 0)]


@pytest.mark.parametrize("extras", [(), ("logit",)])
def test_answers_are_what_they_are_without_a_cache(credit: Registry, extras: tuple[str, ...]) -> None:
    server, plain = Cached(credit), catalog_of(credit)
    calls = [named(*people(4 + seed, seed=seed), extras=extras) for seed in range(6)]
    batches = [calls[:2], calls[2:3], calls[3:], calls[:1], calls[2:4]]
    for batch in batches:
        assert same(server.score(*batch)) == same(scored(plain, *batch)[0])
    misses = sum(look[3] for look in server.looks)
    assert sum(look[2] for look in server.looks) > 15
    assert server.runs == [1] * len(server.runs)
    assert len(server.runs) < misses


def test_rows_in_columns_are_the_same_rows(credit: Registry) -> None:
    registry, server = credit, Cached(credit)
    apply(registry, ROUTE + CACHE)
    server.score(named(entity("ann", income=1.0, age=20.0, debt=2.0)))
    digest = server.watcher.catalog.route("credit").layout.digest
    request = packed(digest, [[1.0, 20.0, 2.0], [1.0, 21.0, 2.0]])
    (answer,) = server.score(request)
    assert server.looks[-1] == ("credit", "linear@1", 1, 1)
    plain = catalog_of(registry)
    assert same([answer]) == same(scored(plain, request)[0])
    request.extras.append("logit")
    for _ in range(2):
        assert same(server.score(request)) == same(scored(plain, request)[0])
    # With an extra output the rows are others.
    assert [look[2:] for look in server.looks[-2:]] == [(0, 2), (2, 0)]


def test_steps_and_neighbors_belong_to_the_key(registry: Registry) -> None:
    publish_sequence(registry, "steps", aliases=("champion",))
    publish_neighbors(registry, "around")
    apply(registry, SEQUENCE_ROUTE + CACHE)
    apply(registry, AROUND + CACHE)
    server, plain = Cached(registry), catalog_of(registry)
    paid, late = {"paid": 1.0, "late": 2.0}, {"paid": 0.0, "late": 1.0}
    sequences = [[paid], [paid, late], [late, paid], [paid, {"paid": 0.0, "late": 0.0}], [paid]]
    steps = named(*(entity(f"s{at}", steps=each) for at, each in enumerate(sequences)), route="late")
    old, young = {"late": 1.0, "age": 3.0}, {"late": 1.0}
    circles = [[], [old], [young], [old, young], [young, old], [old]]
    around = named(*(entity(f"n{at}", income=0.5, neighbors=each) for at, each in enumerate(circles)), route="around")
    for _ in range(2):
        for request in (steps, around):
            assert same(server.score(request)) == same(scored(plain, request)[0])
    # Of each, the last row has the inputs of an earlier one.
    assert [look[2:] for look in server.looks] == [(0, 5), (0, 6), (5, 0), (6, 0)]
    assert len(server.runs) == 4 + 5


def test_another_version_is_another_answer_and_the_old_one_comes_back(credit: Registry) -> None:
    publish_linear(credit, "linear", (-1.0, 0.1, -0.5, 0.2), features=(*FEATURES, CITY), extra=True)
    server = Cached(credit)
    request = named(entity("ann", income=1.0, age=20, debt=2.0, city="rome"))
    (first,) = server.score(request)
    credit.commit(SetAlias("linear", "champion", 2), author="tester", message="move")
    (moved,) = server.score(request)
    assert same([moved]) == same(scored(catalog_of(credit), request)[0])
    assert moved.scores[0].score != first.scores[0].score
    credit.commit(SetAlias("linear", "champion", 1), author="tester", message="back")
    server.runs.clear()
    (again,) = server.score(request)
    assert again.scores[0].score == first.scores[0].score
    assert server.runs == []


def test_a_model_whose_bits_depend_on_the_batch_answers_each_row_as_alone_and_replays(
    registry: Registry, tmp_path: Path
) -> None:
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=model_that_sees_its_batch())
    apply(registry, ROUTE + CACHE)
    server, plain = Cached(registry), catalog_of(registry)
    rows = [entity(f"c{at}", income=at % 7 / 50) for at in range(3 * MOST_ROWS)]
    small, large = named(*rows[:20]), named(*rows)
    journal = journal_in(tmp_path / "journal", facts=THIS)
    server.watcher.refresh()
    answers = []
    for request in (small, large, small):
        (response,), (batch,) = scored(server.watcher.catalog, request)
        journal(batch)
        answers.append([score.score for score in response.scores])
    journal.close()
    alone = [scored(plain, named(row))[0][0].scores[0].score for row in rows[:20]]
    assert answers[0] == answers[2] == alone
    assert answers[1] == [score.score for score in scored(plain, large)[0][0].scores]
    assert answers[1][:20] != alone
    report = report_of(tmp_path / "journal", registry)
    assert report.scores.equal == report.scores.rows == 40 + len(rows)


def report_of(folder: Path, registry: Registry) -> ReplayReport:
    plan = AsDecided(Versions(registry))
    differences = Differences("test", plan.versions)
    for block in replay([folder], plan, Selection()):
        differences.add(block)
    return differences.report()


def test_a_large_run_passes_the_cache_by(credit: Registry) -> None:
    server = Cached(credit)
    server.score(named(*(entity(f"u{at}", income=1.0) for at in range(MOST_ROWS + 1))))
    assert server.looks == []
    assert server.runs == [MOST_ROWS + 1]


@pytest.mark.parametrize(("microseconds", "looks"), [(99.9, 0), (100.0, 1)])
def test_the_answers_of_fast_models_are_not_kept(registry: Registry, microseconds: float, looks: int) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry, ROUTE + "cache: {keep: 1h}\n")
    server = Cached(registry, row_microseconds=microseconds)
    server.score(named(entity("ann", income=1.0)))
    assert len(server.looks) == looks


def test_a_route_without_the_section_has_no_cache(registry: Registry) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    server = Cached(registry)
    for _ in range(2):
        server.score(named(entity("ann", income=1.0)))
    assert (server.looks, server.runs, server.store.nbytes) == ([], [1, 1], 0)


def test_a_server_counts_hits_and_misses(registry: Registry, settings: Settings) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry, ROUTE + CACHE)
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = rpc.ScoringServiceStub(channel)
        for income in (1.0, 1.0, 2.0, 1.0):
            stub.Score(named(entity("ann", income=income)))
        counts = {name: value for (name, _), (value, *_) in server.metrics.counts().items()}
    assert (counts["scoreline_answer_cache_hits"], counts["scoreline_answer_cache_misses"]) == (2, 2)


def test_settings_turn_the_cache_off(registry: Registry, settings: Settings) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry, ROUTE + CACHE)
    server = Server(settings.model_copy(update={"answer_cache_bytes": 0}))
    server.watcher.refresh()
    for _ in range(2):
        scored(server.watcher.catalog, named(entity("ann", income=1.0)))
    assert not any(name.startswith("scoreline_answer_cache") for name, _ in server.metrics.counts())


def test_a_failure_is_not_kept(registry: Registry) -> None:
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=fragile_model())
    publish_linear(registry, "safe", (0.5, 0.0, 0.0), aliases=("champion",))
    apply(registry, ROUTE + "fallback: safe@champion\n" + CACHE)
    server = Cached(registry)
    failing = named(entity("ann", income=20.0))
    for _ in range(2):
        (answer,) = server.score(failing)
        assert (answer.scores[0].reason, answer.scores[0].model) == (pb.REASON_FALLBACK, "safe")
    assert [look[1:] for look in server.looks] == [("safe@1", 0, 1), ("safe@1", 1, 0)]


def test_an_answer_is_read_back_as_it_was_written() -> None:
    draw = np.random.default_rng(4)
    outputs = [
        np.array([np.nan], "<f4"),
        draw.random((1, 3, 2), "<f4"),
        draw.random((1, 0), "<f4"),
        draw.random(1, "<f4"),
    ]
    written = encoded(outputs)
    read = decoded(written, 3)
    assert read is not None
    assert [each.shape for each in read] == [(1,), (1, 3, 2), (1, 0), (1,)]
    assert [each.tobytes() for each in read] == [each.tobytes() for each in outputs]


def test_bytes_that_are_no_answer_are_not_read() -> None:
    written = encoded([np.zeros(1, "<f4"), np.zeros((1, 3), "<f4")])
    wrong = [b"", b"abc", written[:-1], written + b"x", written[:4], written[:4] + b"\xff" * 40]
    assert [decoded(answer, 1) for answer in wrong] == [None] * len(wrong)
    assert decoded(written, 0) is None


class Attention:
    """A session whose score is the sum of the steps' first feature, and whose extra output has a value per step."""

    def run(self, outputs: Sequence[str], inputs: dict[str, npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        assert outputs == ["score", "attention"]
        steps = inputs["sequence"][:, :, 0]
        return [steps.sum(axis=1), steps]


def test_extra_outputs_of_any_number_of_steps_are_kept() -> None:
    contract = InputContract(sequence=SequenceContract(features=("spent",), max_length=9))
    score = ScoreContract(meaning="test", extras=("attention",))
    manifest = Manifest(family="toy", inputs=contract, score=score, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    model = LoadedModel("steps", 1, "0" * 64, manifest, Attention())
    binding = Binding(contract, Layout({}, contract.ragged, "digest"))
    looks: list[tuple[int, int]] = []
    run = CachedRun(
        model, binding, MemoryAnswers(1 << 20), keep_seconds=60, count=lambda hits, misses: looks.append((hits, misses))
    )
    block = RowBlock(
        ids=["a", "b", "c"],
        numbers=np.empty((3, 0), np.float32),
        categories=np.empty((3, 0), np.int32),
        dictionary=(),
        ragged=[RaggedBlock(np.arange(6, dtype=np.float32)[:, None], np.array([1, 3, 2], np.int32))],
        contexts=(),
        errors={},
    )
    for _ in range(2):
        outputs = run(block, binding.bind(block, np.arange(3)), ["attention"])
        assert [rows.tolist() for rows, _ in outputs] == [[0], [1], [2]]
        assert [values[0].tolist() for _, values in outputs] == [[0.0], [6.0], [9.0]]
        assert [values[1].tolist() for _, values in outputs] == [[[0.0]], [[1.0, 2.0, 3.0]], [[4.0, 5.0]]]
    assert looks == [(0, 3), (3, 0)]
