"""Columns from columns against plain arithmetic, written here and nowhere else."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.engineering import TRANSFORMERS, Entry
from scoreline_trainers.engineering.pipeline import FeaturePipeline
from scoreline_trainers.errors import DataError
from tests.trainers.engineered import by_name, entry, made, table

NAN = math.nan
LARGEST = float(np.finfo(np.float32).max)
Column = st.lists(
    st.one_of(st.just(NAN), st.integers(-50, 50).map(float), st.floats(-1e6, 1e6, width=32)), min_size=12, max_size=12
)
fast = settings(max_examples=40)


def close(found: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    assert found.keys() == answers.keys()
    for name, answer in answers.items():
        np.testing.assert_allclose(found[name], answer, rtol=1e-4, atol=1e-30, err_msg=name)


def known(column: Sequence[float]) -> list[float]:
    return sorted(value for value in np.asarray(column, np.float32).tolist() if not math.isnan(value))


def quantile(column: Sequence[float], share: float) -> float:
    """By linear interpolation between order statistics."""
    values = known(column)
    if not values:
        return 0.0
    place = share * (len(values) - 1)
    low, rest = int(place), place - int(place)
    return values[low] if not rest else values[low] + rest * (values[low + 1] - values[low])


def at_or_below(value: float, edges: Sequence[float]) -> float:
    return NAN if math.isnan(value) else sum(value >= edge for edge in edges)


@fast
@given(Column, Column)
def test_ratio(above: list[float], below: list[float]) -> None:
    data = table({"a": above, "b": below})
    a, b = data.batch.table.astype(np.float64).T
    answer = [(NAN if math.isnan(x) or math.isnan(y) else 0.5 if y == 0 else x / y) for x, y in zip(a, b, strict=True)]
    close(
        made(data, entry("ratio", numerator="a", denominator="b", zero=0.5)),
        {"a_per_b": np.clip(answer, -LARGEST, LARGEST)},
    )


def test_nothing_over_nothing_is_zero_and_nothing_overflows() -> None:
    data = table({"a": [0, 1, 3e38, -3e38, NAN, 1], "b": [0, 0, 1e-30, 1e-30, 0, NAN]})
    answer = [0, 0, LARGEST, -LARGEST, NAN, NAN]
    close(made(data, entry("ratio", numerator="a", denominator="b")), {"a_per_b": answer})


@fast
@given(Column, Column)
def test_cross_of_numbers(first: list[float], second: list[float]) -> None:
    data = table({"a": first, "b": second})
    a, b = data.batch.table.astype(np.float64).T
    close(made(data, entry("cross", columns=["a", "b"])), {"a_x_b": (a * b).astype(np.float32)})


def test_cross_of_categories() -> None:
    data = table({"a": [0, 1, 1, 2, NAN, 0], "b": [0, 2, 3, 0, 1, NAN]}, {"a": ("x", "y"), "b": ("p", "q", "r")})
    pipeline = FeaturePipeline.fit([entry("cross", columns=["a", "b"], name="ab")], data)
    feature = pipeline.inputs.features[2]
    assert feature.vocabulary == ("x & p", "x & q", "x & r", "y & p", "y & q", "y & r")
    assert feature.code("y & r") == 5
    close({"ab": pipeline.apply(data.batch).table[:, 2]}, {"ab": [0, 5, 6, 6, NAN, NAN]})


@fast
@given(Column, st.integers(2, 8))
def test_bins(column: list[float], count: int) -> None:
    data = table({"a": column})
    edges = sorted({quantile(column, k / count) for k in range(1, count)})
    values = data.batch.table[:, 0].tolist()
    close(made(data, entry("bins", column="a", count=count)), {"a_bin": [at_or_below(v, edges) for v in values]})
    close(
        made(data, entry("bins", column="a", edges=[-3, 0, 7.5], name="n")),
        {"n": [at_or_below(v, [-3, 0, 7.5]) for v in values]},
    )


@fast
@given(Column)
def test_log1p(column: list[float]) -> None:
    data = table({"a": [*column, 1e-20, -1e-8, 3e38]})
    values = data.batch.table[:, 0].tolist()
    close(
        made(data, entry("log1p", columns=["a"])), {"a_log1p": [math.copysign(math.log1p(abs(v)), v) for v in values]}
    )


@fast
@given(Column, Column)
def test_clip(first: list[float], second: list[float]) -> None:
    data = table({"a": first, "b": second})
    limits = {name: (quantile(c, 0.1), quantile(c, 0.9)) for name, c in (("a", first), ("b", second))}
    columns = dict(zip("ab", data.batch.table.T.tolist(), strict=True))

    def clipped(value: float, low: float, high: float) -> float:
        return value if math.isnan(value) else min(max(value, low), high)

    close(
        made(data, entry("clip", columns=["a", "b"], shares=[0.1, 0.9])),
        {f"{name}_clipped": [clipped(value, *limits[name]) for value in columns[name]] for name in "ab"},
    )
    close(
        made(data, entry("clip", columns=["b"], high=2)),
        {"b_clipped": [clipped(value, -math.inf, 2) for value in columns["b"]]},
    )


@fast
@given(Column, Column)
def test_impute(first: list[float], second: list[float]) -> None:
    data = table({"a": first, "b": second})
    columns = dict(zip("ab", data.batch.table.T.tolist(), strict=True))
    fill = {"a": quantile(first, 0.5), "b": quantile(second, 0.5)}
    answers = {f"{n}_imputed": [fill[n] if math.isnan(v) else v for v in columns[n]] for n in "ab"}
    flags = {f"{n}_missing": [float(math.isnan(v)) for v in columns[n]] for n in "ab"}
    close(made(data, entry("impute", columns=["a", "b"], flag=True)), {**answers, **flags})
    constant = entry("impute", columns=["a"], by="constant", value=-1)
    close(made(data, constant), {"a_imputed": [-1 if math.isnan(v) else v for v in columns["a"]]})


@fast
@given(Column, st.sampled_from(["standard", "min_max", "robust"]))
def test_scale(column: list[float], by: str) -> None:
    data = table({"a": column})
    values = known(column) or [0.0]
    mean = math.fsum(values) / len(values)
    centre, spread = {
        "standard": (mean, math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))),
        "min_max": (values[0], values[-1] - values[0]),
        "robust": (quantile(values, 0.5), quantile(values, 0.75) - quantile(values, 0.25)),
    }[by]
    if len(set(values)) == 1:
        spread = 0.0
    answer = [(value - centre) / (spread or 1) for value in data.batch.table[:, 0].astype(np.float64)]
    found = made(data, entry("scale", columns=["a"], by=by))["a_scaled"]
    np.testing.assert_allclose(
        found, answer, rtol=1e-4, atol=1e-6 * max(1, *map(abs, known(answer))) if known(answer) else 0
    )


def test_one_hot() -> None:
    data = table({"c": [0, 2, 3, NAN, 1]}, {"c": ("x", "y", "z")})
    answers = {"c=x": [1, 0, 0, 0, 0], "c=y": [0, 0, 0, 0, 1], "c=z": [0, 1, 0, 0, 0], "c other": [0, 0, 1, 0, 0]}
    close(made(data, entry("one_hot", columns=["c"])), answers)


@fast
@given(Column, Column, Column, st.integers(2, 6))
def test_rfm(recency: list[float], frequency: list[float], monetary: list[float], bins: int) -> None:
    data = table({"r": recency, "f": frequency, "m": monetary})
    scores = []
    for column, values in zip((recency, frequency, monetary), data.batch.table.T.tolist(), strict=True):
        edges = [quantile(column, k / bins) for k in range(1, bins)]
        scores.append([1 + at_or_below(value, edges) for value in values])
    scores[0] = [bins + 1 - score for score in scores[0]]
    weights = (2.0, 1.0, 0.5)
    found = made(data, entry("rfm", recency="r", frequency="f", monetary="m", bins=bins, weights=weights))
    overall = [_weighted(row, weights) for row in zip(*scores, strict=True)]
    close(found, {"rfm_recency": scores[0], "rfm_frequency": scores[1], "rfm_monetary": scores[2], "rfm": overall})


def _weighted(values: Sequence[float], weights: Sequence[float]) -> float:
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if not math.isnan(value)]
    return sum(v * w for v, w in pairs) / sum(w for _, w in pairs) if pairs else NAN


@fast
@given(Column, Column, st.sampled_from(["min_max", "log"]))
def test_engagement(opens: list[float], visits: list[float], scaling: str) -> None:
    data = table({"opens": opens, "visits": visits})
    # Rows that the training rows' limits do not hold.
    wild = Batch(features=np.concatenate([data.batch.table, [[1e7, -1e7], [NAN, 1e7]]]).astype(np.float32))

    def scaled(value: float, column: Sequence[float]) -> float:
        low, high = quantile(column, 0), quantile(column, 1)
        if math.isnan(value) or high == low:
            return value * 0
        of = math.log1p if scaling == "log" else float
        return min(1.0, of(max(value - low, 0)) / of(high - low))

    pipeline = FeaturePipeline.fit([entry("engagement", channels={"opens": 1, "visits": 3}, scaling=scaling)], data)
    rows = [[scaled(v, c) for v, c in zip(row, (opens, visits), strict=True)] for row in wild.table.tolist()]
    found = by_name(pipeline, wild)["engagement"]
    np.testing.assert_allclose(found, [_weighted(row, (1, 3)) for row in rows], rtol=1e-4, atol=1e-6)


def test_lifecycle_and_value_tier() -> None:
    data = table({"tenure": [-1, 0, 2.9, 3, 12, 40, NAN, 36, 5, 7]})
    found = made(data, entry("lifecycle", column="tenure"), entry("value_tier", column="tenure", name="worth"))
    # The nine known tenures have 5, 21.6 and 38.4 at 50, 80 and 95 %.
    close(found, {"lifecycle": [0, 0, 0, 1, 2, 3, NAN, 3, 1, 1], "worth": [0, 0, 0, 0, 1, 3, NAN, 2, 1, 1]})


def test_an_entry_reads_what_earlier_ones_made() -> None:
    data = table({"a": [1, NAN, 3], "b": [2, 4, 8]})
    found = made(
        data,
        entry("impute", columns=["a"], by="constant", value=10),
        entry("ratio", numerator="a_imputed", denominator="b", name="share"),
        entry("cross", columns=["share", "b"]),
    )
    close(found, {"a_imputed": [1, 10, 3], "share": [0.5, 2.5, 0.375], "share_x_b": [1, 10, 3]})


@pytest.mark.parametrize(
    ("kind", "facts", "problem"),
    [
        (
            "ratio",
            {"numerator": "a", "denominator": "z"},
            "column 'z' is neither a feature nor made by an earlier entry",
        ),
        ("log1p", {"columns": ["c"]}, "column 'c' is a category where 'engineered' needs a number"),
        ("one_hot", {"columns": ["a"]}, "column 'a' is a number where 'engineered' needs a category"),
        ("cross", {"columns": ["c", "a"]}, "column 'a' is a number where 'engineered' needs a category"),
        ("velocity", {}, "'engineered' computes from steps, and the recipe has no sequence"),
        (
            "bins",
            {"column": "a", "count": 3, "name": "c"},
            "'engineered' cannot .*: .*duplicate feature 'c'",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_column(kind: str, facts: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        made(table({"a": [1, 2], "c": [0, 1]}, {"c": ("x", "y")}), entry(kind, **facts))


@pytest.mark.parametrize(
    ("kind", "facts", "problem"),
    [
        ("bins", {"column": "a"}, "give either 'edges' or 'count'"),
        ("bins", {"column": "a", "edges": [2, 1]}, "'edges' ascend"),
        ("clip", {"columns": ["a"]}, "give 'low', 'high' or both"),
        ("clip", {"columns": ["a"], "low": 2, "high": 1}, "low is above high"),
        ("clip", {"columns": ["a"], "shares": [0.2, 1.2]}, "'shares' are two from 0 to 1"),
        ("impute", {"columns": ["a"], "by": "constant"}, "'value' goes with by: constant"),
        ("rfm", {"recency": "a", "frequency": "a", "monetary": "a", "weights": [1, 0, 1]}, "every weight is above 0"),
        ("lifecycle", {"column": "a", "stages": {"x": 3, "y": 1}}, "starts ascend"),
        ("value_tier", {"column": "a", "tiers": {"x": 0.5, "y": 0.8}}, "the first tier starts at 0"),
        ("rolling", {"windows": [0]}, "greater than or equal to 1"),
    ],
)
def test_a_mistake_in_an_entry_is_found_before_any_data(kind: str, facts: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        entry(kind, **facts)


def test_the_visible_list_of_transformers_is_what_a_recipe_may_name() -> None:
    union = Entry.__origin__.__args__  # type: ignore[attr-defined]
    assert set(TRANSFORMERS.values()) == set(union)
    for kind, transformer in TRANSFORMERS.items():
        assert transformer.model_fields["kind"].annotation.__args__ == (kind,)  # type: ignore[union-attr]


def test_raw_columns_stand_before_engineered_ones_unless_they_are_left_out() -> None:
    data: Dataset = table({"a": [1, 2], "b": [3, 4]})
    twice = [entry("cross", columns=["a", "b"])]
    assert [f.name for f in FeaturePipeline.fit(twice, data).inputs.features] == ["a", "b", "a_x_b"]
    assert [f.name for f in FeaturePipeline.fit(twice, data, keep_features=False).inputs.features] == ["a_x_b"]
    np.testing.assert_array_equal(FeaturePipeline.fit(twice, data).dataset(data).batch.table, [[1, 3, 3], [2, 4, 8]])
