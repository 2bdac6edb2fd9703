"""Edges between rows of a table, files without a header, and numbered rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from scoreline_trainers.data.columns import Columns, FeatureSpec, NeighborSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.training_tables.assembly import TrainingTable, training_table
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import DataError

PEOPLE = "who,age,late\na,30,0\nb,40,1\nc,50,0\nd,60,1\n"
EDGES = "one,other\nb,a\na,c\nc,c\nc,b\na,b\n"
KNOWS = {"file": "edges.csv", "ends": ["one", "other"], "by": "who"}


def made(folder: Path, spec: Mapping[str, Any], people: str = PEOPLE, edges: str = EDGES) -> TrainingTable:
    (folder / "people.csv").write_text(people)
    (folder / "edges.csv").write_text(edges)
    return training_table(Sources.model_validate({"table": "people.csv", **spec}), folder=folder)


@pytest.mark.parametrize(
    ("directed", "near"),
    [(False, [["b", "c"], ["a", "c"], ["a", "b"], []]), (True, [["c", "b"], ["a"], ["b"], []])],
)
def test_each_row_lists_its_neighbors_once_in_the_order_of_the_file(
    tmp_path: Path, directed: bool, near: list[list[str]]
) -> None:
    table = made(tmp_path, {"edges": {**KNOWS, "directed": directed}})
    assert table.frame.columns == ["who", "age", "late", "neighbors"]
    assert table.frame["neighbors"].to_list() == near
    assert table.notes == ()


def test_edges_to_rows_that_are_not_there_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = {"table": {"file": "people.csv", "where": "age < 50"}, "edges": {**KNOWS, "name": "knows"}}
    table = made(tmp_path, rows)
    assert table.frame["knows"].to_list() == [["b"], ["a"]]
    assert table.notes == ("edges.csv: 2 edges left out, with an end that is no 'who' of the table",)


def test_rows_are_numbered_before_any_is_left_out_and_files_may_lack_a_header(tmp_path: Path) -> None:
    edges = {"file": "edges.csv", "separator": "whitespace", "names": ["one", "other"], "ends": ["one", "other"]}
    rows = {"file": "people.csv", "row_number": "node", "where": "age >= 40"}
    table = made(
        tmp_path, {"table": rows, "edges": {**edges, "by": "node"}}, edges="1.0e0 3.0e0\n2.0e0 1.0e0\n0.0e0 1.0e0\n"
    )
    assert table.frame["node"].to_list() == [1, 2, 3]
    assert table.frame["neighbors"].to_list() == [["3", "2"], ["1"], ["1"]]


def test_a_model_reads_the_neighbors_of_an_edge_file(tmp_path: Path) -> None:
    table = made(tmp_path, {"edges": KNOWS})
    columns = Columns(
        label="late",
        unit="who",
        features=(FeatureSpec(name="age"),),
        neighbors=NeighborSpec(ids="neighbors", features=("age",)),
    )
    neighbors, mask = Dataset.from_table(table.frame, columns).batch.neighborhood
    np.testing.assert_array_equal(neighbors[:, :, 0], [[40, 50], [30, 50], [30, 40], [0, 0]])
    np.testing.assert_array_equal(mask.sum(axis=1), [2, 2, 2, 0])


def test_units_that_were_read_as_decimals_are_found_by_their_whole_numbers(tmp_path: Path) -> None:
    people = "who,age,late\n1.0,30,0\n2.0,40,1\n"
    frame = made(tmp_path, {"edges": KNOWS}, people, "one,other\n1,2\n").frame
    assert frame.schema["who"] == pl.Float64
    columns = Columns(
        label="late",
        unit="who",
        features=(FeatureSpec(name="age"),),
        neighbors=NeighborSpec(ids="neighbors", features=("age",)),
    )
    assert Dataset.from_table(frame, columns).batch.neighborhood[0].ravel().tolist() == [40, 30]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"edges": {**KNOWS, "by": "whom"}}, "column 'whom' is not in the table; did you mean 'who'"),
        ({"edges": {**KNOWS, "name": "age"}}, "column 'age' is in the table already: give the edges another 'name'"),
        ({"edges": {**KNOWS, "ends": ["one", "two"]}}, "edges.csv: column 'two' is not in the table"),
        (
            {"edges": {**KNOWS, "names": ["one"], "ends": ["one", "x"]}},
            "has 2 columns in its first line, and 'names' are 1",
        ),
        ({"table": {"file": "people.csv", "row_number": "age"}}, "column 'age' is a column of people.csv already"),
    ],
)
def test_edges_that_do_not_fit_are_one_clear_line(tmp_path: Path, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(tmp_path, spec)


def test_an_edge_has_two_ends() -> None:
    with pytest.raises(ValidationError, match="'ends' are two columns, not 'one' twice"):
        Sources.model_validate({"table": "people.csv", "edges": {**KNOWS, "ends": ["one", "one"]}})
