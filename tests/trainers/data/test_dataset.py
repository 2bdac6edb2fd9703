from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pytest

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.columns import Columns, FeatureSpec, Positive, SequenceSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.errors import DataError
from tests.trainers.tables import HISTORY, TABLE, Capsule, histories, people, split_table


@pytest.mark.parametrize("wrap", [pa.table, Capsule, lambda frame: frame])
def test_anything_that_speaks_arrow_gives_the_same_dataset(wrap: object) -> None:
    expected = Dataset.from_table(people(50), TABLE)
    data = Dataset.from_table(wrap(people(50)), TABLE)  # type: ignore[operator]
    np.testing.assert_array_equal(data.batch.table, expected.batch.table)
    assert data.inputs == expected.inputs


def test_what_is_no_table_is_refused() -> None:
    with pytest.raises(DataError, match="Arrow PyCapsule"):
        Dataset.from_table([{"income": 1}], TABLE)


def test_numbers_stay_and_categories_become_codes_of_a_sorted_vocabulary() -> None:
    frame = pl.DataFrame({"x": [1.5, None, 2.5], "c": ["b", "a", None], "y": [0, 1, 0]})
    data = Dataset.from_table(frame, Columns(label="y", features="auto"))
    assert data.inputs.features == (Feature(name="x"), Feature(name="c", kind="category", vocabulary=("a", "b")))
    np.testing.assert_array_equal(data.batch.table, np.array([[1.5, 1], [np.nan, 0], [2.5, np.nan]], np.float32))


def test_the_vocabulary_comes_from_training_rows_and_other_names_get_the_code_behind_it() -> None:
    frame = pl.DataFrame({"c": ["a", "b"] * 4 + ["new", "a"], "y": [0, 1] * 5})
    validation = Validation(kind="last_fraction", fraction=0.2)
    learned, judged = split_table(frame, Columns(label="y", features="auto"), validation=validation)
    assert learned.inputs.features[0].vocabulary == ("a", "b")
    assert judged.batch.table[:, 0].tolist() == [2, 0]


def test_whole_numbers_as_categories_are_named_as_integers_even_beside_missing_values() -> None:
    frame = pl.DataFrame({"c": [3.0, None, 1.0], "y": [0, 1, 0]})
    data = Dataset.from_table(frame, Columns(label="y", features=(FeatureSpec(name="c", kind="category"),)))
    assert data.inputs.features[0].vocabulary == ("1", "3")


def test_values_are_prepared_as_the_server_prepares_them() -> None:
    inputs = InputContract(
        features=(
            Feature(name="x", min=0, max=10, default=5),
            Feature(name="c", kind="category", vocabulary=("a",), default="a"),
        )
    )
    frame = pl.DataFrame({"x": [-3, 99, None], "c": ["z", None, "a"], "y": [0, 1, 0]})
    data = Dataset.from_table(frame, Columns(label="y", features="auto"), inputs=inputs)
    np.testing.assert_array_equal(data.batch.table, [[0, 1], [10, 0], [5, 0]])


@pytest.mark.parametrize(
    ("columns", "values", "message"),
    [
        (
            {},
            ["0.1", "abc", "9", "abc", "x", "?"],
            r"'x' is declared a number but holds text: 'abc', 'x', '\?' in 4 of 6 rows \(66.7%\); `null_values: ",
        ),
        ({"required": True}, [1.0, None], "'x' is required and missing in 1 rows"),
        ({}, [1.0, float("inf")], "'x' holds infinite values"),
        ({}, [1.0, -1e39], r"'x' holds numbers beyond 3.4e\+38, the largest float32: clean or scale it"),
        ({"kind": "category"}, [1.0, 1.5], "'x' is a category but holds fractions"),
        ({"kind": "category"}, [" a", "b"], "'x' cannot be a category: feature ' a' is not a valid name"),
        ({"kind": "category", "vocabulary": ("a",), "unseen": "refuse"}, ["a", "b"], "'x' has names outside"),
        ({"min": 3, "max": 1}, [1.0, 2.0], "'x' cannot be a feature: .*min is above max"),
    ],
)
def test_a_column_that_does_not_fit_is_named(columns: dict[str, object], values: list[object], message: str) -> None:
    frame = pl.DataFrame({"x": values, "y": [0, 1] * (len(values) // 2)})
    spec = FeatureSpec.model_validate({"name": "x", "kind": "number", **columns})
    with pytest.raises(DataError, match=message):
        Dataset.from_table(frame, Columns(label="y", features=(spec,)))


@pytest.mark.parametrize("kind", [pl.String, pl.Null, pl.Float64])
def test_a_number_that_is_missing_in_every_row_is_a_number_all_the_same(kind: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"x": pl.Series([None, None], dtype=kind), "y": [0, 1]})
    data = Dataset.from_table(frame, Columns(label="y", features=(FeatureSpec(name="x", kind="number"),)))
    assert np.isnan(data.batch.table).all()
    assert Dataset.from_table(frame, Columns(label="y", sequence=SequenceSpec(steps={"s": ("x",)}))).lengths is not None


@pytest.mark.parametrize("kind", [pl.String, pl.Null])
def test_a_column_without_values_and_kind_is_named_with_what_to_do(kind: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"x": pl.Series([None, None], dtype=kind), "y": [0, 1]})
    with pytest.raises(DataError, match="'x' holds nothing, so its kind is unknown: exclude it or declare one"):
        Dataset.from_table(frame, Columns(label="y", features="auto"))


def test_steps_beyond_a_float32_are_refused_as_a_server_does() -> None:
    frame = pl.DataFrame({"x": [1.0, 1e39], "y": [0, 1]})
    with pytest.raises(DataError, match="'x' holds numbers beyond"):
        Dataset.from_table(frame, Columns(label="y", sequence=SequenceSpec(steps={"s": ("x",)})))


def test_dates_are_no_features() -> None:
    frame = pl.DataFrame({"seen": ["2024-01-01"], "y": [1]}).with_columns(pl.col("seen").str.to_date())
    with pytest.raises(DataError, match="'seen' holds Date"):
        Dataset.from_table(frame, Columns(label="y", features="auto"))


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(DataError, match="'visit' is not in the table; did you mean 'visits'\\? it has income, age"):
        Dataset.from_table(people(5), Columns(label="label", features=(FeatureSpec(name="visit"),)))


@pytest.mark.parametrize(
    ("values", "holds", "example"),
    [
        ([0, 1, 2], "0, 1, 2", "2"),
        (["gone", "here", "gone"], "'gone', 'here'", "here"),
        (["0", "1", "1"], "'0', '1'", "'1'"),
        (["no", "yes", "no"], "'no', 'yes'", "'yes'"),
        ([0.5, 1.0, 0.0], "0.0, 0.5, 1.0", "1.0"),
        ([2, 1, 1], "1, 2", "2"),
    ],
)
def test_a_label_that_is_not_0_or_1_is_refused(values: list[object], holds: str, example: str) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3], "y": values})
    message = f"'y' is the label and must be 0 or 1 in every row; it holds {holds}; .* `positive: {example}`"
    with pytest.raises(DataError, match=message):
        Dataset.from_table(frame, Columns(label="y", features="auto"))


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["gone", "here", "gone"], "gone"),
        ([2, 1, 2], 2),
        ([2.0, 1.0, 2.0], 2),
        ([2, 1, 2], 2.0),
        ([True, False, True], True),
        (["yes", "no", "yes"], True),
        (["No", "Yes", "No"], False),
        (["1", "0", "1"], 1),
        (["a", "b", "a"], "a"),
    ],
)
def test_the_value_that_counts_as_1_can_be_named(values: list[object], positive: Positive) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3], "y": values})
    assert Dataset.from_table(frame, Columns(label="y", positive=positive, features="auto")).label.tolist() == [1, 0, 1]


def test_a_positive_value_that_never_occurs_is_answered_with_the_nearest() -> None:
    frame = pl.DataFrame({"x": [1, 2, 3], "y": ["gone", "here", "gone"]})
    with pytest.raises(DataError, match="never has the value 'gon' of 'positive': did you mean 'gone'"):
        Dataset.from_table(frame, Columns(label="y", positive="gon", features="auto"))
    with pytest.raises(DataError, match="never has the value 'true' of 'positive': it holds 'gone', 'here'"):
        Dataset.from_table(frame, Columns(label="y", positive=True, features="auto"))


@pytest.mark.parametrize("values", [[0, None, 1, None], ["0", "NA", "1", "NA"], [0.0, float("nan"), 1.0, None]])
def test_a_label_with_gaps_is_refused_with_their_rows(values: list[object]) -> None:
    frame = pl.DataFrame({"x": [1, 2, 3, 4], "y": values})
    with pytest.raises(DataError, match=r"'y' is the label and missing in 2 of 4 rows \(row 2, 4\): remove or fill"):
        Dataset.from_table(frame, Columns(label="y", features="auto"))


def test_training_rows_with_one_label_are_refused() -> None:
    frame = pl.DataFrame({"x": [1.0] * 10, "y": [0] * 8 + [1, 1]})
    with pytest.raises(DataError, match="one value only in the training rows"):
        split_table(frame, Columns(label="y", features="auto"), validation=Validation(kind="last_fraction"))


def test_long_histories_are_sorted_grouped_and_padded_behind() -> None:
    frame = pl.DataFrame(
        {"who": ["b", "a", "b", "b"], "day": [2, 1, 1, 3], "v": [20.0, 7.0, 10.0, None], "y": [1, 0, 1, 1]}
    )
    spec = SequenceSpec(entity="who", order="day", features=("v",))
    data = Dataset.from_table(frame, Columns(label="y", sequence=spec))
    sequence, lengths = data.batch.history
    assert lengths.tolist() == [3, 1]
    np.testing.assert_array_equal(sequence[:, :, 0], [[10, 20, np.nan], [7, 0, 0]])
    assert data.label.tolist() == [1, 0]
    assert data.unit is not None
    assert data.unit.to_list() == ["b", "a"]
    assert data.inputs.sequence is not None
    assert data.inputs.sequence.max_length == 3


def test_a_history_that_is_too_long_keeps_its_newest_steps() -> None:
    frame = pl.DataFrame({"who": ["a"] * 4, "day": [1, 2, 3, 4], "v": [1.0, 2.0, 3.0, 4.0], "y": [1] * 4})
    spec = SequenceSpec(entity="who", order="day", features=("v",), max_length=2)
    sequence, lengths = Dataset.from_table(frame, Columns(label="y", sequence=spec)).batch.history
    assert (sequence[0, :, 0].tolist(), lengths.tolist()) == ([3, 4], [2])


def test_a_contract_limits_histories_of_new_rows() -> None:
    short = Dataset.from_table(histories(20, longest=4), HISTORY)
    assert Dataset.from_table(histories(20, longest=9), HISTORY, inputs=short.inputs).batch.history[1].max() == 4


def test_wide_columns_become_steps_oldest_first() -> None:
    frame = pl.DataFrame({"p3": [1, 4], "p2": [2, 5], "p1": [3, 6], "b": [0, 0], "y": [0, 1]})
    spec = SequenceSpec(steps={"pay": ("p3", "p2", "p1"), "zero": ("b", "b", "b")})
    sequence, lengths = Dataset.from_table(frame, Columns(label="y", sequence=spec)).batch.history
    assert sequence[:, :, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert not sequence[:, :, 1].any()
    assert lengths.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"day": [1, 1]}, "'day' repeats within one 'who'"),
        ({"who": ["a", None]}, "'who' has missing values"),
        ({"y": [0, 1]}, "'y' changes within one 'who'"),
        ({"v": ["x", "y"]}, "'v' is a step feature and must be a number"),
    ],
)
def test_steps_without_order_are_refused(change: dict[str, list[object]], message: str) -> None:
    frame = pl.DataFrame({"who": ["a", "a"], "day": [1, 2], "v": [1.0, 2.0], "y": [1, 1], **change})
    spec = SequenceSpec(entity="who", order="day", features=("v",))
    with pytest.raises(DataError, match=message):
        Dataset.from_table(frame, Columns(label="y", sequence=spec))


def test_auto_takes_every_column_without_another_role() -> None:
    columns = Columns(label="y", time="t", unit="u", features="auto", exclude=("z",))
    assert [spec.name for spec in columns.feature_specs(["a", "y", "t", "b", "u", "z"])] == ["a", "b"]


def test_auto_refuses_to_exclude_what_is_not_there() -> None:
    with pytest.raises(
        DataError, match=r"'leak' is excluded and not in the table; did you mean 'leaks'\? it has leaks, y"
    ):
        Columns(label="y", features="auto", exclude=("leak",)).feature_specs(["leaks", "y"])


@pytest.mark.parametrize("name", ["", " age", "a\nb"])
def test_auto_names_a_column_that_can_be_no_feature(name: str) -> None:
    with pytest.raises(DataError, match=r"cannot be a feature: feature .* valid name.*leave it out with `exclude: \["):
        Columns(label="y", features="auto").feature_specs(["y", name])
    assert Columns(label="y", features="auto", exclude=(name,)).feature_specs(["y", name]) == ()


@pytest.mark.parametrize("index", ["", "__index_level_0__"])
def test_auto_leaves_out_the_index_that_pandas_writes(index: str) -> None:
    assert [spec.name for spec in Columns(label="y", features="auto").feature_specs([index, "x", "y"])] == ["x"]


def test_auto_in_a_list_stands_for_the_columns_that_are_not_described() -> None:
    columns = Columns(label="y", features=(FeatureSpec(name="b", min=0), "auto"), exclude=("c",))
    specs = columns.feature_specs(["a", "b", "c", "d", "y"])
    assert [(spec.name, spec.min) for spec in specs] == [("a", None), ("b", 0), ("d", None)]
    missing = Columns(label="y", features=("auto", FeatureSpec(name="income")))
    with pytest.raises(DataError, match="'income' is not in the table"):
        Dataset.from_table(pl.DataFrame({"x": [1, 2], "y": [0, 1]}), missing)


def test_a_column_that_no_row_lacks_is_required_unless_the_recipe_says_otherwise() -> None:
    frame = pl.DataFrame({"full": [1.0, 2, 3], "gap": [1.0, None, 3], "nan": [1.0, 2, float("nan")], "y": [0, 1, 0]})
    features = [("full", True), ("gap", False), ("nan", False)]
    inferred = Dataset.from_table(frame, Columns(label="y", features="auto")).inputs
    assert [(feature.name, feature.required) for feature in inferred.features] == features
    said = Columns(label="y", features=(FeatureSpec(name="full", required=False), FeatureSpec(name="gap", default=0.0)))
    assert not any(feature.required for feature in Dataset.from_table(frame, said).inputs.features)
    default = Columns(label="y", features=(FeatureSpec(name="full", default=0.0),))
    assert not Dataset.from_table(frame, default).inputs.features[0].required


def test_a_column_that_validation_rows_lack_is_not_required() -> None:
    frame = pl.DataFrame({"x": [1.0] * 8 + [None, 2.0], "y": [0, 1] * 5})
    training, validation = split_table(
        frame, Columns(label="y", features="auto"), validation=Validation(kind="last_fraction")
    )
    assert not training.inputs.features[0].required
    assert np.isnan(validation.batch.table[0, 0])


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"features": np.zeros((2, 3))},
        {"sequence": np.zeros((2, 3, 1), np.float32)},
        {"sequence": np.zeros((2, 3, 1), np.float32), "lengths": np.array([0, 3])},
        {"sequence": np.zeros((2, 3, 1), np.float32), "lengths": np.array([4, 3])},
        {
            "features": np.zeros((1, 3), np.float32),
            "sequence": np.zeros((2, 3, 1), np.float32),
            "lengths": np.ones(2, int),
        },
    ],
)
def test_a_batch_that_no_graph_takes_cannot_be_made(parts: dict[str, npt.NDArray[Any]]) -> None:
    with pytest.raises(ValueError, match=r"batch|come together|lengths|is float32"):
        Batch(**parts)
