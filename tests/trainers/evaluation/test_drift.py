"""The stability of inputs and scores against a version's baseline."""

import numpy as np
import polars as pl
import pytest

from scoreline_trainers.data.columns import Columns, FeatureSpec, SequenceSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.evaluation.baseline import baseline
from scoreline_trainers.evaluation.drift import Shift, shifts

COLUMNS = Columns(label="label", features=(FeatureSpec(name="x", required=False), FeatureSpec(name="city")))


def table(
    seed: int, *, rows: int = 2000, moved: float = 0.0, cities: tuple[float, ...] = (0.6, 0.3, 0.1)
) -> pl.DataFrame:
    draws = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": draws.normal(moved, 1, rows),
            "city": draws.choice(["lima", "oslo", "pune"], rows, p=cities),
            "label": draws.integers(0, 2, rows),
        }
    )


def shift_of(now: pl.DataFrame, **scores: float) -> dict[str, Shift]:
    """The shifts of a table against one of the same distribution, with scores moved by ``scores["moved"]``."""
    before = Dataset.from_table(table(0), COLUMNS)
    draws = np.random.default_rng(9)
    counts = baseline(before, draws.beta(2, 5, len(before)))
    rows = Dataset.from_table(now, COLUMNS, inputs=before.inputs)
    score = draws.beta(2, 5, len(rows)) + scores.get("moved", 0.0)
    return {shift.name: shift for shift in shifts(counts, rows, score.astype(np.float32))}


def test_equal_distributions_stay_below_what_chance_explains() -> None:
    alarms = sum(any(shift.exceeds(0) for shift in shift_of(table(seed)).values()) for seed in range(1, 41))
    assert alarms <= 6  # 5 % of tables are expected; 7 of 40 have a chance below 1 %


@pytest.mark.parametrize(
    ("now", "name"),
    [(table(1, moved=1.0), "x"), (table(1, cities=(0.2, 0.3, 0.5)), "city")],
)
def test_the_input_that_moved_is_first_and_above_the_limit(now: pl.DataFrame, name: str) -> None:
    found = shift_of(now)
    assert next(iter(found)) == name
    assert found[name].exceeds(0.2)
    assert not any(shift.exceeds(0.2) for other, shift in found.items() if other != name)


def test_scores_and_missing_values_drift_too() -> None:
    assert shift_of(table(1), moved=0.3)["score"].exceeds(0.2)
    gone = table(1).with_columns(pl.when(pl.int_range(2000) < 800).then(None).otherwise(pl.col("x")).alias("x"))
    found = shift_of(gone)["x"]
    assert found.exceeds(0.2)
    assert (found.missing_before, found.missing) == (0.0, 0.4)


def test_a_large_index_of_few_rows_is_not_beyond_chance() -> None:
    found = shift_of(table(3, rows=60))["x"]
    assert found.psi is not None
    assert found.threshold is not None
    assert found.threshold > 0.2
    assert shift_of(table(3, rows=20))["x"].psi is None


def test_names_that_training_did_not_see_count_as_one_more() -> None:
    now = table(1).with_columns(pl.when(pl.int_range(2000) < 500).then(pl.lit("cuzco")).otherwise("city").alias("city"))
    assert shift_of(now)["city"].exceeds(0.2)


def test_scores_at_an_edge_are_where_the_native_score_was() -> None:
    """A graph's float32 of a native score may be above it: scores of trees are few, so that whole bins would move."""
    before = Dataset.from_table(table(0), COLUMNS)
    few = np.random.default_rng(1).choice(np.arange(1, 30) / 30, len(before))
    assert (few.astype(np.float32).astype(np.float64) > few).any()
    found = {shift.name: shift for shift in shifts(baseline(before, few), before, few.astype(np.float32))}
    assert found["score"].psi == pytest.approx(0)


def test_steps_drift() -> None:
    columns = Columns(label="label", sequence=SequenceSpec(entity="who", order="day", features=("spent",)))
    draws = np.random.default_rng(2)

    def history(mean: float) -> pl.DataFrame:
        who = np.repeat(np.arange(300), 4)
        return pl.DataFrame(
            {"who": who, "day": np.tile(np.arange(4), 300), "spent": draws.normal(mean, 1, 1200), "label": who % 2}
        )

    before = Dataset.from_table(history(0), columns)
    counts = baseline(before, draws.random(300))
    now = Dataset.from_table(history(2), columns, inputs=before.inputs)
    found = {shift.name: shift for shift in shifts(counts, now, draws.random(300).astype(np.float32))}
    assert found["spent"].kind == "step"
    assert found["spent"].exceeds(0.2)
