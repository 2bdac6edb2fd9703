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
    """

    meaning: str
    kind: FeatureKind | None = "number"
    field: tuple[FieldKind, ...] = ()
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    at_hand: bool = False
    derived: bool = False

    @property
    def options(self) -> frozenset[str]:
        """Every option that a feature of this aggregate may have."""
        return frozenset({*self.takes, *self.needs, *(["default"] if self.has_default else [])})

    @property
    def has_default(self) -> bool:
        """Whether its result can be missing and replaced."""
        return self.kind in ("number", None) and "when" not in self.needs


def _over_events(meaning: str, *, half_life: bool = False, needs: tuple[str, ...] = ()) -> Aggregate:
    takes = (*_HISTORY, *_RUN, *(["half_life"] if half_life else []))
    return Aggregate(meaning, takes=takes, needs=needs)


def _of_field(
    meaning: str,
    *kinds: FieldKind,
    kind: FeatureKind | None = "number",
    half_life: bool = False,
    at_hand: bool = False,
) -> Aggregate:
    takes = (*_HISTORY, *_RUN, *(["half_life"] if half_life else []))
    return Aggregate(meaning, kind=kind, field=kinds, takes=takes, needs=("field",), at_hand=at_hand)


AGGREGATES: Mapping[str, Aggregate] = {
    "count": _over_events("the number of events", half_life=True),
    "sum": _of_field("the sum of a number", "number", half_life=True),
    "mean": _of_field("the mean of a number", "number", half_life=True),
    "std": _of_field("the standard deviation of a number, that of the population", "number"),
    "min": _of_field("the smallest value of a number", "number"),
    "max": _of_field("the largest value of a number", "number"),
    "last": _of_field("the newest value of a number or category", "number", "category", kind=None),
    "distinct": _of_field("how many different values there are; an estimate above 256 in one tile", *_TEXTS),
    "share": _over_events("the part of the events that meet `where`, 0 to 1", needs=("where",)),
    "rate": _over_events("the number of events per unit of time", needs=("per",)),
    "time_since_last": Aggregate("the time since the newest event", takes=(*_HISTORY, *_RUN, "unit")),
    "time_since_first": Aggregate("the time since the oldest event", takes=(*_HISTORY, *_RUN, "unit")),
    "sequence": Aggregate(
        "the last events as steps, oldest first", kind="sequence", takes=_HISTORY, needs=("fields", "length")
    ),
    "neighbors": Aggregate(
        "the entities that events name, the most recent ones, with features of theirs",
        kind="neighbors",
        field=("entity",),
        takes=_HISTORY,
        needs=("field", "most", "features"),
    ),
    "z_score": _of_field(
        "how many standard deviations the event at hand is above the entity's own mean", "number", at_hand=True
    ),
    "rarity": _of_field("1 less the share of the value of the event at hand in the past", *_TEXTS, at_hand=True),
    "unseen": _of_field("1 where no past event has the value of the event at hand, else 0", *_TEXTS, at_hand=True),
    "hour_rarity": Aggregate(
        "how unusual the hour of the event at hand is: -ln of its smoothed share, hours being around the clock",
        takes=(*_HISTORY, *_RUN),
        at_hand=True,
    ),
    "lookup": Aggregate(
        "the number that `values` has for a category of the event at hand",
        field=("category",),
        takes=("events",),
        needs=("field", "values"),
        at_hand=True,
    ),
    "flag": Aggregate("1 where the condition holds, else 0", needs=("when",), derived=True),
    "ratio": Aggregate("one number over another, missing where that is 0", needs=("of", "to"), derived=True),
}
"""Every aggregate by name, in the order of the documentation."""


def _check_aggregate(name: str) -> str:
    if name not in AGGREGATES:
        raise ValueError(f"unknown aggregate {name!r}; {hint(name, AGGREGATES, 'aggregate')}")
    return name


AggregateName = Annotated[str, AfterValidator(_check_aggregate)]
