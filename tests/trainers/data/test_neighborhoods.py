"""Neighbours from a table to a batch, and what the gate finds of graphs that read them wrongly."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from scoreline_registry.documents.contract import Feature, InputContract, NeighborContract, ScoreContract
from scoreline_registry.documents.ragged import NEIGHBORS
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.columns import Columns, FeatureSpec, NeighborSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import partition
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.errors import DataError, FitError
from scoreline_trainers.evaluation.baseline import baseline
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.gate.golden import read_arrays
from scoreline_trainers.gate.probes import from_contract, make_probes, with_garbage
from scoreline_trainers.graph.builder import GraphBuilder
from tests.trainers.tables import GRAPH, TABLE, dataset, fit, friends, split_table

NAN = float("nan")
COLUMNS = Columns(
    label="y",
    unit="who",
    features=(FeatureSpec(name="x"),),
    neighbors=NeighborSpec(ids="knows", features=("x", "late")),
)
INPUTS = InputContract(features=(Feature(name="x"),), neighbors=NeighborContract(features=("v", "w"), max_neighbors=4))


def people(knows: object, **changes: object) -> pl.DataFrame:
    columns = {"who": ["a", "b", "c"], "x": [1.0, 2.0, 3.0], "late": [0, None, 5], "knows": knows, "y": [0, 1, 0]}
    return pl.DataFrame({**columns, **changes}, strict=False)


@pytest.mark.parametrize("knows", [[["b", "c"], [], ["a"]], ["b c", "", "a"], ["b  c", None, " a "]])
def test_neighbors_are_the_rows_that_are_named(knows: object) -> None:
    data = Dataset.from_table(people(knows), COLUMNS)
    neighbors, mask = data.batch.neighborhood
    assert data.inputs.neighbors == NeighborContract(features=("x", "late"), max_neighbors=2)
    np.testing.assert_array_equal(mask, [[True, True], [False, False], [True, False]])
    np.testing.assert_array_equal(neighbors[mask], [[2, NAN], [3, 5], [1, 0]])
    assert not neighbors[~mask].any()


def test_units_may_be_numbers() -> None:
    data = Dataset.from_table(people([[2], [3, 1], []], who=[1, 2, 3]), COLUMNS)
    np.testing.assert_array_equal(data.batch.neighborhood[0][1, :, 0], [3, 1])


def test_one_neighbor_may_be_named_by_its_number_as_files_hold_it() -> None:
    data = Dataset.from_table(people([2, None, 1], who=[1, 2, 3]), COLUMNS)
    assert data.batch.neighborhood[0][:, 0, 0].tolist() == [2, 0, 1]
    assert data.batch.neighborhood[1].tolist() == [[True], [False], [True]]


def test_the_first_neighbors_are_kept_where_there_may_be_no_more() -> None:
    few = COLUMNS.model_copy(update={"neighbors": NeighborSpec(ids="knows", features=("x",), max_neighbors=1)})
    frame = people([["c", "b"], [], ["a"]])
    data = Dataset.from_table(frame, few)
    assert data.batch.neighborhood[0][:, :, 0].tolist() == [[3], [0], [1]]
    again = Dataset.from_table(frame, COLUMNS, inputs=data.inputs)
    assert again.batch.neighborhood[1].shape == (3, 1)


def test_a_table_in_which_nobody_has_a_neighbor_has_one_empty_place() -> None:
    assert Dataset.from_table(people(["", "", ""]), COLUMNS).batch.neighborhood[1].tolist() == [[False]] * 3


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (people([["z"], [], []]), "'knows' names 1 units without a row, such as 'z'"),
        (people([["a"], [], []], who=["a", "b", "a"]), "'who' has duplicate units"),
        (people([1.0, 2.5, 3.0]), "'knows' names neighbors by lists, text or whole numbers, not Float64"),
        (people(["", "", ""], late=["x", "y", "z"]), "'late' is a neighbor feature and must be a number"),
        (people(["", "", ""]).drop("late"), "'late' is not in the table"),
        (people(["", "", ""], x=[1.0, float("inf"), 2.0]), "infinite values"),
    ],
)
def test_neighbors_that_do_not_fit_are_named(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset.from_table(frame, COLUMNS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": None}, "'neighbors' need a 'unit'"),
        ({"neighbors": {"ids": "knows", "features": ("y",)}}, "the label 'y' cannot be an input too"),
        ({"neighbors": {"ids": "knows", "features": ()}}, "give either 'ids' and the 'features'"),
    ],
)
def test_columns_that_make_no_neighbors_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Columns.model_validate({**COLUMNS.model_dump(), **changes})


def test_auto_features_leave_out_the_names_of_neighbors_but_not_what_is_read_of_them() -> None:
    auto = Columns.model_validate({**COLUMNS.model_dump(), "features": "auto"})
    assert [spec.name for spec in auto.feature_specs(["who", "x", "late", "knows", "y"])] == ["x", "late"]


def test_both_sides_of_a_split_see_each_other_as_neighbors() -> None:
    validation = Validation(kind="last_fraction", fraction=0.5)
    learned, judged = split_table(friends(100), GRAPH, validation=validation)
    assert (len(learned), len(judged)) == (50, 50)
    assert judged.inputs.neighbors == learned.inputs.neighbors
    assert judged.batch.neighborhood[1].any()


def test_baselines_count_real_neighbors() -> None:
    data = Dataset.from_table(people([["b", "c"], [], ["a"]]), COLUMNS)
    found = baseline(data, np.array([0.1, 0.2]))
    assert sum(found.neighbors["x"].counts) == 3
    assert found.neighbors["late"].missing == 1
    assert found.neighbor_counts is not None
    assert sum(found.neighbor_counts.counts) == 3


@pytest.mark.parametrize("family", ["logistic", "lightgbm", "random_forest", "isolation_forest", "xgboost", "catboost"])
def test_families_of_features_refuse_neighbors(family: str) -> None:
    with pytest.raises(FitError, match="takes no sequence and no neighbors"):
        fit(family, dataset(GRAPH))


def test_probes_hold_neighborhoods_of_none_one_and_all() -> None:
    probes = make_probes(from_contract(INPUTS, rows=50), INPUTS)
    counts = probes.batch.neighborhood[1].sum(axis=1)
    by_reason = {reason: counts[[at == reason for at in probes.reasons]] for reason in set(probes.reasons)}
    assert set(by_reason["no neighbors"]) == {0}
    assert set(by_reason["one neighbor"]) == {1}
    assert set(by_reason["most neighbors"]) == {4}
    assert np.isnan(probes.batch.neighborhood[0]).any()


def test_strangers_stand_only_where_no_neighbor_is() -> None:
    batch = from_contract(INPUTS, rows=20)
    padded = with_garbage(batch, NEIGHBORS, extra=2)
    (neighbors, mask), (found, seen) = batch.neighborhood, padded.neighborhood
    assert seen.shape == (20, 6)
    np.testing.assert_array_equal(found[seen], neighbors[mask])
    assert not np.isfinite(found[~seen]).all()


def share(graph: GraphBuilder, *, masked: bool = True, fixed: bool = False) -> str:
    """sigmoid of the sum of v over neighbours, missing ones as 0."""
    v = graph.add("Gather", "neighbors", graph.constant(0, np.int64), axis=2)
    known = graph.add("Not", graph.add("IsNaN", v))
    seen = graph.add("And", "neighbor_mask", known) if masked else known
    v = graph.add("Where", seen, v, graph.constant(0, np.float32))
    if fixed:
        v = graph.add("Reshape", v, graph.constant([0, 4], np.int64))
    return graph.add("Sigmoid", graph.add("ReduceSum", v, graph.constant([1], np.int64), keepdims=0))


def check(author: Callable[[GraphBuilder], str]) -> bytes:
    def native(batch: Batch) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        neighbors, mask = batch.neighborhood
        total = np.where(mask & ~np.isnan(neighbors[:, :, 0]), neighbors[:, :, 0], 0).sum(axis=1, dtype=np.float64)
        return {"score": 1 / (1 + np.exp(-total))}

    builder = GraphBuilder(INPUTS)
    return prove(
        builder.build(author(builder)).SerializeToString(),
        subject="toy",
        inputs=INPUTS,
        score=ScoreContract(meaning="test"),
        samples=from_contract(INPUTS, rows=100),
        reference=native,
    ).golden


def test_an_exact_graph_passes_and_its_golden_rows_hold_the_neighbors() -> None:
    golden = read_arrays(check(share))
    assert (golden["neighbors"].dtype.name, golden["neighbor_mask"].dtype.name) == ("float32", "bool")
    assert {0, 4} <= set(golden["neighbor_mask"].sum(axis=1).tolist())


def test_a_graph_that_reads_who_is_no_neighbor_is_found() -> None:
    with pytest.raises(GateError, match="with garbage as padding of the neighbors"):
        check(lambda graph: share(graph, masked=False))


def test_a_graph_that_works_for_one_number_of_neighbors_only_is_found() -> None:
    with pytest.raises(GateError, match=r"it fails on features \[\d+, 1\], neighbors \[\d+, 7, 2\]"):
        check(lambda graph: share(graph, fixed=True))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"neighbors": np.zeros((2, 3, 1), np.float32)}, "come together"),
        ({"neighbors": np.zeros((2, 3, 1), np.float32), "neighbor_mask": np.ones((2, 2), bool)}, "the same K"),
        ({"neighbors": np.zeros((2, 3, 1), np.float32), "neighbor_mask": np.ones((2, 3))}, "neighbor_mask is bool"),
    ],
)
def test_a_batch_has_neighbors_with_their_mask(parts: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Batch(features=np.zeros((2, 1), np.float32), **parts)  # type: ignore[arg-type]


def test_a_model_that_needs_neighbors_says_so() -> None:
    with pytest.raises(ValueError, match="the batch has none"):
        _ = dataset(TABLE).batch.neighborhood


def test_rows_of_the_test_part_are_no_neighbors_of_others() -> None:
    frame = friends(60)
    validation = Validation.model_validate({"test": {"fraction": 0.25, "kind": "last_fraction"}})
    tested = pl.Series(np.arange(60) >= 45)
    feature = GRAPH.neighbors.features[0] if GRAPH.neighbors else pytest.fail("a graph")
    other = frame.with_columns(pl.when(tested).then(1e6).otherwise(pl.col(feature)).alias(feature))
    for table in (frame, other):
        rows = partition(table, GRAPH, validation=validation)
        training = rows.training()
        neighbors, mask = training.batch.neighborhood
        assert not (neighbors == 1e6).any()
        assert mask.any()
        assert (mask[:, :-1] >= mask[:, 1:]).all()
    whole = partition(other, GRAPH, validation=Validation())
    assert (whole.training().batch.neighborhood[0] == 1e6).any()
    test = rows.test(training.inputs)
    assert test is not None
    assert test.batch.neighborhood[1].shape[1] == mask.shape[1]
    assert (test.batch.neighborhood[0] == 1e6).any()
