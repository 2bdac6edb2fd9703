import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoreline_registry.documents.contract import Feature
from scoreline_trainers.evaluation.baseline import Baseline, baseline, count_category, count_number
from tests.trainers.tables import HISTORY, dataset


@given(st.lists(st.floats(width=32, allow_infinity=False), max_size=60))
def test_every_value_is_counted_once(values: list[float]) -> None:
    counted = count_number(np.array(values, np.float32))
    assert sum(counted.counts) + counted.missing == len(values)
    assert len(counted.counts) == len(counted.edges) + 1
    assert sorted(set(counted.edges)) == list(counted.edges)


def test_numbers_are_counted_between_their_deciles() -> None:
    counted = count_number(np.arange(100, dtype=np.float32))
    assert counted.edges == tuple(float(edge) for edge in range(9, 99, 10))
    assert counted.counts == (10,) * 10


def test_a_value_on_an_edge_belongs_below_it() -> None:
    counted = count_number(np.array([1, 1, 1, 1, 2], np.float32))
    assert (counted.edges, counted.counts) == ((1.0, 2.0), (4, 1, 0))


def test_names_others_and_missing_are_counted_apart() -> None:
    feature = Feature(name="c", kind="category", vocabulary=("a", "b"))
    counted = count_category(np.array([0, 0, 2, np.nan], np.float32), feature)
    assert (counted.counts, counted.other, counted.missing) == ({"a": 2, "b": 0}, 1, 1)


def test_a_baseline_survives_its_file() -> None:
    data = dataset()
    made = baseline(data, np.linspace(0, 1, 50))
    assert Baseline.model_validate_json(made.model_dump_json()) == made
    assert made.numbers.keys() | made.categories.keys() == {f.name for f in data.inputs.features}
    assert sum(made.score.counts) == 50


def test_padding_is_not_counted() -> None:
    data = dataset(HISTORY)
    made = baseline(data, np.linspace(0, 1, 50))
    assert sum(made.steps["spent"].counts) == int(data.batch.history[1].sum())
