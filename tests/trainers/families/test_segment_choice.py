"""The family of each segment is chosen by rows that candidates were not trained on."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.ensembles.segmented import FittedSegmented, SegmentedConfig
from tests.trainers.tables import SMALL, fit

CANDIDATES = [{"family": "logistic"}, {"family": "lightgbm", "config": SMALL["lightgbm"]}]


def two_laws(rows: int = 1600) -> Dataset:
    """In segment "line" the log odds are linear; in "step" they depend on whether two numbers have one sign."""
    draw = np.random.default_rng(0)
    step = draw.random(rows) < 0.5
    x, y = draw.normal(0, 1, rows), draw.normal(0, 1, rows)
    odds = np.where(step, np.where(x * y > 0, 3.0, -3.0), 2.0 * x - 2.0 * y)
    label = (draw.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    frame = pl.DataFrame({"law": np.where(step, "step", "line"), "x": x, "y": y, "label": label})
    return Dataset.from_table(frame, Columns(label="label", features="auto"))


def chosen(data: Dataset, **options: Any) -> FittedSegmented:
    found = fit(
        "segmented",
        data,
        **{"segment": "law", "member": None, "fallback": None, "members": {}, "candidates": CANDIDATES, **options},
    )
    assert isinstance(found, FittedSegmented)
    return found


def test_each_segment_takes_the_family_that_suits_it() -> None:
    found = chosen(two_laws())
    members = dict(zip(found.segments.names, found.members, strict=False))
    assert type(members["line"].model).__name__ == "FittedLogistic"
    assert type(members.get("step", found.members[-1]).model).__name__ == "FittedLightGBM"
    facts = found.describe()
    assert str(facts["loss of segment line"]).startswith("logistic 0.")
    assert "line to step 0." in str(facts["most alike segments"])


def test_a_segment_that_the_fallback_scores_better_has_no_member() -> None:
    law = two_laws()
    line = law.take(np.flatnonzero(law.batch.table[:, 0] == law.inputs.features[0].code("line"))[:200])
    # A name that says nothing: halves of one segment, of which each alone knows less than both.
    halves = line.batch.table.copy()
    halves[:, 0] = np.arange(len(line)) % 2
    same = Dataset(line.inputs, line.batch.replace(features=halves), line.label)
    steep = {"name": "steep", "family": "lightgbm", "config": {**SMALL["lightgbm"], "early_stopping_rounds": 0}}
    weak = {"name": "weak", "family": "logistic", "config": {"C": 1e-6}}
    found = chosen(same, candidates=[steep, weak], min_rows=50)
    assert found.segments.names == ()
    assert len(found.members) == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "give either 'member', of every segment, or 'candidates'"),
        ({"candidates": CANDIDATES, "member": CANDIDATES[0]}, "give either 'member'"),
        ({"candidates": CANDIDATES[:1]}, "at least two with different names"),
        ({"candidates": CANDIDATES, "fallback": CANDIDATES[0]}, "go with 'member'"),
    ],
)
def test_members_and_candidates_exclude_each_other(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SegmentedConfig.model_validate_json(json.dumps({"segment": "law", **options}))
