"""Rows of a layout as the inputs of a model: codes, defaults, limits and what is refused."""

from collections.abc import Sequence

import numpy as np
import pytest

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_server.scoring.binding import Binding, Bound
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.rows import RowBlock

LAYOUT = Layout({"income": "number", "city": "category", "age": "number", "status": "category"})
CITY = Feature(name="city", kind="category", vocabulary=("york", "bath"))
STATUS = Feature(name="status", kind="category", vocabulary=("employed",))
LONG = "x" * 90


def block(
    numbers: Sequence[Sequence[float]], categories: Sequence[Sequence[int]], dictionary: Sequence[str]
) -> RowBlock:
    """Rows of the layout: income and age, city and status."""
    ids = [str(row) for row in range(len(numbers))]
    return RowBlock(ids, np.array(numbers, np.float32), np.array(categories, np.int32), dictionary, (), (), {})


def bound(rows: RowBlock, *features: Feature, of: Sequence[int] | None = None) -> Bound:
    taken = np.arange(len(rows)) if of is None else np.array(of)
    return Binding(InputContract(features=features), LAYOUT).bind(rows, taken)


@pytest.mark.parametrize("unused", [0, 50], ids=["a short dictionary", "a long one"])
def test_categories_become_the_models_codes_and_unseen_ones_are_counted_for_each_column(unused: int) -> None:
    names = ["bath", "employed", "leeds", "york", *(f"name {at}" for at in range(unused))]
    rows = block([[1, 2]] * 5, [[0, 1], [3, 2], [2, 2], [-1, 1], [0, -1]], names)
    found = bound(rows, CITY, STATUS)
    np.testing.assert_array_equal(found.features, [[1, 0], [0, 1], [2, 1], [np.nan, 0], [1, np.nan]])
    assert found.quality is not None
    assert found.quality.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 2, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert found.errors == {}


def test_missing_numbers_get_their_default_and_others_are_clipped() -> None:
    income = Feature(name="income", default=7.0)
    age = Feature(name="age", min=18, max=99)
    found = bound(block([[np.nan, 17], [1, 99], [2, 100], [np.nan, np.nan]], [[-1, -1]] * 4, []), age, income)
    np.testing.assert_array_equal(found.features, [[18, 7], [99, 1], [99, 2], [np.nan, 7]])
    assert found.quality is not None
    assert found.quality.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 0, 0]]


def test_a_binding_leaves_the_block_as_it_is_for_other_models() -> None:
    rows = block([[np.nan, 17], [200, 99]], [[-1, -1]] * 2, [])
    bound(rows, Feature(name="income", default=7.0, max=100), Feature(name="age", min=18))
    np.testing.assert_array_equal(rows.numbers, np.array([[np.nan, 17], [200, 99]], np.float32))


def test_refused_rows_are_left_out_and_say_why_under_their_row_of_the_block() -> None:
    city = CITY.model_copy(update={"unseen": "refuse"})
    income = Feature(name="income", required=True)
    rows = block([[1, 0], [np.nan, 0], [3, 0], [np.inf, 0], [5, 0]], [[0, -1]] * 2 + [[1, -1]] + [[0, -1]] * 2,
                 ["york", LONG])  # fmt: skip
    found = bound(rows, income, city, of=[1, 2, 3, 4])
    assert {row: (error.reason, dict(error.metadata)) for row, error in found.errors.items()} == {
        1: ("MISSING_FEATURE", {"feature": "income"}),
        2: ("UNKNOWN_CATEGORY", {"feature": "city", "category": LONG}),
        3: ("NOT_FINITE", {"feature": "income"}),
    }
    assert found.errors[1].message.startswith("feature 'income' is required and was not given")
    assert f"the category {LONG[:80]!r};" in found.errors[2].message
    kept = found.accepted()
    assert (kept.rows.tolist(), kept.features.tolist(), kept.errors) == ([4], [[5.0, 0.0]], {})
    assert kept.quality is not None
    assert kept.quality.tolist() == [[0, 0, 0, 0]]


def test_plain_numbers_are_the_blocks_own_array_and_have_no_quality() -> None:
    rows = block([[1, 2], [3, 4]], [[-1, -1]] * 2, [])
    found = bound(rows, Feature(name="income"), Feature(name="age"))
    assert np.shares_memory(found.features, rows.numbers)
    assert found.quality is None
    assert found.accepted() is found
    assert bound(rows, Feature(name="income"), Feature(name="age"), of=[1]).features.tolist() == [[3.0, 4.0]]
    turned = bound(rows, Feature(name="age"), Feature(name="income"), of=[1])
    assert turned.features.tolist() == [[4.0, 3.0]]
