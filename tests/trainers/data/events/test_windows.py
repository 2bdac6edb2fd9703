"""Window features against their definition, computed row by row."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_trainers.data.events.aggregates import window_table
from scoreline_trainers.data.events.features import MEANINGS, OF_COLUMNS, AggregateSpec, WindowFeature
from scoreline_trainers.data.events.log import Log, Rows
from scoreline_trainers.data.events.ranges import pairs
from scoreline_trainers.data.sources.times import DAY
from scoreline_trainers.errors import DataError

FEATURES = tuple(
    WindowFeature.model_validate(
        {
            "name": f"{aggregate}{days}{delay}{len(where)}",
            "aggregate": aggregate,
            "column": "amount" if aggregate in OF_COLUMNS else None,
            "days": days,
            "delay_days": delay,
            "where": where,
        }
    )
    for aggregate in MEANINGS
    for days, delay in ((3.0, 0.0), (None, 0.0), (2.5, 1.0))
    for where in ((), ("amount > 0",))
    if not (aggregate.endswith("_change") and days is None) and not (aggregate == "share" and not where)
)

Event = tuple[int, int, float | None]
"""Entity, time in quarters of a day, amount."""


def log_of(events: list[Event]) -> Log:
    frame = pl.DataFrame(
        {"id": [event[0] for event in events], "amount": pl.Series([event[2] for event in events], dtype=pl.Float64)}
    )
    times = np.array([event[1] for event in events], np.int64) * (DAY // 4)
    return Log(frame, entity="id", times=times)


def rows_of(log: Log, asked: list[tuple[int, int]]) -> Rows:
    codes = log.codes_of(pl.Series("id", [entity for entity, _ in asked]))
    return Rows(codes, np.array([quarter for _, quarter in asked], np.int64) * (DAY // 4))


def by_definition(feature: WindowFeature, events: list[Event], entity: int, moment: int) -> float | None:
    def window(ends: float) -> list[tuple[float, float | None]]:
        starts = -np.inf if feature.days is None else ends - feature.days * 4
        inside = [(time / 4, amount) for each, time, amount in events if each == entity and starts <= time < ends]
        return sorted(inside, key=lambda event: event[0])

    ends = moment - feature.delay_days * 4
    name = feature.aggregate.removesuffix("_change")
    value = value_of(name, window(ends), met_only=bool(feature.where), moment=moment / 4)
    if not feature.aggregate.endswith("_change"):
        return value
    earlier = window(ends - (feature.days or 0) * 4)
    before = value_of(name, earlier, met_only=bool(feature.where), moment=moment / 4)
    return None if value is None or before is None else value - before


def value_of(name: str, every: list[tuple[float, float | None]], *, met_only: bool, moment: float) -> float | None:
    met = [event for event in every if not met_only or (event[1] is not None and event[1] > 0)]
    known = [amount for _, amount in met if amount is not None]
    times = [time for time, _ in met]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    found: Mapping[str, Callable[[], float | None]] = {
        "count": lambda: len(met),
        "sum": lambda: sum(known),
        "share": lambda: len(met) / len(every) if every else None,
        "days_since_last": lambda: moment - times[-1] if met else None,
        "days_since_first": lambda: moment - times[0] if met else None,
        "gap_mean": lambda: float(np.mean(gaps)) if gaps else None,
        "gap_std": lambda: float(np.std(gaps)) if gaps else None,
        "gap_max": lambda: max(gaps, default=None),
        "mean": lambda: float(np.mean(known)) if known else None,
        "std": lambda: float(np.std(known)) if known else None,
        "min": lambda: min(known, default=None),
        "max": lambda: max(known, default=None),
        "last": lambda: met[-1][1] if met else None,
        "distinct": lambda: len(set(known)),
    }
    return found[name]()


EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40), st.none() | st.integers(-3, 5).map(float)), min_size=1, max_size=25
)
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 45)), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(events=EVENTS, asked=ROWS)
def test_every_aggregate_is_what_its_definition_says(events: list[Event], asked: list[tuple[int, int]]) -> None:
    log = log_of(events)
    table = window_table(log, rows_of(log, asked), FEATURES)
    for feature in FEATURES:
        expected = [by_definition(feature, events, *row) for row in asked]
        # float32 holds seven digits, and a square root doubles the error near 0.
        assert floats(table[feature.name].to_list()) == pytest.approx(floats(expected), abs=1e-5, rel=1e-6, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(events=EVENTS, later=EVENTS, cut=st.integers(1, 40))
def test_events_from_the_cut_on_change_no_feature(events: list[Event], later: list[Event], cut: int) -> None:
    asked = [(entity, cut) for entity in range(3)]
    past = [*(event for event in events if event[1] < cut), (9, 0, 1.0)]
    future = [(entity, max(time, cut), amount) for entity, time, amount in later]
    before, after = (
        window_table(log, rows_of(log, asked), FEATURES) for log in (log_of(past), log_of([*future, *past]))
    )
    assert before.equals(after)


def test_observed_days_limit_every_window() -> None:
    log = log_of([(1, 0, 5.0), (1, 30, 7.0)])
    rows = rows_of(log, [(1, 40)])
    sums = [WindowFeature(name=f"s{days}", aggregate="sum", column="amount", days=days) for days in (None, 10.0, 2.0)]
    assert window_table(log, rows, sums, observe_days=3).row(0) == (7.0, 7.0, 0.0)
    assert window_table(log, rows, sums, observe_days=None).row(0) == (12.0, 12.0, 0.0)


def test_counts_are_whole_numbers_and_the_rest_float32() -> None:
    log = log_of([(1, 0, 5.0)])
    entry = AggregateSpec(aggregate=("count", "distinct", "mean"), column=("amount",))
    table = window_table(log, rows_of(log, [(1, 4), (2, 4)]), entry.features((7.0,), delay=0, prefix="orders"))
    assert table.schema == {
        "orders_count_7d": pl.Int32,
        "orders_amount_distinct_7d": pl.Int32,
        "orders_amount_mean_7d": pl.Float32,
    }
    assert table.rows() == [(1, 1, 5.0), (0, 0, None)]


def test_a_mean_far_from_zero_keeps_its_deviation() -> None:
    log = log_of([(1, 0, 1e9), (1, 1, 1e9 + 2), (1, 2, 1e9 + 4)])
    feature = WindowFeature(name="s", aggregate="std", column="amount")
    assert window_table(log, rows_of(log, [(1, 9)]), [feature])["s"][0] == pytest.approx(np.std([0, 2, 4]))


def test_pairs_come_in_pieces_and_miss_none() -> None:
    log = log_of([*((1, time, 1.0) for time in range(10)), (2, 3, 1.0)])
    span = log.span(rows_of(log, [(1, 4), (2, 9), (3, 9), (1, 9)]), days=None)
    ((rows, events),) = pairs(span)
    pieces = list(pairs(span, chunk=3))
    assert len(pieces) > 2
    assert np.concatenate([row for row, _ in pieces]).tolist() == rows.tolist() == [0] * 4 + [1] + [3] * 9
    assert np.concatenate([event for _, event in pieces]).tolist() == events.tolist() == [*range(4), 10, *range(9)]


def test_text_has_no_sum_and_entities_of_another_type_no_rows() -> None:
    log = Log(pl.DataFrame({"id": [1], "kind": ["a"]}), entity="id", times=np.array([0]))
    with pytest.raises(DataError, match="column 'kind' holds String, and numbers are needed"):
        window_table(log, rows_of(log, [(1, 4)]), [WindowFeature(name="s", aggregate="sum", column="kind")])
    with pytest.raises(DataError, match="ids must have one type"):
        log.codes_of(pl.Series("customer", ["a"]))
    with pytest.raises(DataError, match="column 'id' is missing in 1 of 2 events"):
        Log(pl.DataFrame({"id": [1, None]}), entity="id", times=np.array([0, 1]))


def floats(values: list[float | None]) -> npt.NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values])
