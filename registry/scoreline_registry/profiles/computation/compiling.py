"""Compiles a profile into its computation: each feature into a reader, all that they share into one plan."""

from collections.abc import Callable, Mapping
from typing import Any

from scoreline_registry.profiles.computation import readers as of
from scoreline_registry.profiles.computation.categories import (
    Names,
    capacity,
    distinct_reader,
    rarity_reader,
    unseen_reader,
)
from scoreline_registry.profiles.computation.computation import Computation, Readers
from scoreline_registry.profiles.computation.decay import (
    DecayedCount,
    DecayedSum,
    decayed_mean_reader,
    decayed_reader,
)
from scoreline_registry.profiles.computation.derived import flag_reader, lookup_reader, ratio_reader
from scoreline_registry.profiles.computation.histories import (
    Named,
    NeighborReader,
    SequenceReader,
    Steps,
    neighbor_reader,
    sequence_reader,
)
from scoreline_registry.profiles.computation.hours import Hours, hour_rarity_reader, hour_reader, weekday_reader
from scoreline_registry.profiles.computation.plan import MICROSECONDS, Plan, Reach, Source
from scoreline_registry.profiles.computation.readers import NAN, NumberReader
from scoreline_registry.profiles.computation.series import (
    Count,
    First,
    Greatest,
    Last,
    Least,
    Moments,
    Newest,
    Series,
    Sum,
)
from scoreline_registry.profiles.feature import ProfileFeature
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.routing.conditions import parse_condition

_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


def compile_profile(profile: Profile) -> Computation:
    """The computation of a profile's features. It has no state: several threads may use it at once."""
    plan, compiled = Plan(profile), Readers()
    for feature in profile.features:
        each = _Feature(plan, feature)
        match profile.kind_of(feature):
            case "number":
                default = NAN if feature.default is None else float(feature.default)
                compiled.numbers.append((feature.name, NUMBERS[feature.aggregate](each), default))
            case "category":
                text = None if feature.default is None else str(feature.default)
                compiled.categories.append((feature.name, each.last_category(), text))
            case "sequence":
                compiled.sequences.append((feature.name, each.sequence()))
            case "neighbors":
                compiled.neighbors.append((feature.name, each.neighbors()))
    return Computation(profile, plan, compiled)


class _Feature:
    """One feature that is being compiled."""

    def __init__(self, plan: Plan, feature: ProfileFeature) -> None:
        self._plan, self._feature = plan, feature
        self._reach, self._source = Reach.of(feature), Source.of(feature, plan.profile)

    @property
    def _field(self) -> str:
        return self._feature.field or ""

    @property
    def _bound(self) -> int:
        return self._plan.bound(self._reach)

    @property
    def _offset(self) -> int:
        return self._plan.profile.timezone_offset_minutes * 60 * MICROSECONDS

    @property
    def _half_life(self) -> int | None:
        seconds = self._feature.half_life_seconds
        return None if seconds is None else seconds * MICROSECONDS

    def _series(self, make: Callable[..., Series], *options: Any, source: Source | None = None) -> int:
        return self._plan.series(make, *options, source=source or self._source, reach=self._reach)

    def _at_hand(self, read: NumberReader) -> NumberReader:
        """``read`` where the event at hand is one that the feature takes, else missing."""
        takes = self._source.takes
        return lambda moment: NAN if moment.event is None or not takes(moment.event) else read(moment)

    def count(self) -> NumberReader:
        if self._half_life is not None:
            return decayed_reader(self._series(DecayedCount, self._half_life), self._half_life, 1)
        return of.count_reader(self._series(Count), self._bound)

    def sum(self) -> NumberReader:
        if self._half_life is not None:
            place = self._series(DecayedSum, self._field, self._half_life)
            return decayed_reader(place, self._half_life, 2)
        return of.sum_reader(self._series(Sum, self._field), self._bound)

    def mean(self) -> NumberReader:
        if self._half_life is not None:
            return decayed_mean_reader(self._series(DecayedSum, self._field, self._half_life))
        return of.mean_reader(self._series(Sum, self._field), self._bound)

    def std(self) -> NumberReader:
        return of.std_reader(self._series(Moments, self._field), self._bound)

    def min(self) -> NumberReader:
        return of.least_reader(self._series(Least, self._field), self._bound)

    def max(self) -> NumberReader:
        return of.greatest_reader(self._series(Greatest, self._field), self._bound)

    def last(self) -> NumberReader:
        return of.last_number_reader(self._series(Last, self._field), self._bound)

    def last_category(self) -> of.CategoryReader:
        return of.last_category_reader(self._series(Last, self._field), self._bound)

    def distinct(self) -> NumberReader:
        return distinct_reader(self._names(), self._bound)

    def share(self) -> NumberReader:
        whole = self._series(Count, source=Source(self._source.types))
        return of.share_reader(self._series(Count), whole, self._bound)

    def rate(self) -> NumberReader:
        place, unit = self._series(Count), _UNITS[self._feature.per or "second"] * MICROSECONDS
        if self._reach.kind == "window":
            return of.window_rate_reader(place, self._bound, self._reach.length, unit)
        return of.run_rate_reader(place, self._series(First), self._bound, unit)

    def time_since_last(self) -> NumberReader:
        return of.since_last_reader(self._series(Newest), self._bound, self._unit)

    def time_since_first(self) -> NumberReader:
        return of.since_first_reader(self._series(First), self._bound, self._unit)

    def z_score(self) -> NumberReader:
        read = of.z_score_reader(self._series(Moments, self._field), self._bound, self._field)
        return self._at_hand(read)

    def rarity(self) -> NumberReader:
        return self._at_hand(rarity_reader(self._names(), self._bound, self._field))

    def unseen(self) -> NumberReader:
        return self._at_hand(unseen_reader(self._names(), self._bound, self._field))

    def hour_rarity(self) -> NumberReader:
        place = self._series(Hours, self._offset)
        return self._at_hand(hour_rarity_reader(place, self._bound, self._offset))

    def hour(self) -> NumberReader:
        return self._at_hand(hour_reader(self._offset))

    def weekday(self) -> NumberReader:
        return self._at_hand(weekday_reader(self._offset))

    def lookup(self) -> NumberReader:
        return self._at_hand(lookup_reader(self._field, self._feature.values))

    def flag(self) -> NumberReader:
        return flag_reader(parse_condition(self._feature.when))

    def ratio(self) -> NumberReader:
        feature = self._feature
        return ratio_reader(0.0 if feature.of is None else feature.of, 0.0 if feature.to is None else feature.to)

    def sequence(self) -> SequenceReader:
        columns, length = self._feature.fields, self._feature.length or 1
        return sequence_reader(self._series(Steps, columns, length), columns)

    def neighbors(self) -> NeighborReader:
        return neighbor_reader(self._series(Named, self._field, self._feature.most or 1))

    def _names(self) -> int:
        tiles = self._reach.tiles + 1 if self._reach.kind == "window" else 1
        return self._series(Names, self._field, capacity(tiles))

    @property
    def _unit(self) -> int:
        return _UNITS[(self._feature.unit or "seconds").removesuffix("s")] * MICROSECONDS


NUMBERS: Mapping[str, Callable[[_Feature], NumberReader]] = {
    "count": _Feature.count,
    "sum": _Feature.sum,
    "mean": _Feature.mean,
    "std": _Feature.std,
    "min": _Feature.min,
    "max": _Feature.max,
    "last": _Feature.last,
    "distinct": _Feature.distinct,
    "share": _Feature.share,
    "rate": _Feature.rate,
    "time_since_last": _Feature.time_since_last,
    "time_since_first": _Feature.time_since_first,
    "z_score": _Feature.z_score,
    "rarity": _Feature.rarity,
    "unseen": _Feature.unseen,
    "hour_rarity": _Feature.hour_rarity,
    "hour": _Feature.hour,
    "weekday": _Feature.weekday,
    "lookup": _Feature.lookup,
    "flag": _Feature.flag,
    "ratio": _Feature.ratio,
}
"""How a number feature of each aggregate is compiled."""
