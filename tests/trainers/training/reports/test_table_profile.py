"""The profile of the table in a version's report."""

import polars as pl
import pytest

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.errors import DataError
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.reports.table_profile import table_profile

FACTS = {"name": "paid", "data": "-", "label": "late", "features": ["age"], "family": "logistic"}
INPUTS = InputContract(features=(Feature(name="age"),))


@pytest.mark.parametrize(
    ("late", "positive", "text"),
    [
        ([True, False, False, False], True, "true"),
        ([True, False, False, False], False, "false"),
        (["yes", "no", "no", "no"], True, "yes"),
        (["No", "No", "Yes", "Yes"], False, "No"),
        ([1.0, 2.0, 2.0, 2.0], 2, "2"),
    ],
)
def test_a_positive_is_found_as_the_label_is_written(late: list[object], positive: object, text: str) -> None:
    frame = pl.DataFrame({"age": [30, 40, 50, 60], "late": late})
    found = table_profile(frame, Recipe.parse({**FACTS, "positive": positive}), INPUTS)
    assert found.label is not None
    assert found.label.positive == text


def test_a_positive_that_no_row_has_is_named() -> None:
    frame = pl.DataFrame({"age": [30, 40], "late": ["paid", "owed"]})
    with pytest.raises(DataError, match="never has the value 'late' of 'positive'"):
        table_profile(frame, Recipe.parse({**FACTS, "positive": "late"}), INPUTS)
