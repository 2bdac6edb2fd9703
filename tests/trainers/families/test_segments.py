"""Where each row's segment stands, natively and in a graph."""

import numpy as np
import pytest

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch, Float32, Int64
from scoreline_trainers.errors import FitError
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.heads.segments import Segments

INPUTS = InputContract(
    features=(Feature(name="age"), Feature(name="plan", kind="category", vocabulary=("free", "gold", "team")))
)
SEGMENTS = Segments.of(INPUTS, "plan", family="segmented")
CODES = np.array([0, 1, 2, 3, np.nan, -1, 77, 1.9, -0.5], np.float32)
ROWS = np.stack([np.zeros_like(CODES), CODES], axis=1)


def places_in_a_graph(segments: Segments, features: Float32) -> Int64:
    graph = GraphBuilder(INPUTS)
    model = graph.build_outputs({"place": Extra(segments.emit(graph).cast(np.float32).name)})
    return OnnxScorer(model.SerializeToString()).run(Batch(features=features))["place"].astype(np.int64)


def test_every_name_has_a_place_and_everyone_else_the_last() -> None:
    assert SEGMENTS.fallback == 3
    np.testing.assert_array_equal(SEGMENTS.places(ROWS), [0, 1, 2, 3, 3, 3, 3, 1, 0])


def test_segments_that_are_left_out_go_to_the_fallback() -> None:
    some = SEGMENTS.only({"team", "free"})
    assert (some.names, some.fallback) == (("free", "team"), 2)
    np.testing.assert_array_equal(some.places(ROWS[:5]), [0, 2, 1, 2, 2])
    np.testing.assert_array_equal(SEGMENTS.only(()).places(ROWS[:5]), [0] * 5)


@pytest.mark.parametrize("segments", [SEGMENTS, SEGMENTS.only({"gold"}), SEGMENTS.only(())])
@pytest.mark.parametrize("rows", [1, 7, 256])
def test_a_graph_finds_the_same_places(segments: Segments, rows: int) -> None:
    features = np.resize(ROWS, (rows, 2))
    np.testing.assert_array_equal(places_in_a_graph(segments, features), segments.places(features))


def test_only_a_category_has_segments() -> None:
    with pytest.raises(FitError, match=r"'segmented' learns from segments in 'age', a number: declare it 'kind: cat"):
        Segments.of(INPUTS, "age", family="segmented")
    with pytest.raises(FitError, match=r"learns from segments in the feature 'tier', and the features are age, plan$"):
        Segments.of(INPUTS, "tier", family="segmented")
