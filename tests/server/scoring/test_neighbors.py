"""Entities with neighbours, from the wire to the model and the journal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.documents.contract import Feature
from scoreline_registry.registry import Registry
from scoreline_server.journal.format.privacy import Hasher
from scoreline_server.journal.reading.reader import Selection, read_records
from scoreline_server.scoring.ragged import Items, groups_of
from tests.server.conftest import StubOf
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import publish_linear, publish_neighbors, publish_sequence, sigmoid
from tests.server.wire import entity, named, packed, reason_of

INVALID = grpc.StatusCode.INVALID_ARGUMENT
AROUND = """
route: around
schema:
  features: {income: number}
  neighbors: {features: [age, late], max_neighbors: 6}
rules:
  - split: {around@champion: 100}
"""
ALONE = AROUND.replace("  neighbors: {features: [age, late], max_neighbors: 6}\n", "").replace("around@", "linear@")
Neighbors = Sequence[Mapping[str, float]]


@pytest.fixture
def around(registry: Registry) -> Registry:
    """A registry that serves route around by 1 * late + 2 * age of each neighbour, tenths of them."""
    publish_neighbors(registry, "around")
    apply(registry, AROUND)
    return registry


def people(draw: np.random.Generator, counts: Sequence[int]) -> list[Neighbors]:
    return [
        [{"late": late, "age": age} for late, age in draw.normal(size=(count, 2)).round(2).tolist()] for count in counts
    ]


def expected(income: float, neighbors: Neighbors) -> float:
    return float(sigmoid(income + sum(0.1 * one.get("late", 0) + 0.2 * one.get("age", 0) for one in neighbors)))


def by_columns(digest: str, incomes: Sequence[float], circles: Sequence[Neighbors]) -> pb.ScoreRequest:
    request = packed(digest, [[income] for income in incomes], route="around")
    flat = [[one.get("age", np.nan), one.get("late", np.nan)] for circle in circles for one in circle]
    request.packed.neighbors = np.array(flat, "<f4").tobytes()
    request.packed.neighbor_counts = np.array([len(circle) for circle in circles], "<i4").tobytes()
    return request


def test_a_column_without_a_value_in_any_neighbor_counts_as_missing(
    around: Registry, stub: rpc.ScoringServiceStub
) -> None:
    circles: list[Neighbors] = [
        [{"late": 1.0, "age": 2.0}],
        [{"late": 1.0}, {"late": 2.0}],
        [{"late": 1.0}, {"age": 2.0}],
        [{}],
        [],
    ]
    entities = [entity(f"u{at}", income=0.0, neighbors=circle) for at, circle in enumerate(circles)]
    scores = stub.Score(named(*entities, route="around")).scores
    assert [score.quality.missing for score in scores] == [0, 1, 0, 2, 0]
    assert [score.score for score in scores] == pytest.approx([expected(0.0, circle) for circle in circles], abs=1e-6)


def test_any_number_of_neighbors_is_scored_together_in_both_forms(
    around: Registry, stub: rpc.ScoringServiceStub
) -> None:
    circles = people(np.random.default_rng(3), [0, 1, 6, 2, 5, 3, 0])
    incomes = np.linspace(-1, 1, len(circles)).tolist()
    entities = [
        entity(f"u{row}", income=income, neighbors=circle)
        for row, (income, circle) in enumerate(zip(incomes, circles, strict=True))
    ]
    wanted = [expected(income, circle) for income, circle in zip(incomes, circles, strict=True)]
    by_name = stub.Score(named(*entities, route="around")).scores
    digest = stub.GetSchema(pb.GetSchemaRequest(route="around")).schema_digest
    answer = stub.Score(by_columns(digest, incomes, circles)).packed
    assert [score.score for score in by_name] == pytest.approx(wanted, abs=1e-6)
    assert np.frombuffer(answer.scores, "<f4").tolist() == [score.score for score in by_name]


@pytest.mark.parametrize("circle", [[], [{}], [{"late": 1.0}], [{"age": 1.0, "late": 2.0}] * 6])
def test_one_entity_alone_may_have_none_or_all(
    around: Registry, stub: rpc.ScoringServiceStub, circle: Neighbors
) -> None:
    (score,) = stub.Score(named(entity("u", income=0.5, neighbors=circle), route="around")).scores
    assert score.score == pytest.approx(expected(0.5, circle), abs=1e-6)


def test_the_schema_tells_of_neighbors(around: Registry, stub: rpc.ScoringServiceStub) -> None:
    schema = stub.GetSchema(pb.GetSchemaRequest(route="around"))
    assert (list(schema.neighbors.features), schema.neighbors.max_neighbors) == (["age", "late"], 6)
    assert not schema.HasField("sequence")


def refused(stub: rpc.ScoringServiceStub, request: pb.ScoreRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Score(request)
    return reason_of(caught.value)


@pytest.mark.parametrize(
    ("circle", "reason"),
    [
        ([{"late": 1.0}] * 7, "TOO_MANY_NEIGHBORS"),
        ([{"lat": 1.0}], "UNKNOWN_FEATURE"),
        ([{}, {"late": float("inf")}], "NOT_FINITE"),
        ([{"late": 1e39}], "NOT_FINITE"),
    ],
)
def test_bad_neighbors_fail_alone_or_fail_their_call(
    around: Registry, stub: rpc.ScoringServiceStub, circle: Neighbors, reason: str
) -> None:
    bad, good = entity("b", income=1, neighbors=circle), entity("g", income=1, neighbors=[{"late": 1.0}])
    assert refused(stub, named(bad, route="around")) == (INVALID, reason)
    scores = stub.Score(named(good, bad, good, route="around")).scores
    assert [score.error.reason for score in scores] == ["", reason, ""]
    assert scores[0].score == scores[2].score == pytest.approx(expected(1, [{"late": 1.0}]), abs=1e-6)


def test_bad_packed_neighbors_fail_alone(around: Registry, stub: rpc.ScoringServiceStub) -> None:
    digest = stub.GetSchema(pb.GetSchemaRequest(route="around")).schema_digest
    circles: list[Neighbors] = [[], [{"late": 1.0}] * 7, [{"late": float("inf")}], [{"age": 1.0}]]
    answer = stub.Score(by_columns(digest, [0.0] * 4, circles)).packed
    assert [(error.row, error.reason) for error in answer.errors] == [(1, "TOO_MANY_NEIGHBORS"), (2, "NOT_FINITE")]
    scores = np.frombuffer(answer.scores, "<f4")
    assert scores[[0, 3]].tolist() == pytest.approx([0.5, expected(0, [{"age": 1.0}])], abs=1e-6)


@pytest.mark.parametrize(("counts", "neighbors"), [([2, -1], 1), ([2], 2), ([2, 2], 3), ([1, 1], 3), ([], 0)])
def test_packed_neighbors_must_add_up(
    around: Registry, stub: rpc.ScoringServiceStub, counts: list[int], neighbors: int
) -> None:
    digest = stub.GetSchema(pb.GetSchemaRequest(route="around")).schema_digest
    request = packed(digest, [[1], [2]], route="around")
    request.packed.neighbors = np.ones((neighbors, 2), "<f4").tobytes()
    request.packed.neighbor_counts = np.array(counts, "<i4").tobytes()
    assert refused(stub, request) == (INVALID, "WRONG_BLOCK_LENGTH")


def test_a_route_without_neighbors_refuses_them(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", (1.0,), features=(Feature(name="income"),), aliases=("champion",))
    apply(registry, ALONE)
    stub = stub_of()
    request = named(entity("u", income=1, neighbors=[{"late": 1.0}]), route="around")
    assert refused(stub, request) == (INVALID, "UNEXPECTED_NEIGHBORS")
    digest = stub.GetSchema(pb.GetSchemaRequest(route="around")).schema_digest
    assert refused(stub, by_columns(digest, [1.0], [[{"late": 1.0}]])) == (INVALID, "WRONG_BLOCK_LENGTH")


def test_who_packs_by_an_older_layout_is_still_understood(registry: Registry, stub_of: StubOf) -> None:
    publish_linear(registry, "linear", (1.0,), features=(Feature(name="income"),), aliases=("champion",))
    publish_neighbors(registry, "around")
    digests = []
    turned = AROUND.replace("[age, late]", "[late]").replace("around@champion", "linear@champion")
    for route in (ALONE, turned, AROUND):
        apply(registry, route)
        digests.append(catalog_of(registry).routes["around"].layout.digest)
    stub = stub_of()
    alone = packed(digests[0], [[1.0], [2.0]], route="around")
    late_only = packed(digests[1], [[1.0], [2.0]], route="around")
    late_only.packed.neighbors = np.array([3, 4], "<f4").tobytes()
    late_only.packed.neighbor_counts = np.array([0, 2], "<i4").tobytes()
    both = [np.frombuffer(stub.Score(each).packed.scores, "<f4") for each in (alone, late_only)]
    np.testing.assert_allclose(both[0], sigmoid([1.0, 2.0]), atol=1e-6)
    np.testing.assert_allclose(both[1], sigmoid([1.0, 2.7]), atol=1e-6)


def test_calls_of_several_callers_are_scored_in_one_batch(around: Registry) -> None:
    draw = np.random.default_rng(5)
    circles = [people(draw, [count, 1]) for count in (0, 6, 2)]
    requests = [
        named(*(entity(f"u{at}", income=0, neighbors=one) for at, one in enumerate(circle)), route="around")
        for circle in circles
    ]
    answers, seen = scored(catalog_of(around), *requests)
    assert len(seen) == 1
    found = [[score.score for score in answer.scores] for answer in answers]
    for scores, circle in zip(found, circles, strict=True):
        assert scores == pytest.approx([expected(0, one) for one in circle], abs=1e-6)


def test_neighbors_come_back_from_the_journal_as_they_were_sent(around: Registry, tmp_path: Path) -> None:
    circles: list[Neighbors] = [[], [{"late": 1.0}, {"age": 2.0}]]
    request = named(*(entity(f"u{at}", income=1, neighbors=one) for at, one in enumerate(circles)), route="around")
    rows = journaled(around, tmp_path, request)
    assert [row["neighbor.late"] for row in rows] == [[], [1.0, None]]
    assert [row["neighbor.age"] for row in rows] == [[], [None, 2.0]]


def test_what_is_sensitive_of_a_unit_is_not_written_of_its_neighbors(registry: Registry, tmp_path: Path) -> None:
    publish_neighbors(registry, "around")
    secret = Feature(name="late", sensitive=True)
    publish_linear(registry, "watch", (1.0, 0.0), features=(Feature(name="income"), secret), aliases=("champion",))
    with_late = AROUND.replace("{income: number}", "{income: number, late: number}")
    apply(registry, with_late + "shadows: [{model: watch@champion, sample: 100}]\n")
    request = named(entity("u", income=1, late=2.0, neighbors=[{"late": 1.0, "age": 7.0}]), route="around")
    for hasher in (None, Hasher(b"k" * 16)):
        (row,) = journaled(registry, tmp_path / str(hasher is None), request, hasher=hasher)
        assert "neighbor.late" not in row
        assert row["neighbor.age"] == [7.0]


def test_what_is_sensitive_of_a_unit_is_not_written_of_its_steps(registry: Registry, tmp_path: Path) -> None:
    publish_sequence(registry, "past", aliases=("champion",))
    secret = Feature(name="late", sensitive=True)
    publish_linear(registry, "watch", (1.0,), features=(secret,), aliases=("champion",))
    around = "neighbors: {features: [age, late], max_neighbors: 6}"
    route = AROUND.replace(around, "sequence: {features: [paid, late], max_length: 6}")
    route = route.replace("{income: number}", "{late: number}").replace("around@", "past@")
    apply(registry, route + "shadows: [{model: watch@champion, sample: 100}]\n")
    request = named(entity("u", late=2.0, steps=[{"paid": 1.0, "late": 7.0}]), route="around")
    (row,) = journaled(registry, tmp_path, request)
    assert "step.late" not in row
    assert row["step.paid"] == [1.0]


def journaled(
    registry: Registry, folder: Path, request: pb.ScoreRequest, *, hasher: Hasher | None = None
) -> list[dict[str, object]]:
    _, seen = scored(catalog_of(registry), request)
    journal = journal_in(folder / "journal", hasher=hasher)
    for one in seen:
        journal(one)
    journal.close()
    return [row for records in read_records([folder / "journal"], Selection()) for row in records.rows()]


def test_rows_are_grouped_by_how_many_of_each_they_have() -> None:
    def items(*counts: int) -> Items:
        total = np.array(counts, np.int32)
        return Items.of(np.ones((sum(counts), 1), np.float32), total, np.arange(len(counts)), np.zeros(1, np.intp))

    groups = groups_of([items(1, 30, 1, 31, 1, 2), items(0, 5, 1, 0, 8, 0)])
    assert sorted(map(list, groups)) == [[0, 2], [1], [3], [4], [5]]
    assert [list(group) for group in groups_of([items(0)])] == [[0]]
    assert items(0, 2, 0).padded(np.array([0, 2])).shape == (2, 1, 1)
