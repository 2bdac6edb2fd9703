"""The aggregates of features: what each means, which options it takes, and the kind of its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator

from scoreline_registry.names import hint

FieldKind: TypeAlias = Literal["number", "category", "entity"]
FeatureKind: TypeAlias = Literal["number", "category", "sequence", "neighbors"]

SPANS = ("window", "session", "half_life")
"""The options that limit how far back an aggregate looks, of which a feature has at most one."""

_HISTORY = ("events", "where")
_RUN = ("window", "tile", "session")
_MISSING = "missing"
_TEXTS: tuple[FieldKind, ...] = ("category", "entity")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What one aggregate is.

    Attributes:
        meaning: one line for people.
        kind: of the result; None where it is that of the field.
        field: the kinds of field that it takes; empty where it takes none.
        takes: the options that it may have.
        needs: the options that it must have.
        at_hand: whether it compares the event at hand, and is missing without one.
        derived: whether it is computed from other features instead of events.
        empty: what it is where no event counts, for people.
    """

    meaning: str
    kind: FeatureKind | None = "number"
    field: tuple[FieldKind, ...] = ()
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    at_hand: bool = False
    derived: bool = False
    empty: str = _MISSING

    @property
    def is_never_missing(self) -> bool:
        """Whether it has a value for entities without events too."""
        return not self.at_hand and self.empty != _MISSING

    @property
    def options(self) -> frozenset[str]:
        """Every option that a feature of this aggregate may have."""
        return frozenset({*self.takes, *self.needs, *(["default"] if self.has_default else [])})

    @property
    def looks_back(self) -> bool:
        """Whether it is computed from past events."""
        return "where" in self.options

    @property
    def has_default(self) -> bool:
        """Whether its result can be missing and replaced."""
        return self.kind in ("number", None) and "when" not in self.needs


def _over_events(
    meaning: str, *, half_life: bool = False, needs: tuple[str, ...] = (), empty: str = _MISSING
) -> Aggregate:
    takes = (*_HISTORY, *_RUN, *(["half_life"] if half_life else []))
    return Aggregate(meaning, takes=takes, needs=needs, empty=empty)


def _of_field(
    meaning: str,
    *kinds: FieldKind,
    kind: FeatureKind | None = "number",
    half_life: bool = False,
    at_hand: bool = False,
    empty: str = _MISSING,
) -> Aggregate:
    takes = (*_HISTORY, *_RUN, *(["half_life"] if half_life else []))
    return Aggregate(meaning, kind=kind, field=kinds, takes=takes, needs=("field",), at_hand=at_hand, empty=empty)


AGGREGATES: Mapping[str, Aggregate] = {
    "count": _over_events("the number of events", half_life=True, empty="0"),
    "sum": _of_field("the sum of a number", "number", half_life=True, empty="0"),
    "mean": _of_field("the mean of a number", "number", half_life=True),
    "std": _of_field("the standard deviation of a number, its squares over n: 0 for one value", "number"),
    "min": _of_field("the smallest value of a number", "number"),
    "max": _of_field("the largest value of a number", "number"),
    "last": _of_field("the newest value of a number or category", "number", "category", kind=None),
    "distinct": _of_field("how many different values there are; an estimate for more than 256", *_TEXTS, empty="0"),
    "share": _over_events("the part of the events that meets `where`, 0 to 1", needs=("where",)),
    "rate": _over_events(
        "the number of events per unit of time: of the window, or since the first event and at least one unit",
        needs=("per",),
        empty="0",
    ),
    "time_since_last": Aggregate("the time since the newest event", takes=(*_HISTORY, *_RUN, "unit")),
    "time_since_first": Aggregate("the time since the oldest event", takes=(*_HISTORY, *_RUN, "unit")),
    "sequence": Aggregate(
        "the last events as steps, oldest first; `since_previous_seconds` is a column of its own",
        kind="sequence",
        takes=_HISTORY,
        needs=("fields", "length"),
        empty="no steps",
    ),
    "neighbors": Aggregate(
        "the entities that events named last, each once, with number features of theirs",
        kind="neighbors",
        field=("entity",),
        takes=_HISTORY,
        needs=("field", "most", "features"),
        empty="no neighbors",
    ),
    "z_score": _of_field(
        "how many standard deviations the event at hand is above the entity's own mean; missing below 2 values",
        "number",
        at_hand=True,
    ),
    "rarity": _of_field(
        "1 less the share of past events that have the value of the event at hand", *_TEXTS, at_hand=True, empty="1"
    ),
    "unseen": _of_field(
        "1 where no past event has the value of the event at hand, else 0", *_TEXTS, at_hand=True, empty="1"
    ),
    "hour_rarity": Aggregate(
        "the surprise -ln p of the hour of the event at hand, hours being around the clock",
        takes=(*_HISTORY, *_RUN),
        at_hand=True,
        empty="ln 24 = 3.18",
    ),
    "hour": Aggregate(
        "the hour of the day of the event at hand, 0 to 24 with fractions",
        takes=("events",),
        at_hand=True,
        empty="the same",
    ),
    "weekday": Aggregate(
        "the day of the week of the event at hand: 0 on Monday, 6 on Sunday",
        takes=("events",),
        at_hand=True,
        empty="the same",
    ),
    "lookup": Aggregate(
        "the number that `values` has for a category of the event at hand; missing for any other",
        field=("category",),
        takes=("events",),
        needs=("field", "values"),
        at_hand=True,
        empty="the same",
    ),
    "flag": Aggregate("1 where the condition `when` holds, else 0", needs=("when",), derived=True, empty="0 or 1"),
    "ratio": Aggregate("`of` over `to`; missing where one is missing or `to` is 0", needs=("of", "to"), derived=True),
}
"""Every aggregate by name, in the order of the documentation."""


def _check_aggregate(name: str) -> str:
    if name not in AGGREGATES:
        raise ValueError(f"unknown aggregate {name!r}; {hint(name, AGGREGATES, 'aggregate')}")
    return name


AggregateName = Annotated[str, AfterValidator(_check_aggregate)]
