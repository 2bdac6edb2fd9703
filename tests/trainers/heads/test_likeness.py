import numpy as np
import polars as pl
import pytest

from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.heads.likeness import meta_features
from scoreline_trainers.heads.segments import Segments

ROWS = 900


def worlds(seed: int = 0) -> Dataset:
    """Segments a and b behave alike; in c amounts are larger, have gaps and move the label the other way."""
    draw = np.random.default_rng(seed)
    segment = draw.choice(["a", "b", "c"], ROWS)
    odd = segment == "c"
    amount = draw.normal(0, 1, ROWS) + 2.0 * odd
    label = draw.random(ROWS) < 1 / (1 + np.exp(-np.where(odd, -1.5, 1.5) * (amount - 2.0 * odd)))
    frame = pl.DataFrame(
        {
            "segment": segment,
            "amount": np.where(odd & (draw.random(ROWS) < 0.2), np.nan, amount),
            "plan": np.where(draw.random(ROWS) < np.where(odd, 0.9, 0.3), "plus", "basic"),
            "label": label.astype(np.int8),
        }
    ).with_columns(pl.col("amount").fill_nan(None))
    return Dataset.from_table(frame, Columns(label="label", features="auto"))


def test_segments_that_behave_alike_are_alike() -> None:
    data = worlds()
    found = meta_features(data, Segments.of(data.inputs, "segment", family="test"))
    assert found.segments == ("a", "b", "c")
    assert sum(found.rows) == ROWS
    assert found.nearest("a")[0][0] == "b"
    assert found.nearest("c")[0][1] < found.nearest("a")[0][1]
    likeness = found.likeness()
    np.testing.assert_allclose(likeness, likeness.T)
    np.testing.assert_allclose(np.diag(likeness), 1)


def test_meta_features_are_what_a_person_calculates() -> None:
    data = worlds()
    found = meta_features(data, Segments.of(data.inputs, "segment", family="test"))
    inside = data.batch.table[:, 0] == data.inputs.features[0].code("c")
    value = dict(zip(found.names, found.values[2], strict=True))
    label = data.label.astype(np.float64)
    assert value["label"] == pytest.approx((label[inside].mean() - label.mean()) / label.std())
    assert value["amount: gaps"] == pytest.approx(np.isnan(data.batch.table[inside, 1]).mean())
    assert value["plan = plus"] == pytest.approx((data.batch.table[inside, 2] == 1).mean())
    assert value["amount: correlation with the label"] < -0.35
    assert not any(name.startswith("segment") for name in found.names)


def test_a_segment_without_rows_is_left_out() -> None:
    data = worlds()
    few = data.take(np.flatnonzero(data.batch.table[:, 0] != 1))
    found = meta_features(few, Segments.of(few.inputs, "segment", family="test"))
    assert found.segments == ("a", "c")
