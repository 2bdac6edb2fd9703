"""Live equals offline bit for bit, and both equal Polars on the raw events, for every aggregate at every instant."""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.profiles.aggregates import AGGREGATES
from scoreline_registry.profiles.computation.compiling import compile_profile
from scoreline_registry.profiles.computation.computation import Computation, Reading
from scoreline_registry.profiles.computation.offline import Cut, ordered, replay
from scoreline_registry.profiles.events import Event
from scoreline_registry.profiles.profile_file import read_profile
from tests.registry.profiles.computation.polars_reference import WHERES, Feature, expected, microseconds

MINUTE = 60_000_000
LATENESS = 40 * MINUTE
START = 1_700_000_000_000_000
EVENTS = {
    "a": {"fields": {"x": "number", "y": "number", "c": "category", "e": "entity"}},
    "b": {"fields": {"x": "number", "y": "number", "c": "category", "e": "entity"}},
}

WINDOWS = [("1h", "10m"), ("50m", "15m"), ("2h", "2h"), ("90m", "7m"), ("5m", "1s"), ("10h", "1h")]
windows = st.sampled_from(WINDOWS)
reaches: st.SearchStrategy[Feature] = st.one_of(
    st.just({}),
    windows.map(lambda each: {"window": each[0], "tile": each[1]}),
    st.sampled_from(["5m", "20m"]).map(lambda gap: {"session": gap}),
)
spans = st.one_of(reaches, st.just({"half_life": "30m"}))
sources = st.fixed_dictionaries(
    {},
    optional={
        "events": st.sampled_from([["a"], ["b"], ["a", "b"]]),
        "where": st.sampled_from([where for where, _ in WHERES.values()]),
    },
)
types = st.fixed_dictionaries({}, optional={"events": st.sampled_from([["a"], ["b"], ["a", "b"]])})
numbers = st.fixed_dictionaries({"field": st.sampled_from(["x", "y"])})
texts = st.fixed_dictionaries({"field": st.sampled_from(["c", "e"])})
units = st.fixed_dictionaries({"unit": st.sampled_from(["seconds", "minutes", "hours", "days"])})
OPTIONS: Mapping[str, tuple[st.SearchStrategy[Any], ...]] = {
    "count": (spans,),
    "sum": (spans, numbers),
    "mean": (spans, numbers),
    "std": (reaches, numbers),
    "min": (reaches, numbers),
    "max": (reaches, numbers),
    "last": (reaches, st.sampled_from(["x", "y", "c"]).map(lambda field: {"field": field})),
    "distinct": (reaches, texts),
    "share": (reaches, st.just({"where": WHERES["c"][0]})),
    "rate": (reaches, st.sampled_from(["second", "minute", "hour", "day"]).map(lambda unit: {"per": unit})),
    "time_since_last": (reaches, units),
    "time_since_first": (reaches, units),
    "sequence": (
        st.permutations(["x", "c", "since_previous_seconds"]).map(lambda columns: {"fields": columns}),
        st.integers(1, 4).map(lambda length: {"length": length}),
    ),
    "neighbors": (st.integers(1, 3).map(lambda most: {"field": "e", "most": most, "features": ["count"]}),),
    "z_score": (reaches, numbers),
    "rarity": (reaches, texts),
    "unseen": (reaches, texts),
    "hour_rarity": (reaches,),
    "hour": (types,),
    "weekday": (types,),
}
DERIVED = {
    "lookup": {"aggregate": "lookup", "field": "c", "values": {"p": 0.5, "r": 2}, "default": -1},
    "flag": {"aggregate": "flag", "when": {"count": {"gte": 2}}},
    "ratio": {"aggregate": "ratio", "of": "event.x", "to": "distinct"},
}


BARE = ("share", "hour", "weekday")
"""Aggregates whose conditions are not drawn: `share` has its own, others have none."""


def feature(aggregate: str) -> st.SearchStrategy[Feature]:
    options = OPTIONS[aggregate] if aggregate in BARE else (sources, *OPTIONS[aggregate])
    return st.tuples(*options).map(
        lambda parts: {"aggregate": aggregate, **{k: v for part in parts for k, v in part.items()}}
    )


profiles = st.fixed_dictionaries({name: feature(name) for name in OPTIONS}).map(
    lambda drawn: {**{name: drawn[name] for name in OPTIONS}, **DERIVED}
)

values = st.integers(-12, 12).map(lambda n: n / 4)
fields: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={"x": values, "y": values, "c": st.sampled_from("pqr"), "e": st.sampled_from(["u", "v", "w"])},
)
times = st.one_of(st.integers(0, 13).map(lambda n: n * 15 * MINUTE), st.integers(0, 200 * MINUTE))


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Events of one entity in order of arrival: late ones within the lateness, some of them twice."""
    drawn = draw(
        st.lists(st.tuples(times, st.sampled_from("ab"), fields, st.integers(0, LATENESS)), min_size=1, max_size=9)
    )
    names = draw(st.permutations(range(len(drawn))))
    arrivals = [
        (time + delay, Event("u", f"{name}", START + time, kind, given))
        for name, (time, kind, given, delay) in zip(names, drawn, strict=True)
    ]
    again = draw(st.lists(st.tuples(st.sampled_from(arrivals), st.integers(0, 300 * MINUTE)), max_size=3))
    arrivals += [(arrival + later, event._replace(fields={})) for (arrival, event), later in again]
    return [event for _, event in sorted(arrivals, key=lambda each: each[0])]


class Live:
    """What a store does, in memory."""

    def __init__(self, computation: Computation) -> None:
        self.computation = computation
        self.folded, self.until, self.pending = b"", 0, list[Event]()
        self.kept: dict[str, Event] = {}

    def append(self, event: Event, *, fold: bool) -> None:
        if event.id not in self.kept:
            assert event.time >= self.until
            self.kept[event.id] = event
            self.pending.append(event)
        if fold:
            self.until = max(self.until, max(each.time for each in self.kept.values()) - LATENESS)
            self.folded, _, self.pending = self.computation.advance(self.folded, self.pending, until=self.until)

    def read(self, at: int, hand: Event | None) -> Reading:
        return self.computation.read(self.folded, self.pending[::-1], at=at, event=hand)


def edges(live: Live) -> list[int]:
    """Times at which an event enters a reading, or leaves one of the windows or sessions."""
    known = [event.time for event in live.kept.values()]
    spans = [microseconds(span) for span in ("0s", "5m", "20m", *(window for window, _ in WINDOWS))]
    near = {time + span + step for time in known for span in spans for step in (-1, 0, 1)}
    return [*sorted(near), *(time + 1 for time in known for _ in near)]


def bits(reading: Reading) -> tuple[object, ...]:
    packed = {name: struct.pack("<d", number) for name, number in reading.numbers.items()}
    return packed, reading.categories, reading.sequences, reading.neighbors, reading.is_new


def check_agreement(features: Mapping[str, Feature], stream: list[Event], data: st.DataObject) -> None:
    text = json.dumps({"profile": "p", "timezone_offset_minutes": 90, "events": EVENTS, "features": features})
    live = Live(compile_profile(read_profile(text, source="p.yaml")))
    for event in stream:
        live.append(event, fold=data.draw(st.booleans()))
        at = max(live.until, data.draw(st.integers(START, START + 200 * MINUTE) | st.sampled_from(edges(live))))
        given_fields = data.draw(st.none() | fields)
        hand = None if given_fields is None else Event("u", "", at, "a", given_fields)
        reading = live.read(at, hand)
        log = ordered(live.kept.values())
        (offline,) = replay(live.computation, log, [Cut("u", at, hand)])
        assert bits(reading) == bits(offline)
        wanted = expected(features, log, at=at, hand=hand)
        got = {**reading.numbers, **reading.categories, **reading.sequences, **reading.neighbors}
        assert got.keys() == wanted.keys()
        for name, value in wanted.items():
            assert agree(got[name], value), (name, features[name], got[name], value)
        assert reading.is_new == all(each.time >= at for each in log)


def agree(got: Any, wanted: Any) -> bool:
    if wanted is None:
        return got is None or math.isnan(got)
    if isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(agree, got, wanted))
    if isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(agree(got[key], value) for key, value in wanted.items())
    if isinstance(wanted, str | tuple):
        return bool(got == wanted)
    return math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-12)


def test_every_aggregate_is_checked() -> None:
    assert {*OPTIONS, *DERIVED} == {*AGGREGATES}


@settings(max_examples=12)
@given(profiles, streams(), st.data())
def test_live_equals_offline_equals_polars(
    features: Mapping[str, Feature], stream: list[Event], data: st.DataObject
) -> None:
    check_agreement(features, stream, data)


@pytest.mark.acceptance
@settings(max_examples=1500)
@given(profiles, streams(), st.data())
def test_live_equals_offline_equals_polars_on_many_streams(
    features: Mapping[str, Feature], stream: list[Event], data: st.DataObject
) -> None:
    check_agreement(features, stream, data)
