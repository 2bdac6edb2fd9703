"""Rows with weights count as often as they say, in every family that trees and regressions are made of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scoreline_trainers.data.dataset import Dataset
from tests.trainers.tables import SMALL, dataset, fit, lacking

FAMILIES: dict[str, dict[str, Any]] = {
    "logistic": {"C": 0.5},
    "lightgbm": {"min_data_in_leaf": 1, "params": {"min_sum_hessian_in_leaf": 5.0}},
    "xgboost": {"min_child_weight": 3.0},
    "catboost": {},
    "random_forest": {},
    "voting": {},
    "stacking": {},
}


def weighted_to_one_side(data: Dataset) -> Dataset:
    return replace(data, weight=np.where(data.label == 1, 20.0, 1.0))


@pytest.mark.parametrize("family", FAMILIES)
def test_positives_that_count_more_raise_every_score(family: str) -> None:
    if lacking(family):
        pytest.skip(lacking(family))
    data = dataset()
    config = {**SMALL[family], **FAMILIES[family]}
    if family == "stacking":
        config["calibration"] = None
    plain, heavy = (fit(family, rows, **config).predict(data.batch) for rows in (data, weighted_to_one_side(data)))
    assert heavy.mean() > plain.mean() + 0.2
    assert (heavy > plain).mean() > 0.9


@pytest.mark.parametrize("family", ["logistic", "linear"])
def test_a_weight_of_two_is_the_row_twice(family: str) -> None:
    data = dataset()
    if family == "linear":
        data = replace(data, amount=data.batch.table[:, 2].astype(np.float64) * 3 + data.label)
    twice = np.sort(np.concatenate([np.arange(len(data)), np.arange(100)]))
    weights = np.where(np.arange(len(data)) < 100, 2.0, 1.0)
    repeated = data.take(twice)
    one = fit(family, replace(data, weight=weights), scaling="standard").predict(data.batch)
    other = fit(family, repeated, scaling="standard").predict(data.batch)
    np.testing.assert_allclose(one, other, rtol=0.02)
