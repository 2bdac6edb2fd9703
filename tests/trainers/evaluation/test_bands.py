"""Cut-offs that are chosen on validation rows."""

from typing import Any

import numpy as np
import pytest

from scoreline_trainers.errors import DataError
from scoreline_trainers.training.recipe import ScoreSpec

DRAW = np.random.default_rng(0)
SCORE = DRAW.random(20_000)
LABEL = (DRAW.random(20_000) < SCORE**2).astype(np.int8)


def spec(**bands: Any) -> ScoreSpec:
    return ScoreSpec.model_validate_json(ScoreSpec.model_validate({"bands": bands}).model_dump_json())


def cuts(**bands: Any) -> dict[str, float]:
    found = spec(**bands).with_cuts(LABEL, SCORE).bands
    assert isinstance(found, dict)
    return found


def test_quantiles_give_every_band_its_share() -> None:
    found = cuts(choose="quantiles", shares={"low": 0.7, "medium": 0.25, "high": 0.05})
    assert found == pytest.approx({"low": 0, "medium": 0.7, "high": 0.95}, abs=0.01)
    place = np.searchsorted(list(found.values()), SCORE, side="right") - 1
    assert np.bincount(place) / len(SCORE) == pytest.approx([0.7, 0.25, 0.05], abs=0.001)


def test_rates_start_a_band_where_rows_reach_its_rate() -> None:
    found = cuts(choose="rates", rates={"low": 0, "medium": 0.25, "high": 0.64})
    assert found == pytest.approx({"low": 0, "medium": 0.5, "high": 0.8}, abs=0.05)
    just_high = (found["high"] <= SCORE) & (found["high"] + 0.05 > SCORE)
    assert LABEL[just_high].mean() > 0.6


def test_given_cut_offs_stay_as_they_are() -> None:
    assert cuts(low=0.0, high=0.5) == {"low": 0.0, "high": 0.5}
    assert [band.name for band in spec(low=0.0, high=0.5).contract().bands] == ["low", "high"]
    assert spec(choose="quantiles", shares={"a": 0.5, "b": 0.5}).contract().bands == ()


def test_bands_that_cannot_be_told_apart_or_reached_are_refused() -> None:
    halves = {"choose": "quantiles", "shares": {"a": 0.2, "b": 0.2, "c": 0.6}}
    with pytest.raises(DataError, match=r"the bands 'b' and 'c' would both start at a score of 0.5: make them one"):
        spec(**halves).with_cuts(LABEL[:100], np.full(100, 0.5))
    with pytest.raises(DataError, match=r"rate of 1 \(band 'b'\)"):
        spec(choose="rates", rates={"a": 0, "b": 1}).with_cuts(np.zeros(100, np.int8), SCORE[:100])
