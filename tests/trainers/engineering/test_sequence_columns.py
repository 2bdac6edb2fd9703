"""Columns from histories against plain arithmetic on lists, written here and nowhere else."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.documents.ragged import SEQUENCE
from scoreline_trainers.data.batch import Batch, Float32
from scoreline_trainers.engineering.pipeline import FeaturePipeline
from scoreline_trainers.errors import DataError
from scoreline_trainers.gate.probes import with_garbage
from tests.trainers.engineered import by_name, entry, histories, made

# A history, oldest first; None is a missing step.
History = Sequence[float | None]
NAN = math.nan


def known(window: History) -> list[float]:
    return [value for value in window if value is not None]


def pstdev(values: Sequence[float]) -> float:
    mean = fmean(values)
    return math.sqrt(fmean([(value - mean) ** 2 for value in values])) if len(set(values)) > 1 else 0.0


def moment_ratio(values: Sequence[float], power: int) -> float:
    mean = fmean(values)
    return fmean([(value - mean) ** power for value in values]) / pstdev(values) ** power


def velocity(history: History, width: int) -> float:
    places = [(place, value) for place, value in enumerate(history[-width:]) if value is not None]
    if not places:
        return NAN
    (first, oldest), (last, newest) = places[0], places[-1]
    return (newest - oldest) / (last - first) if last > first else 0.0


def momentum(history: History, width: int) -> float:
    now, before = known(history[-width:]), known(history[:-width][-width:])
    if not now or not before:
        return NAN
    a, b = fmean(now), fmean(before)
    return (a - b) / (abs(a) + abs(b)) if a or b else 0.0


def volatility(history: History, width: int) -> float:
    window = history[-width:]
    changes = [b - a for a, b in pairwise(window) if a is not None and b is not None]
    if not known(window):
        return NAN
    return pstdev(changes) if changes else 0.0


def stability(history: History, width: int) -> float:
    values = known(history[-width:])
    if not values:
        return NAN
    deviation = pstdev(values)
    return abs(fmean(values)) / (abs(fmean(values)) + deviation) if deviation else 1.0


def trend(history: History, width: int) -> float:
    points = [(float(place), value) for place, value in enumerate(history[-width:]) if value is not None]
    if not points:
        return NAN
    if len({value for _, value in points}) == 1:
        return 0.0
    x, y = zip(*points, strict=True)
    return float(np.polynomial.polynomial.polyfit(x, y, 1)[1])


def cv(values: Sequence[float]) -> float:
    deviation, size = pstdev(values), abs(fmean(values))
    if not deviation:
        return 0.0
    return deviation / size if size else NAN


STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": fmean,
    "median": median,
    "std": pstdev,
    "cv": cv,
    "skew": lambda values: moment_ratio(values, 3) if pstdev(values) else 0.0,
    "kurtosis": lambda values: moment_ratio(values, 4) - 3 if pstdev(values) else 0.0,
}
MEASURES = {"velocity": velocity, "momentum": momentum, "volatility": volatility, "stability": stability}
PLAN = FeaturePipeline.fit(
    [entry(kind) for kind in (*MEASURES, "trend", "rolling", "lag")],
    histories(np.zeros((1, 1, 2)), [1], ("v", "w")),
)
WINDOWS = {
    "velocity": (7, 14, 30, 60, 90),
    "momentum": (7, 14, 30),
    "volatility": (30, 60, 90),
    "stability": (60, 90, 180),
    "trend": (7, 14, 30, 60, 90),
}
ROLLING = (7, 14, 30, 60, 90, 180)
LAGS = (1, 7, 14, 30)


def expected(name: str, history: History) -> dict[str, float]:
    found = {
        f"{name}_{kind}_{width}": measure(history, width)
        for kind, measure in {**MEASURES, "trend": trend}.items()
        for width in WINDOWS[kind]
    }
    for statistic, of in STATISTICS.items():
        for width in ROLLING:
            values = known(history[-width:])
            found[f"{name}_{statistic}_{width}"] = of(values) if values else NAN
    for lag in LAGS:
        value = history[-1 - lag] if lag < len(history) else None
        found[f"{name}_lag_{lag}"] = NAN if value is None else value
    return found


def check(sequence: Float32, lengths: list[int]) -> None:
    batch = Batch(sequence=sequence, lengths=np.array(lengths, np.int64))
    found = by_name(PLAN, batch)
    assert found.keys() == {*expected("v", [1]), *expected("w", [1])}
    for row, length in enumerate(lengths):
        for index, name in enumerate(("v", "w")):
            steps = sequence[row, :length, index].tolist()
            history = [None if math.isnan(value) else value for value in steps]
            answers = expected(name, history)
            columns = [found[column][row] for column in answers]
            np.testing.assert_allclose(columns, list(answers.values()), rtol=1e-4, atol=1e-6, err_msg=str([*answers]))


@st.composite
def blocks(draw: st.DrawFn) -> tuple[Float32, list[int]]:
    """Up to three histories of 1 to 90 steps: noise, walks, steps, constants and rare events, with holes."""
    lengths = draw(st.lists(st.integers(1, 90), min_size=1, max_size=3))
    steps = max(lengths) + draw(st.integers(0, 3))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (len(lengths), steps, 2)
    kinds: dict[str, Callable[[], Any]] = {
        "noise": lambda: chance.normal(size=shape),
        "amounts": lambda: chance.lognormal(6, 1.5, shape).round(2),
        "walk": lambda: 1000 + chance.normal(size=shape).cumsum(axis=1),
        "constant": lambda: np.broadcast_to(chance.normal(size=(len(lengths), 1, 1)), shape),
        "zeros": lambda: np.zeros(shape),
        "rare": lambda: chance.poisson(0.05, shape),
        "counts": lambda: chance.integers(-3, 4, shape),
    }
    values = kinds[draw(st.sampled_from(sorted(kinds)))]().astype(np.float32)
    missing = draw(st.sampled_from([0.0, 0.1, 0.6, 1.0]))
    return np.where(chance.random(shape) < missing, np.float32(np.nan), values), lengths


@settings(max_examples=60)
@given(blocks())
def test_every_column_is_what_plain_arithmetic_gives(block: tuple[Float32, list[int]]) -> None:
    check(*block)


@settings(max_examples=15)
@given(blocks())
def test_what_stands_behind_a_history_never_matters(block: tuple[Float32, list[int]]) -> None:
    clean = Batch(sequence=block[0], lengths=np.array(block[1], np.int64))
    np.testing.assert_array_equal(PLAN.apply(with_garbage(clean, SEQUENCE, extra=4)).table, PLAN.apply(clean).table)


def test_a_row_alone_gives_the_same_as_among_others() -> None:
    draw = np.random.default_rng(1)
    batch = Batch(
        sequence=draw.lognormal(5, 1, (40, 90, 2)).astype(np.float32), lengths=draw.integers(1, 91, 40).astype(np.int64)
    )
    together = PLAN.apply(batch).table
    for row in range(40):
        np.testing.assert_array_equal(PLAN.apply(batch.take(slice(row, row + 1))).table[0], together[row])


DEGENERATE: dict[str, tuple[History, dict[str, float]]] = {
    "constant": (
        [4.1] * 20,
        {
            "velocity_7": 0, "momentum_7": 0, "volatility_30": 0, "stability_60": 1, "trend_7": 0, "mean_7": 4.1,
            "median_7": 4.1, "std_7": 0, "cv_7": 0, "skew_7": 0, "kurtosis_7": 0, "lag_7": 4.1, "lag_30": NAN,
        },
    ),
    "one step": (
        [3.0],
        {
            "velocity_7": 0, "momentum_7": NAN, "volatility_30": 0, "stability_60": 1, "trend_7": 0, "mean_7": 3,
            "median_7": 3, "std_7": 0, "cv_7": 0, "skew_7": 0, "kurtosis_7": 0, "lag_1": NAN,
        },
    ),
    "all missing": (
        [None] * 20,
        {
            "velocity_7": NAN, "momentum_7": NAN, "volatility_30": NAN, "stability_60": NAN, "trend_7": NAN,
            "mean_7": NAN, "median_7": NAN, "std_7": NAN, "cv_7": NAN, "skew_7": NAN, "kurtosis_7": NAN, "lag_1": NAN,
        },
    ),
    "zeros": ([0.0] * 20, {"momentum_7": 0, "stability_60": 1, "cv_7": 0, "velocity_7": 0}),
    "shorter than the window": (
        [1.0, 2.0, 4.0],
        {"velocity_90": 1.5, "mean_180": 7 / 3, "median_30": 2, "trend_30": 1.5, "volatility_90": 0.5},
    ),
    "around zero": ([-1.0, 1.0], {"cv_7": NAN, "stability_60": 0, "std_7": 1}),
    "one known among missing": ([None, 5.0, None], {"velocity_7": 0, "trend_7": 0, "volatility_30": 0, "mean_7": 5}),
}  # fmt: skip


@pytest.mark.parametrize("case", DEGENERATE)
def test_a_degenerate_window_has_one_answer(case: str) -> None:
    history, answers = DEGENERATE[case]
    values = [[NAN if value is None else value] for value in history]
    found = made(histories([values], [len(values)]), *[entry(kind) for kind in (*MEASURES, "trend", "rolling", "lag")])
    for column, answer in answers.items():
        np.testing.assert_allclose(found[f"v_{column}"][0], answer, rtol=1e-6, err_msg=column)
    plain = expected("v", history)
    for column, answer in answers.items():
        np.testing.assert_allclose(plain[f"v_{column}"], answer, rtol=1e-6, err_msg=column)


def test_windows_steps_and_statistics_are_chosen_by_name() -> None:
    data = histories([[[1, 5], [2, 6], [4, 7]]], [3], ("v", "w"))
    found = made(data, entry("rolling", steps=["w"], windows=[2], statistics=["mean"]), entry("lag", lags=[0, 2]))
    assert found == {"w_mean_2": 6.5, "v_lag_0": 4, "v_lag_2": 1, "w_lag_0": 7, "w_lag_2": 5}


def test_steps_that_are_not_there_are_refused() -> None:
    with pytest.raises(DataError, match="column 'x' is no step feature; there are v"):
        made(histories([[[1.0]]], [1]), entry("velocity", steps=["x"]))
