import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.families.logistic import FittedLogistic
from scoreline_trainers.graph.preprocessing import Design, category_slots
from scoreline_trainers.graph.scaling import LIMIT, Scaling
from scoreline_trainers.graph.scorer import OnnxScorer

FEATURES = (
    Feature(name="x"),
    Feature(name="c", kind="category", vocabulary=("a", "b", "c")),
    Feature(name="z"),
    Feature(name="d", kind="category", vocabulary=("a",)),
)
LEARNED = np.array([[1e9, 0, 1, 0], [3e9, 1, np.nan, 0], [2e9, 2, 1, np.nan]], np.float32)

design = Design.fit(LEARNED, FEATURES)
draw = np.random.default_rng(0)
model = FittedLogistic(InputContract(features=FEATURES), design, draw.normal(size=design.width), 0.1)
scorer = OnnxScorer(model.to_onnx().SerializeToString())

anything = st.floats(width=32)
codes = anything | st.sampled_from([-1.0, -0.2, 0.0, 0.9, 1.0, 2.0, 3.0, 4.0])


@given(st.lists(st.tuples(anything, codes, anything, codes), min_size=1, max_size=20))
def test_the_graph_prepares_any_float_as_the_native_side_does(rows: list[tuple[float, ...]]) -> None:
    batch = Batch(features=np.array(rows, np.float32))
    np.testing.assert_allclose(scorer.score(batch), model.predict(batch), atol=1e-7)


def test_the_matrix_is_scaled_numbers_and_gaps_and_one_column_per_name_other_and_missing() -> None:
    matrix = design.apply(np.array([[2e9, 1, np.nan, np.nan], [2e9, 3, 1, 1]], np.float32))
    assert matrix.shape == (2, design.width) == (2, 2 + 1 + 5 + 3)
    np.testing.assert_array_equal(matrix[:, :2], np.zeros((2, 2)))
    np.testing.assert_array_equal(matrix[0, 2:], [1, 0, 1, 0, 0, 0, 0, 0, 1])
    np.testing.assert_array_equal(matrix[1, 2:], [0, 0, 0, 0, 1, 0, 0, 1, 0])


def test_missing_numbers_become_the_median_and_absurd_ones_are_cut() -> None:
    scaling = Scaling.fit(np.array([[1], [2], [9], [np.nan]], np.float32))
    assert scaling.fill.tolist() == [2]
    assert scaling.apply(np.array([[np.inf], [-1e30]], np.float32)).tolist() == [[LIMIT], [-LIMIT]]


def test_a_column_that_is_always_missing_or_constant_is_harmless() -> None:
    scaling = Scaling.fit(np.array([[np.nan, 7], [np.nan, 7]], np.float32))
    np.testing.assert_array_equal(scaling.apply(np.array([[np.nan, 7]], np.float32)), [[0, 0]])


def test_slots_of_codes_that_no_server_sends_are_those_of_missing() -> None:
    sent = np.array([[0], [1], [2], [np.nan], [-1], [99], [1.9], [-0.9]], np.float32)
    assert category_slots(sent, (2,))[:, 0].tolist() == [0, 1, 2, 3, 3, 3, 1, 0]


def test_gaps_of_training_rows_have_a_column_each() -> None:
    assert design.gaps == (2,)
    assert design.sources == (0, 2, 2, 1, 1, 1, 1, 1, 3, 3, 3)
    matrix = design.apply(np.array([[np.nan, 1, np.nan, 0], [1, 1, 3, 0]], np.float32))
    assert matrix[:, 2].tolist() == [1, 0]
