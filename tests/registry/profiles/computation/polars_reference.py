"""Features computed of raw events by Polars, one reading at a time and without tiles, states or order of folding."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import polars as pl

from scoreline_registry.profiles.events import Event

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
NUMBERS, TEXTS = ("x", "y"), ("c", "e")
SCHEMA = {
    "time": pl.Int64,
    "id": pl.String,
    "type": pl.String,
    "x": pl.Float64,
    "y": pl.Float64,
    "c": pl.String,
    "e": pl.String,
}

Feature: TypeAlias = Mapping[str, Any]
Frame: TypeAlias = Any
"""A DataFrame; its own types are unions of all that a column may hold."""


def expected(
    features: Mapping[str, Feature], events: Sequence[Event], *, at: int, hand: Event | None
) -> dict[str, Any]:
    """Each feature as of a time; None where it is missing."""
    rows = [{"time": e.time, "id": e.id, "type": e.type, **e.fields} for e in events if e.time < at]
    past: Frame = pl.DataFrame(rows, schema=SCHEMA).sort("time", "id")
    found: dict[str, Any] = {}
    for name, feature in features.items():
        value = _value(feature, past, at=at, hand=hand, earlier=found)
        found[name] = feature.get("default") if value is None else value
    return found


def microseconds(text: str) -> int:
    """Those of a duration such as 30m."""
    return int(text[:-1]) * UNITS[text[-1]] * 1_000_000


def _value(feature: Feature, past: Frame, *, at: int, hand: Event | None, earlier: Mapping[str, Any]) -> Any:
    if feature["aggregate"] in DERIVED:
        return DERIVED[feature["aggregate"]](feature, hand, earlier)
    span = _span(feature, past, at=at)
    seen = span.filter(_taken(feature)) if feature["aggregate"] != "share" else span
    if feature["aggregate"] in AT_HAND:
        if hand is None or not _takes(feature, hand):
            return None
        return AT_HAND[feature["aggregate"]](feature, seen, hand)
    return AGGREGATES[feature["aggregate"]](feature, seen, at)


def _span(feature: Feature, past: Frame, *, at: int) -> Frame:
    """The events of the feature's types in its window or session."""
    if "session" in feature:
        gap = microseconds(feature["session"])
        runs = past.with_columns(run=(pl.col("time").diff() > gap).fill_null(value=False).cum_sum())
        past = runs.filter((pl.col("run") == pl.col("run").max()) & (at - pl.col("time").max() <= gap))
    if "window" in feature:
        tile = microseconds(feature["tile"])
        start = math.floor((at - microseconds(feature["window"])) / tile) * tile
        past = past.filter(pl.col("time") >= start)
    return past.filter(pl.col("type").is_in(feature.get("events", ["a", "b"])))


WHERES: Mapping[str, tuple[Any, pl.Expr]] = {
    "c": ({"c": {"in": ["p", "q"]}}, pl.col("c").is_in(["p", "q"])),
    "x": ({"x": {"gte": 0}}, pl.col("x") >= 0),
    "not": ({"not": {"x": {"exists": True}}}, pl.col("x").is_null()),
}


def _taken(feature: Feature) -> pl.Expr:
    for where, expression in WHERES.values():
        if feature.get("where") == where:
            return expression.fill_null(value=False)
    return pl.lit(value=True)


def _takes(feature: Feature, hand: Event) -> bool:
    row: Frame = pl.DataFrame([{"time": hand.time, "id": hand.id, "type": hand.type, **hand.fields}], schema=SCHEMA)
    return len(row.filter(_taken(feature), pl.col("type").is_in(feature.get("events", ["a", "b"])))) == 1


def _count(feature: Feature, seen: Frame, at: int) -> Any:
    return seen.select(_weights(feature, at).sum()).item() if "half_life" in feature else len(seen)


def _weights(feature: Feature, at: int) -> pl.Expr:
    return pl.lit(2.0) ** ((pl.col("time") - at) / microseconds(feature["half_life"]))


def _sum(feature: Feature, seen: Frame, at: int) -> Any:
    weights = _weights(feature, at) if "half_life" in feature else pl.lit(1.0)
    return seen.select((pl.col(feature["field"]) * weights).sum()).item()


def _mean(feature: Feature, seen: Frame, at: int) -> Any:
    known = seen.filter(pl.col(feature["field"]).is_not_null())
    if "half_life" not in feature or not len(known):
        return known.select(pl.col(feature["field"]).mean()).item()
    weights = _weights(feature, known["time"].max())  # as of the newest, so that no weight is 0
    return known.select((pl.col(feature["field"]) * weights).sum() / weights.sum()).item()


def _since(feature: Feature, at: int, time: int | None) -> Any:
    unit = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}[feature.get("unit", "seconds")]
    return None if time is None else (at - time) / 1e6 / unit


def _rate(feature: Feature, seen: Frame, at: int) -> Any:
    unit = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}[feature["per"]]
    if "window" in feature:
        tile = microseconds(feature["tile"])
        seconds = (at - math.floor((at - microseconds(feature["window"])) / tile) * tile) / 1e6
    else:
        seconds = max((at - seen["time"].min()) / 1e6, unit) if len(seen) else unit
    return len(seen) / seconds * unit


def _sequence(feature: Feature, seen: Frame, at: int) -> list[dict[str, Any]]:
    steps = seen.with_columns(since_previous_seconds=pl.col("time").diff() / 1e6).tail(feature["length"])
    return [{k: v for k, v in row.items() if v is not None} for row in steps.select(feature["fields"]).to_dicts()]


def _neighbors(feature: Feature, seen: Frame, at: int) -> tuple[str, ...]:
    names = seen[feature["field"]].drop_nulls().reverse().unique(maintain_order=True)
    return tuple(names.head(feature["most"]).to_list())


def _last(feature: Feature, seen: Frame, at: int) -> Any:
    known = seen[feature["field"]].drop_nulls()
    return known[-1] if len(known) else None


AGGREGATES: Mapping[str, Any] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "std": lambda feature, seen, at: seen[feature["field"]].std(ddof=0),
    "min": lambda feature, seen, at: seen[feature["field"]].min(),
    "max": lambda feature, seen, at: seen[feature["field"]].max(),
    "last": _last,
    "distinct": lambda feature, seen, at: seen[feature["field"]].drop_nulls().n_unique(),
    "share": lambda feature, seen, at: seen.select(_taken(feature).mean()).item() if len(seen) else None,
    "rate": _rate,
    "time_since_last": lambda feature, seen, at: _since(feature, at, seen["time"].max()),
    "time_since_first": lambda feature, seen, at: _since(feature, at, seen["time"].min()),
    "sequence": _sequence,
    "neighbors": _neighbors,
}


def _z_score(feature: Feature, seen: Frame, hand: Event) -> Any:
    known, x = seen[feature["field"]].drop_nulls(), hand.fields.get(feature["field"])
    if x is None or known.n_unique() < 2:
        return None
    return (x - known.mean()) / known.std(ddof=0)


def _rarity(feature: Feature, seen: Frame, hand: Event) -> Any:
    known, name = seen[feature["field"]].drop_nulls(), hand.fields.get(feature["field"])
    if name is None:
        return None
    return 1 - (known == name).mean() if len(known) else 1


def _unseen(feature: Feature, seen: Frame, hand: Event) -> Any:
    name = hand.fields.get(feature["field"])
    return None if name is None else float(name not in seen[feature["field"]].to_list())


def _hour_rarity(feature: Feature, seen: Frame, hand: Event) -> float:
    moments = pl.Series([*seen["time"].to_list(), hand.time], dtype=pl.Int64).cast(pl.Datetime("us"))
    local = moments.dt.offset_by("90m").dt.truncate("15m")
    hours = (local.dt.hour() + local.dt.minute() / 60).to_list()
    apart = [abs(hour - hours[-1]) for hour in hours[:-1]]
    near = sum(max(1 - min(each, 24 - each) / 3, 0) for each in apart)
    return -math.log((near / 3 + 5 / 24) / (len(seen) + 5))


def _moment(hand: Event) -> Any:
    return pl.Series([hand.time], dtype=pl.Int64).cast(pl.Datetime("us")).dt.offset_by("90m")


def _hour(feature: Feature, seen: Frame, hand: Event) -> Any:
    now = _moment(hand)
    return (now - now.dt.truncate("1d")).dt.total_microseconds().item() / 3.6e9


AT_HAND: Mapping[str, Any] = {
    "z_score": _z_score,
    "rarity": _rarity,
    "unseen": _unseen,
    "hour_rarity": _hour_rarity,
    "hour": _hour,
    "weekday": lambda feature, seen, hand: _moment(hand).dt.weekday().item() - 1,
}


def _fact(name: Any, hand: Event | None, earlier: Mapping[str, Any]) -> Any:
    if not isinstance(name, str):
        return name
    return earlier[name] if not name.startswith("event.") else hand and hand.fields.get(name.removeprefix("event."))


def _ratio(feature: Feature, hand: Event | None, earlier: Mapping[str, Any]) -> Any:
    of, to = _fact(feature["of"], hand, earlier), _fact(feature["to"], hand, earlier)
    return None if of is None or not to else of / to


def _flag(feature: Feature, hand: Event | None, earlier: Mapping[str, Any]) -> float:
    ((name, tests),) = feature["when"].items()
    value = _fact(name, hand, earlier)
    return float(value is not None and value >= tests["gte"])


def _lookup(feature: Feature, hand: Event | None, earlier: Mapping[str, Any]) -> Any:
    return None if hand is None else feature["values"].get(hand.fields.get(feature["field"]))


DERIVED = {"ratio": _ratio, "flag": _flag, "lookup": _lookup}
