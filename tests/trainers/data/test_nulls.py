import re
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.strict_yaml import read_yaml
from scoreline_trainers.data.columns import Columns, FeatureSpec, SequenceSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.nulls import NULL_TEXTS, NullsRead, without_null_texts
from scoreline_trainers.errors import DataError


@pytest.mark.parametrize("text", [*NULL_TEXTS, " NA"])
def test_a_column_of_numbers_beside_a_text_for_none_is_a_column_of_numbers(text: str) -> None:
    frame, read = without_null_texts(pl.DataFrame({"income": ["9120", text, "12.5", None]}))
    assert frame["income"].to_list() == [9120, None, 12.5, None]
    assert read == (NullsRead("income", {text: 1}),)


def test_whole_numbers_stay_whole() -> None:
    frame, _ = without_null_texts(pl.DataFrame({"dependents": ["0", "NA", "2"]}))
    assert frame["dependents"].dtype == pl.Int64


def test_names_keep_a_text_that_may_be_one_of_them() -> None:
    """NA is Namibia."""
    table = pl.DataFrame({"country": ["DE", "NA", "PE"], "only": ["NA", "NA", "NA"]})
    frame, read = without_null_texts(table)
    assert (frame.to_dict(as_series=False), read) == (table.to_dict(as_series=False), ())


def test_a_recipe_lists_its_own_texts_for_every_column() -> None:
    table = pl.DataFrame({"city": ["x", "lima", "x"], "income": ["x", "5", "7"], "code": ["NA", "5", "7"]})
    frame, read = without_null_texts(table, ["x"])
    assert frame["city"].to_list() == [None, "lima", None]
    assert frame["income"].to_list() == [None, 5, 7]
    assert frame["code"].to_list() == ["NA", "5", "7"]
    assert read == (NullsRead("city", {"x": 2}), NullsRead("income", {"x": 1}))
    assert without_null_texts(table, [])[1] == ()


def test_ids_stay_as_they_are() -> None:
    table = pl.DataFrame({"unit": ["1", "NA", "2"]})
    assert without_null_texts(table, ids=("unit",))[0].equals(table)


@pytest.mark.parametrize("columns", [{}, {"features": (FeatureSpec(name="x", kind="number"),)}])
def test_a_dataset_has_missing_numbers_there(columns: dict[str, Any]) -> None:
    frame = pl.DataFrame({"x": ["1.5", "NA", "2"], "y": [0, 1, 0]})
    data = Dataset.from_table(frame, Columns(label="y", **{"features": "auto", **columns}))
    np.testing.assert_array_equal(data.batch.table[:, 0], np.array([1.5, np.nan, 2], np.float32))
    assert data.inputs.features[0].kind == "number"


def test_steps_of_a_history_may_be_missing_in_the_same_way() -> None:
    frame = pl.DataFrame({"x": ["1.5", "NA"], "y": [0, 1]})
    data = Dataset.from_table(frame, Columns(label="y", sequence=SequenceSpec(steps={"s": ("x",)})))
    np.testing.assert_array_equal(data.batch.history[0][:, 0, 0], np.array([1.5, np.nan], np.float32))


def test_another_text_is_named_with_its_share_and_the_key_that_helps() -> None:
    frame = pl.DataFrame({"x": ["1.5", "unknown", "2", "3"], "y": [0, 1, 0, 1]})
    columns = Columns(label="y", features=(FeatureSpec(name="x", kind="number"),))
    message = r"'x' is declared a number but holds text: 'unknown' in 1 of 4 rows \(25.0%\); `null_values: \[unknown\]`"
    with pytest.raises(DataError, match=message):
        Dataset.from_table(frame, columns)
    steps = Columns(label="y", sequence=SequenceSpec(steps={"s": ("x",)}))
    with pytest.raises(
        DataError, match=r"'x' is a step feature and must be a number but holds text: 'unknown' in 1 of 4"
    ):
        Dataset.from_table(frame, steps)


@pytest.mark.parametrize(("text", "written"), [("~", "['~']"), ("no value", "[no value]"), ("off", "['off']")])
def test_the_key_that_helps_is_written_as_yaml_needs_it(text: str, written: str) -> None:
    frame = pl.DataFrame({"x": ["1.5", text, "2", "3"], "y": [0, 1, 0, 1]})
    with pytest.raises(DataError, match=re.escape(f"`null_values: {written}`")):
        Dataset.from_table(frame, Columns(label="y", features=(FeatureSpec(name="x", kind="number"),)))
    assert read_yaml(f"null_values: {written}", source="advice") == {"null_values": [text]}


@pytest.mark.parametrize("missing", ["-", "2"])
def test_decimal_commas_are_named_and_not_offered_as_missing_values(missing: str) -> None:
    frame = pl.DataFrame({"x": ["1,5", missing, "-2,25", "3,0"] * 600, "y": [0, 1, 0, 1] * 600})
    declared = Columns(label="y", features=(FeatureSpec(name="x", kind="number"),))
    with pytest.raises(DataError, match=r"'x' is declared a number .*; these numbers have a decimal comma"):
        Dataset.from_table(frame, declared)
    many = frame.with_columns(x=pl.int_range(pl.len()).cast(pl.String) + ",5")
    with pytest.raises(DataError, match=r"2,400 distinct names .*; these numbers have a decimal comma"):
        Dataset.from_table(many, Columns(label="y", features="auto"))


def test_numbers_written_as_text_are_numbers_where_they_are_declared_so() -> None:
    frame = pl.DataFrame({"x": ["1.5", "2"], "y": [0, 1]})
    data = Dataset.from_table(frame, Columns(label="y", features=(FeatureSpec(name="x", kind="number"),)))
    assert data.batch.table[:, 0].tolist() == [1.5, 2]


def test_too_many_names_beside_a_text_for_none_say_which_it_is() -> None:
    values = [*map(str, range(1500)), "unknown"]
    frame = pl.DataFrame({"x": values, "y": [0, 1] * 750 + [0]})
    message = r"'x' has 1,501 distinct names .* because of 'unknown' in 1 of 1,501 rows \(0.1%\): `null_values: \[unkn"
    with pytest.raises(DataError, match=message):
        Dataset.from_table(frame, Columns(label="y", features="auto"))
